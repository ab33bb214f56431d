import { X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join as joinPath } from "node:path";
import { checkServerIdentity } from "node:tls";
import { beforeEach, describe, expect, it, onTestFinished, test } from "vitest";
import { join, loadIdentity, renew } from "../../edgehub/join.ts";
import { createKey, fits, readCertificate, readKey } from "../../platform/certificate.ts";
import type { NodeId } from "../../protocol/index.ts";
import type { FakeClock } from "../support/fake-clock.ts";
import { issued, type OtherCloud, startOtherCloud, testAuthority } from "./other-cloud.ts";
import {
  dayMs,
  edge1,
  errorOf,
  hourMs,
  type JoinHub,
  newAuthority,
  presentClock,
  startJoinHub,
  temporaryDirectory,
} from "./support.ts";
import { vectors } from "./vectors.ts";

let directory: string;
let clock: FakeClock;
beforeEach(() => {
  directory = joinPath(temporaryDirectory(), "edge");
  clock = presentClock();
});

/** The claims do not matter to the edge. */
const someJwt = vectors.tokens[0]?.jwt ?? "";

async function tokenOf(hub: JoinHub, terms: { node?: NodeId; uses?: number } = {}): Promise<string> {
  return (await hub.tokens.create({ ttlMs: hourMs, ...terms })).token;
}

function joinHub(hub: JoinHub, token: string, parts: { signal?: AbortSignal } = {}) {
  return join({ url: hub.url, token, node: edge1, directory }, { clock, ...parts });
}

function joinCloud(cloud: OtherCloud, change: Partial<Parameters<typeof join>[0]> = {}) {
  return join(
    { url: cloud.url, token: `${cloud.caHash}.${someJwt}`, node: edge1, directory, ...change },
    { clock },
  );
}

describe("joining our hub", () => {
  it("stores an identity that is of this node and this hub", async () => {
    const hub = await startJoinHub();
    const identity = await joinHub(hub, await tokenOf(hub));
    expect(loadIdentity(directory)).toEqual(identity);
    expect(readdirSync(directory).sort()).toEqual(["ca.crt", "identity.pem"]);
    expect(identity).toMatchObject({
      node: edge1,
      caPem: hub.authority.caCertificatePem,
      caHash: hub.authority.caHash,
    });
    const certificate = readCertificate(identity.certPem);
    expect(hub.authority.identify(certificate.der, hub.clock.wallTime())).toMatchObject({
      kind: "node",
      node: edge1,
    });
    expect(fits(certificate, readKey(identity.keyPem))).toBe(true);
    expect(identity.notAfter - identity.notBefore).toBe(365 * dayMs + 2 * hourMs);
  });

  it("works by name as well as by address", async () => {
    const hub = await startJoinHub();
    const url = `https://localhost:${hub.api.port}/`;
    const token = await tokenOf(hub);
    expect(await join({ url, token, node: edge1, directory }, { clock })).toMatchObject({ node: edge1 });
  });

  test.each<[string, (hub: JoinHub) => Promise<string>, string, RegExp]>([
    [
      "is another node's",
      (hub) => tokenOf(hub, { node: "edge-2" as NodeId }),
      "E_FORBIDDEN",
      /the token is for node edge-2 only/,
    ],
    [
      "has expired",
      async (hub) => {
        const token = await tokenOf(hub);
        await hub.clock.advance(2 * hourMs);
        return token;
      },
      "E_TOKEN_EXPIRED",
      /ask for a new one: hubctl token create/,
    ],
    [
      "was revoked",
      async (hub) => {
        const { token, id } = await hub.tokens.create({ ttlMs: hourMs });
        await hub.tokens.revoke(id);
        return token;
      },
      "E_REVOKED",
      /has been revoked/,
    ],
    [
      "was signed by nobody",
      async (hub) => `${hub.authority.caHash}.${someJwt}`,
      "E_BAD_TOKEN",
      /not signed by this hub/,
    ],
  ])("says in the hub's words that the token %s", async (_name, token, code, text) => {
    const hub = await startJoinHub();
    const error = await errorOf(async () => joinHub(hub, await token(hub)));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(text);
    expect(loadIdentity(directory)).toBeUndefined();
  });

  it("says that the node has joined already, and works with a token made for it", async () => {
    const hub = await startJoinHub();
    const first = await joinHub(hub, await tokenOf(hub));
    const error = await errorOf(async () => joinHub(hub, await tokenOf(hub)));
    expect(error.code).toBe("E_FORBIDDEN");
    expect(error.message).toMatch(/has joined already; .*hubctl token create --node edge-1/);
    expect(loadIdentity(directory)).toEqual(first);
    const again = await joinHub(hub, await tokenOf(hub, { node: edge1 }));
    expect(again.certPem).not.toBe(first.certPem);
    expect(loadIdentity(directory)).toEqual(again);
  });

  it("costs one use of the token even if the first answer is lost", async () => {
    const gaveUp = new AbortController();
    const hub = await startJoinHub({ admitted: () => gaveUp.abort() });
    const token = await tokenOf(hub, { uses: 1 });
    const error = await errorOf(() => joinHub(hub, token, { signal: gaveUp.signal }));
    expect(error.code).toBe("E_ABORTED");
    expect(hub.admitted).toHaveLength(1);
    expect(loadIdentity(directory)).toBeUndefined();
    expect(await joinHub(hub, token)).toMatchObject({ node: edge1 });
    expect((await hub.tokens.list())[0]).toMatchObject({ usesLeft: 0, usedBy: [{ node: edge1 }] });
  });

  it("makes a new key if the one of an earlier attempt is damaged", async () => {
    const hub = await startJoinHub();
    const failed = await errorOf(() => joinHub(hub, `${hub.authority.caHash}.${someJwt}`));
    expect(failed.code).toBe("E_BAD_TOKEN");
    writeFileSync(joinPath(directory, "join.key"), "half a ke");
    expect(await joinHub(hub, await tokenOf(hub))).toMatchObject({ node: edge1 });
    expect(existsSync(joinPath(directory, "join.key"))).toBe(false);
  });
});

