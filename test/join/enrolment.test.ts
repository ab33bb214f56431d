import type { ConnectionOptions } from "node:tls";
import { describe, expect, it, test } from "vitest";
import {
  createKey,
  type KeyUsage,
  keyUsages,
  type PrivateKey,
  readCertificate,
} from "../../platform/certificate.ts";
import type { NodeId } from "../../protocol/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import {
  type Answer,
  dayMs,
  edge1,
  exchange,
  head,
  importedAuthority,
  type JoinHub,
  keyAndRequest,
  openSocket,
  readAnswer,
  requestCertificate,
  startJoinHub,
} from "./support.ts";
import { bytesOf, vectors, vectorTime } from "./vectors.ts";

const edge2 = "edge-2" as NodeId;

/** Asks for a certificate with a new key, or the one given. */
async function ask(
  hub: JoinHub,
  headers: Record<string, string>,
  more: { tls?: ConnectionOptions; request?: Uint8Array } = {},
): Promise<Answer & { key: PrivateKey }> {
  const { key, request } = await keyAndRequest();
  const answer = await requestCertificate(hub, more.request ?? request, { headers, tls: more.tls ?? {} });
  return { ...answer, key };
}

/** A node that joins, and what it then shows in TLS. */
async function joined(hub: JoinHub, node = edge1): Promise<{ serial: string; tls: ConnectionOptions }> {
  const answer = await ask(hub, { Authorization: await hub.bearer({ node }), NodeName: node });
  expect(answer.status, answer.text).toBe(200);
  return shownBy(answer);
}

function shownBy({ body, key }: { body: Uint8Array; key: PrivateKey }): {
  serial: string;
  tls: ConnectionOptions;
} {
  const { pem, serial } = readCertificate(body);
  return { serial, tls: { cert: pem, key: key.pem } };
}

function expectRefusal(answer: Answer, status: number, text: RegExp): void {
  expect(answer.text).toMatch(text);
  expect(answer.status).toBe(status);
  expect(answer.headers["content-type"]).toMatch(/^text\/plain/);
}

