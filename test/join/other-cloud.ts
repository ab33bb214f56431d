import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { createKey, type PrivateKey, readCertificate, sha256Hex } from "../../platform/certificate.ts";
import { createAuthority, issueCertificate, readRequest, type Subject } from "../../platform/x509.ts";
import { dayMs } from "./support.ts";

/** What an edge asked. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export interface OtherCloudOptions {
  /** Names in its certificate. Default: those of the loopback interface. */
  readonly names?: readonly string[];
  /** Answers /edge.crt instead of issuing. `"silence"`: never. */
  readonly answer?: (cloud: TestAuthority, asked: Asked) => Promise<Answer> | Answer | "silence";
  /** The CA it gives out; default its own. */
  readonly givesCa?: Uint8Array;
}

export interface Answer {
  readonly status?: number;
  readonly body: string | Uint8Array;
}

/** A CA made for a test. */
export interface TestAuthority {
  readonly certificate: Uint8Array;
  readonly key: PrivateKey;
}

export interface OtherCloud {
  readonly url: string;
  readonly caHash: string;
  readonly asked: Asked[];
}

const time = { notBefore: Date.now() - dayMs, notAfter: Date.now() + dayMs };

export async function testAuthority(): Promise<TestAuthority> {
  const key = await createKey();
  return { key, certificate: await createAuthority(key, { subject: { commonName: "KubeEdge" }, ...time }) };
}

/** A join port that is not our hub's: it behaves as cloudcore 1.15 does, or as a test wants. */
export async function startOtherCloud(options: OtherCloudOptions = {}): Promise<OtherCloud> {
  const ca = await testAuthority();
  const asked: Asked[] = [];
  const tls = await serverTls(ca, options.names ?? ["localhost", "127.0.0.1"]);
  const answer = async (one: Asked): Promise<Answer | "silence"> => {
    if (one.path === "/ca.crt") return { body: options.givesCa ?? ca.certificate };
    return (await options.answer?.(ca, one)) ?? { body: await issued(ca, one.body) };
  };
  const server = createServer(
    { ...tls, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", async () => {
        const { method = "", url: path = "", headers } = request;
        const one = { method, path, headers, body: Buffer.concat(chunks) };
        asked.push(one);
        const said = await answer(one);
        if (said !== "silence") response.writeHead(said.status ?? 200).end(said.body);
      });
    },
  );
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `https://127.0.0.1:${port}`, caHash: sha256Hex(options.givesCa ?? ca.certificate), asked };
}

/** What a 1.15 cloud issues: whatever name the request asks for. */
export async function issued(
  ca: TestAuthority,
  request: Uint8Array,
  change: { subject?: Subject; publicKey?: Uint8Array; notBefore?: number; notAfter?: number } = {},
): Promise<Uint8Array> {
  const { subject, publicKey } = await readRequest(request);
  return await issueCertificate(ca, { subject, publicKey, usages: ["clientAuth"], ...time, ...change });
}

async function serverTls(ca: TestAuthority, alternativeNames: readonly string[]): Promise<ServerOptions> {
  const { pem, publicKey } = await createKey();
  const subject = { organization: "KubeEdge", commonName: "KubeEdge" };
  const leaf = { subject, publicKey, usages: ["serverAuth"] as const, alternativeNames, ...time };
  return { key: pem, cert: readCertificate(await issueCertificate(ca, leaf)).pem };
}