describe("a server that is not the hub", () => {
  it("is told nothing if its CA is not the one the token names", async () => {
    const cloud = await startOtherCloud();
    const error = await errorOf(() => joinCloud(cloud, { token: vectors.tokens[0]?.token ?? "" }));
    expect(error.code).toBe("E_CA_MISMATCH");
    expect(error.message).toMatch(/is not the one the token names.*Nothing was sent.*hubctl token create/);
    expect(cloud.asked.map(({ path }) => path)).toEqual(["/ca.crt"]);
    expect(cloud.asked[0]?.headers).not.toHaveProperty("authorization");
    expect(existsSync(directory)).toBe(false);
  });

  it("is not shown the token if it has the right CA and cannot prove to be of it", async () => {
    const real = await testAuthority();
    const cloud = await startOtherCloud({ givesCa: real.certificate });
    const error = await errorOf(() => joinCloud(cloud));
    expect(error).toMatchObject({ code: "E_IDENTITY", retryable: true });
    expect(error.message).toMatch(/The server is not the hub/);
    expect(cloud.asked.map(({ path }) => path)).toEqual(["/ca.crt"]);
  });

  it("is refused under an address that is not in its certificate", async () => {
    const cloud = await startOtherCloud({ names: ["hub.example"] });
    const error = await errorOf(() => joinCloud(cloud));
    expect(error.code).toBe("E_IDENTITY");
    expect(error.message).toMatch(/Use an address that is in the hub's certificate/);
    expect(cloud.asked.map(({ path }) => path)).toEqual(["/ca.crt"]);
  });

  it("is refused if what it calls its CA is none, though the hash is right", async () => {
    const cloud = await startOtherCloud({ givesCa: Buffer.from("hello") });
    expect((await errorOf(() => joinCloud(cloud))).code).toBe("E_IDENTITY");
  });

  it("that nobody listens at is a lost link", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as { port: number };
    await new Promise((resolve) => taken.close(resolve));
    const url = `https://127.0.0.1:${port}`;
    const token = vectors.tokens[0]?.token ?? "";
    const error = await errorOf(() => join({ url, token, node: edge1, directory }, { clock }));
    expect(error).toMatchObject({ code: "E_LINK_LOST", retryable: true });
    expect(error.message).toMatch(url);
  });

  it("that speaks no TLS is an error with its address", async () => {
    const plain = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    onTestFinished(() => void plain.close());
    await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
    const url = `https://127.0.0.1:${(plain.address() as { port: number }).port}`;
    const token = vectors.tokens[0]?.token ?? "";
    const error = await errorOf(() => join({ url, token, node: edge1, directory }, { clock }));
    expect(error).toMatchObject({ retryable: true });
    expect(error.message).toMatch(url);
  });
});