describe("joining with a token", () => {
  it("gives the node a certificate and writes everything down", async () => {
    const hub = await startJoinHub();
    const authorization = await hub.bearer({ labels: { site: "a" } });
    const answer = await ask(hub, { Authorization: authorization, NodeName: "edge-1" });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/octet-stream");
    const certificate = readCertificate(answer.body);
    const now = hub.clock.wallTime();
    expect(hub.authority.identify(answer.body, now)).toEqual({
      kind: "node",
      node: edge1,
      serial: certificate.serial,
    });
    expect(Buffer.from(certificate.publicKey)).toEqual(Buffer.from(answer.key.publicKey));
    expect(certificate.notAfter).toBe(now + 365 * dayMs);
    expect(hub.store.node(edge1)).toMatchObject({ joinedAt: now, labels: { site: "a" } });
    expect(await hub.certificates()).toEqual([
      { serial: certificate.serial, node: edge1, issuedAt: now, notAfter: certificate.notAfter },
    ]);
    expect(hub.admitted).toMatchObject([{ node: edge1, serial: certificate.serial, isRenewal: false }]);
    expect(hub.refusals).toEqual([]);
  });

  it("adds the token's labels to those the node has", async () => {
    const hub = await startJoinHub();
    await hub.store.saveNode(edge1, { labels: { a: "1", b: "1" } });
    await ask(hub, { Authorization: await hub.bearer({ labels: { b: "2" } }), NodeName: "edge-1" });
    expect(hub.store.node(edge1)?.labels).toEqual({ a: "1", b: "2" });
  });

  test.each<[string, KeyUsage[]]>([
    ["[2]", ["clientAuth"]],
    ["[1,2]", ["serverAuth", "clientAuth"]],
  ])("gives the usages that the header ExtKeyUsages %s asks for", async (ExtKeyUsages, usages) => {
    const hub = await startJoinHub();
    const headers = { Authorization: await hub.bearer(), NodeName: "edge-1", ExtKeyUsages };
    const { body } = await ask(hub, headers);
    expect(readCertificate(body).extendedKeyUsages).toEqual(usages.map((usage) => keyUsages[usage]));
  });

  it("certifies the key of a request of any real edge", async () => {
    const hub = await startJoinHub();
    const requests = [
      ...vectors.edge.map((edge) => edge.csrDerHex),
      vectors.capturedDeployment.edgeCsrDerHex,
    ];
    for (const [i, hex] of requests.entries()) {
      const headers = { Authorization: await hub.bearer(), NodeName: `real-${i}` };
      const answer = await ask(hub, headers, { request: bytesOf(hex) });
      expect(answer.status).toBe(200);
      expect(readCertificate(answer.body).commonName).toBe(`system:node:real-${i}`);
    }
  });

  test.each([
    ["no header NodeName", {}, 400, /^E_NO_NODE: the header NodeName is missing/],
    ["a node name that is none", { NodeName: "Edge_1" }, 400, /^E_NO_NODE: a node name must be/],
    ["a node name twice", { NodeName: "edge-1, edge-2" }, 400, /^E_NO_NODE: /],
    [
      "usages it may not have",
      { NodeName: "edge-1", ExtKeyUsages: "[3]" },
      400,
      /^E_BAD_MESSAGE: .*ExtKeyUsages/,
    ],
  ])("is refused with %s", async (_name, headers, status, text) => {
    const hub = await startJoinHub();
    expectRefusal(await ask(hub, { Authorization: await hub.bearer(), ...headers }), status, text);
  });

  test.each([
    ["no token", undefined, /^E_BAD_TOKEN: the header Authorization must read/],
    ["one word", "token", /^E_BAD_TOKEN: the header Authorization must read/],
    ["a token that is none", "Bearer a.b.c", /^E_BAD_TOKEN: .*malformed or not signed by this hub/],
    ["another hub's token", vectors.tokens[0]?.authorizationHeader, /^E_BAD_TOKEN: .*not signed by this hub/],
  ])("is refused with %s", async (_name, authorization, text) => {
    const hub = await startJoinHub();
    const headers = authorization === undefined ? {} : { Authorization: authorization };
    expectRefusal(await ask(hub, { NodeName: "edge-1", ...headers }), 401, text);
  });

  it("is refused with an expired, a used-up and a revoked token", async () => {
    const hub = await startJoinHub();
    const expired = await hub.bearer();
    await hub.clock.advance(dayMs);
    expectRefusal(await ask(hub, { Authorization: expired, NodeName: "edge-1" }), 401, /^E_TOKEN_EXPIRED: /);
    const single = await hub.bearer({ uses: 1 });
    expect(await ask(hub, { Authorization: single, NodeName: "edge-1" })).toMatchObject({ status: 200 });
    expectRefusal(await ask(hub, { Authorization: single, NodeName: "edge-2" }), 401, /^E_TOKEN_USED_UP: /);
    for (const { id } of await hub.tokens.list()) await hub.tokens.revoke(id);
    expectRefusal(await ask(hub, { Authorization: single, NodeName: "edge-3" }), 401, /^E_REVOKED: /);
  });

  it("is refused with another node's token", async () => {
    const hub = await startJoinHub();
    const answer = await ask(hub, { Authorization: await hub.bearer({ node: edge2 }), NodeName: "edge-1" });
    expectRefusal(answer, 403, /^E_FORBIDDEN: the token is for node edge-2 only/);
  });

  test.each(vectors.tokens)(
    "under an imported CA says of KubeEdge's token $name what cloudcore says",
    async (token) => {
      const clock = new FakeClock(vectorTime);
      const authority = await importedAuthority(clock);
      const hub = await startJoinHub({ clock, authority, tokens: { acceptUnrecorded: true } });
      const answer = await ask(hub, { Authorization: token.authorizationHeader, NodeName: "edge-1" });
      expect(answer.status).toBe(token.accepted ? 200 : 401);
    },
  );
});

