import { createHmac } from "node:crypto";
import { beforeEach, describe, expect, it, test } from "vitest";
import type { JoinTokenRecord } from "../../cloudhub/join/token-record.ts";
import { JoinTokens, type JoinTokensOptions, verifyJoinToken } from "../../cloudhub/join/tokens.ts";
import type { RecordStore } from "../../cloudhub/store/hub-store.ts";
import { type NodeId, parseJoinToken } from "../../protocol/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { dayMs, edge1, errorOf, hourMs, memoryStore } from "./support.ts";
import { bytesOf, vectors, vectorTime } from "./vectors.ts";

const key = bytesOf(vectors.ca.keyDerHex);
const authority = { caHash: vectors.ca.sha256, tokenKey: key };
const edge2 = "edge-2" as NodeId;
const keyA = "aa".repeat(32);
const keyB = "bb".repeat(32);

describe("verifying", () => {
  test.each(vectors.tokens)(
    "says of the token $name what cloudcore says",
    async ({ jwt, accepted, name }) => {
      const verified = verifyJoinToken(jwt, key, vectorTime);
      if (accepted) await expect(verified).resolves.toEqual({ id: undefined });
      else
        await expect(verified).rejects.toMatchObject({
          code: name === "expired" ? "E_TOKEN_EXPIRED" : "E_BAD_TOKEN",
        });
    },
  );

  it("accepts a real cloudcore's token to the second of its end", async () => {
    const { token, tokenExp, caKeyDerHex, caSha256 } = vectors.capturedDeployment;
    const { jwt, caHash } = parseJoinToken(token);
    expect(caHash).toBe(caSha256);
    const at = (now: number) => verifyJoinToken(jwt, bytesOf(caKeyDerHex), now);
    await expect(at(tokenExp * 1000 - 1)).resolves.toEqual({ id: undefined });
    await expect(at(tokenExp * 1000)).rejects.toMatchObject({ code: "E_TOKEN_EXPIRED" });
  });

  test.each([
    "",
    ".",
    "..",
    "a.b.c",
    "a.b",
    "x".repeat(10_000),
    "é.é.é",
    "eyJhbGciOiJIUzI1NiJ9..",
    "null.null.null",
  ])("refuses the malformed token %j", async (jwt) => {
    await expect(verifyJoinToken(jwt, key, vectorTime)).rejects.toMatchObject({ code: "E_BAD_TOKEN" });
  });

  test.each([[{ exp: "soon" }], [{ exp: null }], [{ nbf: vectorTime / 1000 + 60 }], [[]], ["text"]])(
    "refuses the claims %j, however well signed",
    async (claims) => {
      await expect(verifyJoinToken(signed(claims), key, vectorTime)).rejects.toMatchObject({
        code: "E_BAD_TOKEN",
      });
    },
  );

  it("refuses a critical header it does not know", async () => {
    const jwt = signed({}, { alg: "HS256", crit: ["b64"], b64: false });
    await expect(verifyJoinToken(jwt, key, vectorTime)).rejects.toMatchObject({ code: "E_BAD_TOKEN" });
  });

  it("shows no part of a token in its errors", async () => {
    for (const { jwt, accepted } of vectors.tokens) {
      if (accepted) continue;
      const error = await errorOf(() => verifyJoinToken(jwt, key, vectorTime));
      for (const part of jwt.split(".").filter(Boolean)) {
        expect(`${error.message}${String(error.cause)}`).not.toContain(part);
      }
    }
  });

  function signed(claims: unknown, header: object = { alg: "HS256" }): string {
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const input = `${part(header)}.${part(claims)}`;
    return `${input}.${createHmac("sha256", key).update(input).digest("base64url")}`;
  }
});