describe("joining a stock cloud", () => {
  it("asks as a stock edge does", async () => {
    const cloud = await startOtherCloud();
    await joinCloud(cloud);
    const [first, second] = cloud.asked;
    expect(cloud.asked).toHaveLength(2);
    expect(first).toMatchObject({ method: "GET", path: "/ca.crt", body: Buffer.alloc(0) });
    expect(second).toMatchObject({ method: "GET", path: "/edge.crt" });
    expect(second?.headers).toMatchObject({
      authorization: `Bearer ${someJwt}`,
      nodename: "edge-1",
      "content-length": String(second?.body.length),
    });
    for (const { headers } of cloud.asked) expect(headers).not.toHaveProperty("accept");
  });

  it("takes the certificate as it is, whatever name is in it", async () => {
    const subject = { organization: "kubeEdge", commonName: "kubeedge.io" };
    const cloud = await startOtherCloud({
      answer: async (ca, { body }) => ({ body: await issued(ca, body, { subject }) }),
    });
    const identity = await joinCloud(cloud);
    expect(readCertificate(identity.certPem)).toMatchObject(subject);
    expect(loadIdentity(directory)).toEqual(identity);
    expect(identity.node).toBe(edge1);
  });

  test.each([
    [
      401,
      "Invalid authorization token",
      "E_BAD_TOKEN",
      /answered 401: Invalid authorization token.*hubctl token create/,
    ],
    [400, "Invalid authorization token", "E_BAD_TOKEN", /answered 400/],
    [404, "404: Page Not Found", "E_UNSUPPORTED", /Is this the hub's port for joining \(10002\)\?/],
    [500, "boom", "E_INTERNAL", /answered 500: boom/],
    [503, "", "E_INTERNAL", /answered 503$/],
    [200, "", "E_LINK_LOST", /an empty answer; a KubeEdge 1\.15 cloud does so when it refuses/],
    [403, "E_FORBIDDEN: node edge-1 has joined already", "E_FORBIDDEN", /^node edge-1 has joined already$/],
    [401, "E_NOT_A_CODE: x", "E_BAD_TOKEN", /E_NOT_A_CODE: x/],
    [200, "no certificate", "E_IDENTITY", /the certificate cannot be read/],
    [200, "x".repeat((1 << 20) + 1), "E_TOO_LARGE", /more than 1 MiB/],
  ])("says what the answer %i %.30j means", async (status, body, code, text) => {
    const cloud = await startOtherCloud({ answer: () => ({ status, body }) });
    const error = await errorOf(() => joinCloud(cloud));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(text);
    expect(loadIdentity(directory)).toBeUndefined();
  });

  test.each<[string, NonNullable<Parameters<typeof startOtherCloud>[0]>["answer"], RegExp]>([
    [
      "is for another key",
      async (ca, { body }) => {
        const { publicKey } = await createKey();
        return { body: await issued(ca, body, { publicKey }) };
      },
      /it is for another key than the one asked for/,
    ],
    [
      "is of another CA",
      async (_ca, { body }) => ({ body: await issued(await testAuthority(), body) }),
      /it was not issued by the hub's own CA/,
    ],
    [
      "has ended",
      async (ca, { body }) => ({ body: await issued(ca, body, { notAfter: Date.now() - hourMs }) }),
      /it has ended already; is a clock wrong\?/,
    ],
    [
      "is not valid yet",
      async (ca, { body }) => ({ body: await issued(ca, body, { notBefore: Date.now() + hourMs }) }),
      /it is not valid yet; is a clock wrong\?/,
    ],
  ])("refuses a certificate that %s", async (_name, answer, text) => {
    const cloud = await startOtherCloud(answer === undefined ? {} : { answer });
    const error = await errorOf(() => joinCloud(cloud));
    expect(error).toMatchObject({ code: "E_IDENTITY", retryable: true });
    expect(error.message).toMatch(text);
    expect(loadIdentity(directory)).toBeUndefined();
  });

  it("accepts a server certificate with the empty DNS name that its default configuration makes", () => {
    const certificate = new X509Certificate(vectors.cloudcore.emptyDnsNameVariant.certPem).toLegacyObject();
    expect(checkServerIdentity("127.0.0.1", certificate)).toBeUndefined();
  });
});

describe("giving up", () => {
  it("happens after 30 seconds without an answer", async () => {
    const heard = Promise.withResolvers<void>();
    const cloud = await startOtherCloud({
      answer: () => {
        heard.resolve();
        return "silence";
      },
    });
    const failed = errorOf(() => joinCloud(cloud));
    await heard.promise;
    await clock.advance(30_000);
    const error = await failed;
    expect(error).toMatchObject({ code: "E_TIMEOUT", retryable: true });
    expect(error.message).toMatch(/edge\.crt: no answer within 30000 ms/);
  });

  it("happens at once when the caller says so, before or in the middle", async () => {
    const stop = new AbortController();
    const cloud = await startOtherCloud({
      answer: () => {
        stop.abort();
        return "silence";
      },
    });
    const options = { url: cloud.url, token: `${cloud.caHash}.${someJwt}`, node: edge1, directory };
    for (let i = 0; i < 2; i++) {
      const error = await errorOf(() => join(options, { clock, signal: stop.signal }));
      expect(error.code).toBe("E_ABORTED");
    }
    expect(cloud.asked).toHaveLength(2);
  });
});

describe("options", () => {
  test.each([
    [{ token: "token" }, "E_BAD_TOKEN"],
    [{ token: `${"A".repeat(64)}.${someJwt}` }, "E_BAD_TOKEN"],
    [{ node: "Edge 1" }, "E_NO_NODE"],
    [{ url: "http://127.0.0.1:10002" }, "E_BAD_OPTION"],
    [{ url: "127.0.0.1:10002" }, "E_BAD_OPTION"],
    [{ url: "https://127.0.0.1:10002/path" }, "E_BAD_OPTION"],
  ])("%j are refused with %s before anything is sent", async (change, code) => {
    const cloud = await startOtherCloud();
    const error = await errorOf(() => joinCloud(cloud, change));
    expect(error.code).toBe(code);
    expect(error.message).not.toContain(someJwt);
    expect(cloud.asked).toEqual([]);
    expect(existsSync(directory)).toBe(false);
  });

  test.each(vectors.caHashChecks)(
    "the hash $hash is refused unless it is exactly the CA's: $valid",
    async (check) => {
      const cloud = await startOtherCloud({ givesCa: readCertificate(vectors.ca.certPem).der });
      const error = await errorOf(() => joinCloud(cloud, { token: `${check.hash}.${someJwt}` }));
      // The right one gets as far as the server's own certificate, which is of another CA.
      if (check.valid) expect(error.code).toBe("E_IDENTITY");
      else expect(["E_BAD_TOKEN", "E_CA_MISMATCH"]).toContain(error.code);
    },
  );
});

describe("renewing", () => {
  async function joined(hub: JoinHub) {
    return await joinHub(hub, await tokenOf(hub));
  }

  it("replaces certificate and key", async () => {
    const hub = await startJoinHub();
    const old = await joined(hub);
    await hub.clock.advance(1_000);
    const fresh = await renew(old, hub.url, { clock, directory });
    expect(fresh.node).toBe(edge1);
    expect(fresh.keyPem).not.toBe(old.keyPem);
    expect(fresh.notAfter).toBe(old.notAfter + 1_000);
    expect(loadIdentity(directory)).toEqual(fresh);
    expect(hub.admitted.map(({ isRenewal }) => isRenewal)).toEqual([false, true]);
    expect(await renew(fresh, hub.url, { clock, directory })).toMatchObject({ node: edge1 });
  });

  it("leaves the old identity if the hub refuses, and says why in its words", async () => {
    const hub = await startJoinHub();
    const old = await joined(hub);
    for (const { serial } of await hub.certificates()) hub.revoked.add(serial);
    const before = readFileSync(joinPath(directory, "identity.pem"));
    const error = await errorOf(() => renew(old, hub.url, { clock, directory }));
    expect(error.code).toBe("E_REVOKED");
    expect(error.message).toMatch(/join again with a new token/);
    expect(readFileSync(joinPath(directory, "identity.pem"))).toEqual(before);
    expect(loadIdentity(directory)).toEqual(old);
  });

  it("asks nobody who cannot prove to be the hub", async () => {
    const hub = await startJoinHub();
    const old = await joined(hub);
    const stranger = await startJoinHub({ authority: await newAuthority(clock) });
    const error = await errorOf(() => renew(old, stranger.url, { clock, directory }));
    expect(error).toMatchObject({ code: "E_IDENTITY", retryable: true });
    expect(stranger.admitted).toEqual([]);
    expect(loadIdentity(directory)).toEqual(old);
  });

  it("sends a stock cloud no token", async () => {
    const cloud = await startOtherCloud();
    const identity = await joinCloud(cloud);
    await renew(identity, cloud.url, { clock, directory });
    expect(cloud.asked.at(-1)?.path).toBe("/edge.crt");
    expect(cloud.asked.at(-1)?.headers).not.toHaveProperty("authorization");
    expect(cloud.asked.at(-1)?.headers).toMatchObject({ nodename: "edge-1" });
  });

  it("refused by a stock cloud is an identity that does not count any more", async () => {
    const cloud = await startOtherCloud({
      answer: async (ca, { headers, body }) =>
        headers.authorization
          ? { body: await issued(ca, body) }
          : { status: 401, body: "x509: certificate is bad" },
    });
    const identity = await joinCloud(cloud);
    const error = await errorOf(() => renew(identity, cloud.url, { clock, directory }));
    expect(error.code).toBe("E_IDENTITY");
    expect(error.message).toMatch(/answered 401: x509: certificate is bad\. Join again with a new token/);
  });
});