describe("joining again", () => {
  it("is refused with a token that is not for this very node, and costs no use of it", async () => {
    const hub = await startJoinHub();
    await joined(hub);
    const authorization = await hub.bearer({ uses: 1 });
    const answer = await ask(hub, { Authorization: authorization, NodeName: "edge-1" });
    expectRefusal(
      answer,
      403,
      /^E_FORBIDDEN: node edge-1 has joined already; .*hubctl token create --node edge-1/,
    );
    expect(await ask(hub, { Authorization: authorization, NodeName: "edge-2" })).toMatchObject({
      status: 200,
    });
  });

  it("works with a token made for the node; it stays joined since the first time", async () => {
    const hub = await startJoinHub();
    await joined(hub);
    const { joinedAt } = hub.store.node(edge1) ?? {};
    await hub.clock.advance(1_000);
    await joined(hub);
    expect(hub.store.node(edge1)?.joinedAt).toBe(joinedAt);
    expect(await hub.certificates()).toHaveLength(2);
  });

  it("works with any token where the options say so", async () => {
    const hub = await startJoinHub({ enrolment: { allowRejoin: true } });
    await joined(hub);
    const answer = await ask(hub, { Authorization: await hub.bearer(), NodeName: "edge-1" });
    expect(answer.status).toBe(200);
  });

  it("works with the same token and key, for a node that did not get the answer", async () => {
    const hub = await startJoinHub();
    const { request } = await keyAndRequest();
    const headers = { Authorization: await hub.bearer({ uses: 1 }), NodeName: "edge-1" };
    expect(await ask(hub, headers, { request })).toMatchObject({ status: 200 });
    expect(await ask(hub, headers, { request })).toMatchObject({ status: 200 });
    expectRefusal(await ask(hub, headers), 401, /^E_TOKEN_USED_UP: /);
  });

  it("is for a node that only waits to be known no second time", async () => {
    const hub = await startJoinHub();
    await hub.store.saveNode(edge1, { labels: { expected: "yes" } });
    expect(await ask(hub, { Authorization: await hub.bearer(), NodeName: "edge-1" })).toMatchObject({
      status: 200,
    });
  });

  it("under one name at the same time gives one machine a certificate", async () => {
    const hub = await startJoinHub();
    const authorization = await hub.bearer();
    const tries = Array.from({ length: 5 }, () =>
      ask(hub, { Authorization: authorization, NodeName: "edge-1" }),
    );
    const statuses = (await Promise.all(tries)).map(({ status }) => status).sort();
    expect(statuses).toEqual([200, 403, 403, 403, 403]);
    expect(await hub.certificates()).toHaveLength(1);
  });

  it("cannot use a token more often than it may be, raced for by many machines", async () => {
    const hub = await startJoinHub();
    const authorization = await hub.bearer({ uses: 3 });
    const tries = Array.from({ length: 10 }, (_, i) =>
      ask(hub, { Authorization: authorization, NodeName: `n-${i}` }),
    );
    const statuses = (await Promise.all(tries)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(3);
    expect(hub.store.nodes()).toHaveLength(3);
  });
});

describe("renewing with a certificate", () => {
  it("gives a new certificate to the same node, without a token", async () => {
    const hub = await startJoinHub();
    const { tls, serial } = await joined(hub);
    await hub.clock.advance(1_000);
    const answer = await ask(hub, { NodeName: "edge-1" }, { tls });
    expect(answer.status).toBe(200);
    const renewed = readCertificate(answer.body);
    expect(renewed.commonName).toBe("system:node:edge-1");
    expect(renewed.serial).not.toBe(serial);
    expect(hub.admitted.at(-1)).toMatchObject({ node: edge1, isRenewal: true });
    expect(hub.logged.map(({ event }) => event)).toEqual(["node joined", "certificate renewed"]);
    expect((await hub.certificates()).map((one) => one.serial).sort()).toEqual(
      [serial, renewed.serial].sort(),
    );
  });

  it("needs no header NodeName", async () => {
    const hub = await startJoinHub();
    const { tls } = await joined(hub);
    expect(await ask(hub, {}, { tls })).toMatchObject({ status: 200 });
  });

  it("works again and again on a resumed TLS session", async () => {
    const hub = await startJoinHub();
    const { tls } = await joined(hub);
    const { request } = await keyAndRequest();
    let session: Buffer | undefined;
    for (let i = 0; i < 3; i++) {
      const socket = await openSocket(hub.url, { ...tls, ...(session ? { session } : {}) });
      socket.on("session", (fresh) => {
        session = fresh;
      });
      const answer = readAnswer(socket);
      socket.write(head("GET /edge.crt", { "Content-Length": request.length }));
      socket.write(request);
      expect((await answer).status).toBe(200);
      expect(socket.isSessionReused()).toBe(i > 0);
    }
  });

  it("is refused for another node", async () => {
    const hub = await startJoinHub();
    const { tls } = await joined(hub);
    const answer = await ask(hub, { NodeName: "edge-2" }, { tls });
    expectRefusal(
      answer,
      401,
      /^E_IDENTITY: the certificate is of node edge-1, the header NodeName says another one/,
    );
  });

  it("is refused with a revoked certificate", async () => {
    const hub = await startJoinHub();
    const { tls, serial } = await joined(hub);
    hub.revoked.add(serial);
    expectRefusal(
      await ask(hub, { NodeName: "edge-1" }, { tls }),
      401,
      /^E_REVOKED: .*join again with a new token/,
    );
  });

  it("is refused with a certificate that is revoked before the new one is handed out", async () => {
    const hub = await startJoinHub();
    const { tls, serial } = await joined(hub);
    const { request } = await keyAndRequest();
    const { der: certificate } = readCertificate(String(tls.cert));
    const renewal = hub.enrolment.enrol({
      nodeName: undefined,
      authorization: undefined,
      extKeyUsages: undefined,
      certificate,
      body: () => {
        hub.revoked.add(serial);
        return Promise.resolve(request);
      },
    });
    await expect(renewal).rejects.toMatchObject({ code: "E_REVOKED" });
  });

  it("is refused with an expired certificate, even with a good token beside it", async () => {
    const hub = await startJoinHub({ enrolment: { certificateDays: 1 } });
    const { tls } = await joined(hub);
    await hub.clock.advance(dayMs + 1_000);
    const headers = { Authorization: await hub.bearer({ node: edge1 }), NodeName: "edge-1" };
    expectRefusal(await ask(hub, headers, { tls }), 401, /^E_IDENTITY: .* ended on .*hubctl token create/);
    expect(await ask(hub, headers)).toMatchObject({ status: 200 });
  });

  it("is refused with a foreign certificate, even with a good token beside it", async () => {
    const hub = await startJoinHub();
    const stranger = await startJoinHub();
    const { tls } = await joined(stranger);
    const headers = { Authorization: await hub.bearer(), NodeName: "edge-1" };
    expectRefusal(await ask(hub, headers, { tls }), 401, /^E_IDENTITY: .*not issued by this authority/);
  });

  it("is refused to a controller", async () => {
    const hub = await startJoinHub();
    const key = await createKey();
    const issued = await hub.authority.issueControllerCertificate("shop", { publicKey: key.publicKey }, 1);
    const tls = { cert: readCertificate(issued.certificate).pem, key: key.pem };
    expectRefusal(await ask(hub, { NodeName: "edge-1" }, { tls }), 401, /^E_IDENTITY: .*names no node/);
  });

  test.each([false, true])(
    "with a certificate of a 1.15 cloud depends on the option: %s",
    async (allowed) => {
      const clock = new FakeClock(vectorTime);
      const authority = await importedAuthority(clock);
      const hub = await startJoinHub({ clock, authority, enrolment: { allowUnboundCertificates: allowed } });
      const [old] = vectors.edge;
      const tls = { cert: old?.certPem ?? "", key: old?.keyPem ?? "" };
      const answer = await ask(hub, { NodeName: "edge-1" }, { tls });
      if (!allowed) return expectRefusal(answer, 401, /^E_IDENTITY: .*names no node and cannot be renewed/);
      expect(answer.status).toBe(200);
      expect(readCertificate(answer.body).commonName).toBe("system:node:edge-1");
      expectRefusal(await ask(hub, {}, { tls }), 400, /^E_NO_NODE: /);
    },
  );

  it("shows the renewed certificate at once", async () => {
    const hub = await startJoinHub();
    const { tls } = await joined(hub);
    const renewed = shownBy(await ask(hub, {}, { tls }));
    expect(await ask(hub, {}, { tls: renewed.tls })).toMatchObject({ status: 200 });
    expect(await exchange(hub.url, head("GET /node/edge-1"), tls)).toMatchObject({ status: 200 });
  });
});

describe("the records of certificates", () => {
  it("are forgotten when their certificates have ended", async () => {
    const hub = await startJoinHub({ enrolment: { certificateDays: 1 } });
    await joined(hub);
    await hub.clock.advance(dayMs);
    const { serial } = await joined(hub, edge2);
    expect(await hub.enrolment.forgetEnded()).toBe(0);
    await hub.clock.advance(1);
    expect(await hub.enrolment.forgetEnded()).toBe(1);
    expect(await hub.certificates()).toMatchObject([{ serial, node: edge2 }]);
  });
});