describe("join tokens", () => {
  let clock: FakeClock;
  let records: RecordStore<JoinTokenRecord>;
  beforeEach(async () => {
    clock = new FakeClock(vectorTime);
    records = (await memoryStore(clock)).records("join-token");
  });

  function tokens(options: JoinTokensOptions = {}, through = records): JoinTokens {
    return new JoinTokens({ records: through, authority, clock }, options);
  }

  async function jwtOf(
    terms: { uses?: number; node?: NodeId; labels?: Record<string, string>; ttlMs?: number } = {},
  ) {
    const { token, id } = await tokens().create({ ttlMs: hourMs, ...terms });
    return { id, jwt: parseJoinToken(token).jwt };
  }

  it("have KubeEdge's form: CA hash, HS256, an end in seconds", async () => {
    const { token, id, expiresAt } = await tokens().create({ ttlMs: hourMs + 999 });
    const { caHash, jwt } = parseJoinToken(token);
    const [header, claims] = jwt.split(".").map((part) => Buffer.from(part, "base64url").toString());
    expect(caHash).toBe(vectors.ca.sha256);
    expect(header).toBe('{"alg":"HS256","typ":"JWT"}');
    expect(JSON.parse(claims ?? "")).toEqual({ exp: vectorTime / 1000 + 3600, jti: id });
    expect(expiresAt).toBe(vectorTime + hourMs);
  });

  it("are nowhere in the store", async () => {
    const { token } = await tokens().create({ ttlMs: hourMs, node: edge1, labels: { site: "a" } });
    const stored = JSON.stringify(await records.list());
    for (const part of token.split(".")) expect(stored).not.toContain(part);
  });

  it.each([
    { ttlMs: 0 },
    { ttlMs: Number.NaN },
    { ttlMs: 1e12 },
    { ttlMs: hourMs, uses: 0 },
    { ttlMs: hourMs, uses: 1.5 },
  ])("are not made on the terms %j", async (terms) => {
    expect((await errorOf(() => tokens().create(terms))).code).toBe("E_BAD_MESSAGE");
    expect(await records.list()).toEqual([]);
  });

  it("give their labels to whoever redeems them, as often as they may be", async () => {
    const { jwt } = await jwtOf({ uses: 2, labels: { site: "a" } });
    expect(await tokens().redeem(jwt, { node: edge1, keyHash: keyA })).toEqual({ site: "a" });
    await clock.advance(1_000);
    expect(await tokens().redeem(jwt, { node: edge2, keyHash: keyB })).toEqual({ site: "a" });
    const error = await errorOf(() => tokens().redeem(jwt, { node: edge1, keyHash: keyB }));
    expect(error.code).toBe("E_TOKEN_USED_UP");
    expect(error.message).toMatch(/hubctl token create/);
    expect((await tokens().list())[0]).toMatchObject({
      usesLeft: 0,
      usedBy: [
        { node: edge1, at: vectorTime },
        { node: edge2, at: vectorTime + 1_000 },
      ],
    });
  });

  it("may be redeemed any number of times unless limited", async () => {
    const { jwt } = await jwtOf();
    for (let i = 0; i < 150; i++) await tokens().redeem(jwt, { node: `n-${i}` as NodeId, keyHash: keyA });
    const [view] = await tokens().list();
    expect(view?.usesLeft).toBeUndefined();
    expect(view?.usedBy).toHaveLength(100);
    expect(view?.usedBy.at(-1)?.node).toBe("n-149");
  });

  it("are not used up by the same machine asking again with the same key", async () => {
    const { jwt } = await jwtOf({ uses: 1 });
    await tokens().redeem(jwt, { node: edge1, keyHash: keyA });
    expect(await tokens().check(jwt, { node: edge1, keyHash: keyA })).toEqual({ entitles: true });
    expect(await tokens().redeem(jwt, { node: edge1, keyHash: keyA })).toEqual({});
    expect((await tokens().list())[0]).toMatchObject({ usesLeft: 0, usedBy: [{ node: edge1 }] });
  });

  it("change nothing when they are only checked", async () => {
    const { jwt } = await jwtOf({ uses: 1 });
    const before = await records.list();
    expect(await tokens().check(jwt, { node: edge1, keyHash: keyA })).toEqual({ entitles: false });
    expect(await records.list()).toEqual(before);
  });

  it("for one node are for no other", async () => {
    const { jwt } = await jwtOf({ node: edge1 });
    const error = await errorOf(() => tokens().redeem(jwt, { node: edge2, keyHash: keyA }));
    expect(error.code).toBe("E_FORBIDDEN");
    expect(error.message).toMatch("for node edge-1 only");
    expect(await tokens().check(jwt, { node: edge1, keyHash: keyA })).toEqual({ entitles: true });
    expect(await tokens().redeem(jwt, { node: edge1, keyHash: keyA })).toEqual({});
  });

  it("are refused after their end", async () => {
    const { jwt } = await jwtOf();
    await clock.advance(hourMs);
    expect((await errorOf(() => tokens().redeem(jwt, { node: edge1, keyHash: keyA }))).code).toBe(
      "E_TOKEN_EXPIRED",
    );
  });

  it("are refused once revoked, by those too that used them before", async () => {
    const { jwt, id } = await jwtOf();
    await tokens().redeem(jwt, { node: edge1, keyHash: keyA });
    expect(await tokens().revoke(id)).toBe(true);
    expect((await errorOf(() => tokens().redeem(jwt, { node: edge1, keyHash: keyA }))).code).toBe(
      "E_REVOKED",
    );
    const [first] = await tokens().list();
    await clock.advance(1_000);
    expect(await tokens().revoke(id)).toBe(true);
    expect((await tokens().list())[0]).toEqual(first);
    expect(first?.revokedAt).toBe(vectorTime);
  });

  it("that do not exist cannot be revoked", async () => {
    expect(await tokens().revoke("0000000000000000")).toBe(false);
  });

  it("whose record is gone are refused, even where unrecorded ones are not", async () => {
    const { jwt, id } = await jwtOf();
    await records.delete(id);
    const redeem = tokens({ acceptUnrecorded: true }).redeem(jwt, { node: edge1, keyHash: keyA });
    await expect(redeem).rejects.toMatchObject({ code: "E_BAD_TOKEN" });
  });

  test.each(vectors.tokens.filter(({ accepted }) => accepted))(
    "of a KubeEdge cloud ($name) are accepted only if the options say so",
    async ({ jwt }) => {
      const redeemer = { node: edge1, keyHash: keyA };
      const error = await errorOf(() => tokens().redeem(jwt, redeemer));
      expect(error.code).toBe("E_BAD_TOKEN");
      expect(error.message).toMatch(/acceptUnrecordedTokens/);
      expect((await errorOf(() => tokens().check(jwt, redeemer))).code).toBe("E_BAD_TOKEN");
      const lenient = tokens({ acceptUnrecorded: true });
      expect(await lenient.check(jwt, redeemer)).toEqual({ entitles: false });
      expect(await lenient.redeem(jwt, redeemer)).toEqual({});
    },
  );

  it("are forgotten 30 days after their end", async () => {
    const old = await jwtOf();
    await clock.advance(hourMs + 30 * dayMs);
    const kept = await jwtOf();
    expect((await records.list()).map(({ name }) => name).sort()).toEqual([old.id, kept.id].sort());
    await clock.advance(1);
    const fresh = await jwtOf();
    expect((await records.list()).map(({ name }) => name).sort()).toEqual([kept.id, fresh.id].sort());
  });

  it.each([1, 2, 3])(
    "never give more certificates than they may, raced for in %i processes",
    async (processes) => {
      const { jwt } = await jwtOf({ uses: 5 });
      const hubs = Array.from({ length: processes }, () => tokens());
      const tries = Array.from({ length: 20 }, (_, i) =>
        (hubs[i % processes] as JoinTokens).redeem(jwt, { node: `n-${i}` as NodeId, keyHash: keyA }),
      );
      const results = await Promise.allSettled(tries);
      const refused = results.filter((one) => one.status === "rejected").map((one) => one.reason.code);
      expect(refused).toEqual(Array(15).fill("E_TOKEN_USED_UP"));
      expect((await tokens().list())[0]?.usedBy).toHaveLength(5);
    },
  );

  it("tell the caller to try again if their record never stays as it was read", async () => {
    const { jwt } = await jwtOf();
    const restless: RecordStore<JoinTokenRecord> = { ...records, put: () => Promise.resolve(false) };
    const error = await errorOf(() => tokens({}, restless).redeem(jwt, { node: edge1, keyHash: keyA }));
    expect(error).toMatchObject({ code: "E_STORAGE", retryable: true });
  });
});
