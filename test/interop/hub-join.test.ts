import { afterAll, beforeAll, expect, it } from "vitest";
import { readCertificate } from "../../platform/certificate.ts";
import { bytesOf } from "../join/vectors.ts";
import { type RecordedHttp, readCapture } from "./capture.ts";
import { ask, headOf, openPipe, type RawAnswer } from "./raw-http.ts";
import { type Credentials, joinLines, madeByGo } from "./stock-edge.ts";
import { TestHub } from "./test-hub.ts";

/** A stock edge that joins a whole hub; `test/join` has the details. */

let world: TestHub;
beforeAll(async () => {
  world = await TestHub.start();
});
afterAll(() => world.close());

const recorded = readCapture("a-join-certificates").filter((one) => one.kind === "http");
const [, authorityAnswer, certificateRequest, certificateAnswer] = recorded as [
  RecordedHttp,
  RecordedHttp,
  RecordedHttp,
  RecordedHttp,
];

it("gives the CA and a certificate for the very requests that a stock edge sends", async () => {
  const ca = await askJoinPort(joinLines.authority(world.hub.ports.join));
  expectSameShape(ca, authorityAnswer);
  expect(readCertificate(ca.body).pem).toBe(world.hub.ca.pem);
  const answer = await requestCertificate("edge-a", await newToken(), { body: certificateRequest.body });
  expectSameShape(answer, certificateAnswer);
  // The name is the hub's choice: a request of 1.15 asks for one that all edges share.
  expect(readCertificate(answer.body).commonName).toBe("system:node:edge-a");
});

it("takes a token without its first part, the CA's hash, and only so", async () => {
  const token = await newToken();
  expect(await requestCertificate("edge-b", `also.${token}`)).toMatchObject({ status: 401 });
  expect(await requestCertificate("edge-b", token)).toMatchObject({ status: 200 });
});

it("looks at nothing but the certificate of a client that shows one", async () => {
  const { certPem: cert, keyPem: key } = madeByGo("release-1.15");
  const refused = await requestCertificate("edge-c", await newToken(), { credentials: { cert, key } });
  expect(refused).toMatchObject({ status: 401 });
  expect(refused.body.toString()).toMatch(/^E_IDENTITY: /);
  const { credentials } = await world.join("edge-d");
  expect(await requestCertificate("edge-d", "no.token.at.all", { credentials })).toMatchObject({
    status: 200,
  });
});

it("answers whatever the client says that it accepts", async () => {
  const lines = [...joinLines.authority(world.hub.ports.join), "Accept: application/json"];
  expect(await askJoinPort(lines)).toMatchObject({ status: 200 });
});

it("does not know a node, when newer keadm asks, until it has joined", async () => {
  const check = ["GET /node/edge-e HTTP/1.1", "Host: hub"];
  expect(await askJoinPort(check)).toMatchObject({ status: 404 });
  await world.join("edge-e");
  expect(await askJoinPort(check)).toMatchObject({ status: 200 });
});

it("shows a certificate with the address that edges use, and without an empty name", async () => {
  const { tls } = await openPipe(world.hub.ports.join);
  const { dnsNames, ipAddresses } = readCertificate(tls.getPeerX509Certificate()?.raw ?? "");
  tls.destroy();
  expect(ipAddresses).toContain("127.0.0.1");
  expect(dnsNames).not.toContain("");
});

async function newToken(): Promise<string> {
  return (await world.hub.admin.createJoinToken({ ttlMs: 60_000 })).token;
}

async function askJoinPort(
  lines: readonly string[],
  { credentials, body = Buffer.alloc(0) }: { credentials?: Credentials | undefined; body?: Uint8Array } = {},
): Promise<RawAnswer> {
  const pipe = await openPipe(world.hub.ports.join, credentials);
  const answer = await ask(pipe, Buffer.concat([Buffer.from(headOf(lines)), body]));
  pipe.tls.destroy();
  return answer;
}

function requestCertificate(
  node: string,
  token: string,
  { credentials, body = bytesOf(madeByGo("release-1.15").csrDerHex) }: Parameters<typeof askJoinPort>[1] = {},
): Promise<RawAnswer> {
  const lines = joinLines.certificate(world.hub.ports.join, node, { token, bytes: body.length });
  return askJoinPort(lines, { credentials, body });
}

/** What Go's edge looks at: status, type, and a body of its stated length. */
function expectSameShape(answer: RawAnswer, real: RecordedHttp): void {
  const typeOf = (lines: readonly string[]) =>
    lines.find((line) => /^content-type:/i.test(line))?.toLowerCase();
  expect(answer.lines[0]).toBe(real.lines[0]);
  expect(typeOf(answer.lines)).toBe(typeOf(real.lines));
  expect(Math.abs(answer.body.length - real.body.length)).toBeLessThan(20);
}
