import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readCertificate } from "../../platform/certificate.ts";
import { readRequest } from "../../platform/x509.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { type Answer, edge1, exchange, importedAuthority, type JoinHub, startJoinHub } from "./support.ts";
import { bytesOf, vectors, vectorTime } from "./vectors.ts";

/** One line of the capture; described in the README.md beside it. */
interface Captured {
  readonly dir: string;
  readonly kind: string;
  readonly head: readonly string[];
  readonly body: string;
}

const lines = readFileSync(
  new URL("../fixtures/captures/a-join-certificates.jsonl", import.meta.url),
  "utf8",
);
const captured = lines
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Captured)
  .filter(({ kind }) => kind === "http");
const [authorityRequest, authorityAnswer, edgeRequest, edgeAnswer] = captured as [
  Captured,
  Captured,
  Captured,
  Captured,
];

/** The bytes the edge sent, with a token in place of the dashes. */
function bytesSent({ head, body }: Captured, bearer = ""): Buffer {
  const text = head
    .map((line) => line.replace(/^Authorization: .*/, `Authorization: ${bearer}`))
    .join("\r\n");
  return Buffer.concat([Buffer.from(`${text}\r\n\r\n`), bytesOf(body)]);
}

function headersOf({ head }: Captured): Record<string, string> {
  return Object.fromEntries(head.slice(1).map((line) => line.toLowerCase().split(": ") as [string, string]));
}

/** What its Go program needs to see in an answer. */
function expectSameShape(answer: Answer, real: Captured): void {
  const { "content-type": type, "content-length": length } = headersOf(real);
  expect(real.head[0]).toBe("HTTP/1.1 200 OK");
  expect(answer.status).toBe(200);
  expect(answer.headers["content-type"]).toBe(type);
  expect(answer.headers["content-length"]).toBe(String(answer.body.length));
  expect(Math.abs(answer.body.length - Number(length))).toBeLessThan(20);
}

describe("a stock edge of release-1.15", () => {
  it("gets the CA as it asks for it", async () => {
    const hub = await startJoinHub();
    const answer = await exchange(hub.url, bytesSent(authorityRequest));
    expectSameShape(answer, authorityAnswer);
    expect(readCertificate(answer.body)).toMatchObject({ commonName: "KubeEdge", isAuthority: true });
  });

  it("gets a certificate as it asks for it, with a token of ours", async () => {
    const hub = await startJoinHub();
    const answer = await exchange(hub.url, bytesSent(edgeRequest, await hub.bearer()));
    await expectCertificate(hub, answer);
  });

  it("gets a certificate as it asks for it, with a token of the KubeEdge cloud whose CA we took over", async () => {
    const clock = new FakeClock(vectorTime);
    const authority = await importedAuthority(clock);
    const hub = await startJoinHub({ clock, authority, tokens: { acceptUnrecorded: true } });
    const bearer = vectors.tokens[0]?.authorizationHeader ?? "";
    const request = bytesSent(edgeRequest, bearer);
    // The dashes have the length of the real token: so these are as many bytes as the edge sent.
    expect(request.length).toBe(
      bytesSent(edgeRequest, edgeRequest.head[4]?.replace("Authorization: ", "")).length,
    );
    await expectCertificate(hub, await exchange(hub.url, request));
  });

  it("renews its certificate with it, for a key of its own choice", async () => {
    const clock = new FakeClock(vectorTime);
    const hub = await startJoinHub({ clock, authority: await importedAuthority(clock) });
    const [, later] = vectors.edge;
    const tls = { cert: later?.certPem ?? "", key: later?.keyPem ?? "" };
    const request = Buffer.from(
      bytesSent(edgeRequest)
        .toString("latin1")
        .replace(/Authorization: .*\r\n/, "")
        .replace("edge-a", edge1),
      "latin1",
    );
    const answer = await exchange(hub.url, request, tls);
    expectSameShape(answer, edgeAnswer);
    expect(hub.admitted).toMatchObject([{ node: edge1, isRenewal: true }]);
  });

  async function expectCertificate(hub: JoinHub, answer: Answer): Promise<void> {
    expectSameShape(answer, edgeAnswer);
    const certificate = readCertificate(answer.body);
    const real = readCertificate(bytesOf(edgeAnswer.body));
    const { publicKey } = await readRequest(bytesOf(edgeRequest.body));
    // All as the real cloud issues it, but the name: ours says whose it is.
    expect(certificate.extendedKeyUsages).toEqual(real.extendedKeyUsages);
    expect(certificate).toMatchObject({
      isAuthority: false,
      dnsNames: [],
      ipAddresses: [],
      issuerName: "KubeEdge",
    });
    expect(certificate).toMatchObject({ organization: "system:nodes", commonName: "system:node:edge-a" });
    expect(Buffer.from(certificate.publicKey)).toEqual(Buffer.from(publicKey));
    const identity = hub.authority.identify(answer.body, hub.clock.wallTime());
    expect(identity).toMatchObject({ kind: "node", node: "edge-a" });
    expect(hub.store.node("edge-a" as typeof edge1)?.joinedAt).toBe(hub.clock.wallTime());
  }
});
