import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { expect, onTestFinished } from "vitest";
import type { CertificateRecord } from "../../cloudhub/admission.ts";
import { type Authority, openAuthority } from "../../cloudhub/join/authority.ts";
import { type Enrolled, Enrolment, type EnrolmentOptions } from "../../cloudhub/join/enrolment.ts";
import { type JoinApi, type JoinApiOptions, startJoinApi } from "../../cloudhub/join/join-api.ts";
import type { JoinTokenRecord } from "../../cloudhub/join/token-record.ts";
import { JoinTokens, type JoinTokensOptions } from "../../cloudhub/join/tokens.ts";
import type { HubStore } from "../../cloudhub/store/hub-store.ts";
import { openInlineHubStore } from "../../cloudhub/store/sqlite-hub-store.ts";
import { createKey, type PrivateKey } from "../../platform/certificate.ts";
import { createRequest } from "../../platform/certificate-request.ts";
import type { Logger } from "../../platform/logger.ts";
import { type ErrorCode, type HubError, type NodeId, parseJoinToken } from "../../protocol/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { vectors } from "./vectors.ts";

export const edge1 = "edge-1" as NodeId;
export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;

/** An empty directory that is gone after the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "hub-join-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Moved by hand, and beginning now: TLS asks the real clock whether a certificate is valid. */
export function presentClock(): FakeClock {
  return new FakeClock(Math.floor(Date.now() / 1000) * 1000);
}

export function newAuthority(clock: FakeClock): Promise<Authority> {
  const serverNames = ["localhost", "127.0.0.1"];
  return openAuthority({ dataDir: temporaryDirectory(), create: true, serverNames }, clock);
}

/** An authority over the CA of the vectors, as if taken over from a KubeEdge cloud. */
export function importedAuthority(clock: FakeClock): Promise<Authority> {
  const dataDir = temporaryDirectory();
  const files = { certificateFile: join(dataDir, "rootCA.crt"), keyFile: join(dataDir, "rootCA.key") };
  writeFileSync(files.certificateFile, vectors.ca.certPem);
  writeFileSync(files.keyFile, vectors.ca.keyPem);
  return openAuthority({ dataDir, create: true, serverNames: ["127.0.0.1"], ...files }, clock);
}

export async function memoryStore(clock: FakeClock): Promise<HubStore> {
  const limits = { maxBacklogMessages: 100, maxBacklogBytes: 1 << 20, ledgerMessages: 10 };
  const store = await openInlineHubStore(
    {
      file: ":memory:",
      create: true,
      synchronous: "normal",
      maxBytes: 0,
      limits,
      tombstoneMs: dayMs,
      ledgerMs: dayMs,
    },
    clock,
  );
  onTestFinished(() => store.close());
  return store;
}

export interface JoinHub {
  readonly clock: FakeClock;
  readonly authority: Authority;
  readonly store: HubStore;
  readonly tokens: JoinTokens;
  readonly enrolment: Enrolment;
  readonly api: JoinApi;
  readonly url: string;
  readonly refusals: { code: ErrorCode; address: string }[];
  readonly admitted: Enrolled[];
  readonly logged: { event: string; fields: Readonly<Record<string, unknown>> }[];
  readonly revoked: Set<string>;
  /** A new token's `Authorization` header. */
  bearer(terms?: { node?: NodeId; uses?: number; labels?: Record<string, string> }): Promise<string>;
  certificates(): Promise<(CertificateRecord & { serial: string })[]>;
}

export interface JoinHubOptions {
  readonly enrolment?: Partial<EnrolmentOptions>;
  readonly tokens?: JoinTokensOptions;
  readonly api?: Partial<JoinApiOptions>;
  readonly authority?: Authority;
  readonly clock?: FakeClock;
  /** Called when a node has its certificate and before it hears of it. */
  readonly admitted?: () => void;
}

/** A hub's join half, live on a free port of the loopback interface. */
export async function startJoinHub(options: JoinHubOptions = {}): Promise<JoinHub> {
  const clock = options.clock ?? presentClock();
  const authority = options.authority ?? (await newAuthority(clock));
  const store = await memoryStore(clock);
  const tokens = new JoinTokens(
    { records: store.records<JoinTokenRecord>("join-token"), authority, clock },
    options.tokens,
  );
  const revoked = new Set<string>();
  const refusals: JoinHub["refusals"] = [];
  const admitted: Enrolled[] = [];
  const logged: JoinHub["logged"] = [];
  const enrolment = new Enrolment(
    { authority, tokens, store, clock, isRevoked: (serial) => revoked.has(serial) },
    { certificateDays: 365, allowRejoin: false, allowUnboundCertificates: false, ...options.enrolment },
  );
  const api = await startJoinApi(
    { host: "127.0.0.1", port: 0, ...options.api },
    {
      authority,
      enrolment,
      store,
      clock,
      log: recordingLogger(logged),
      refused: (error, address) => refusals.push({ code: error.code, address }),
      admitted(enrolled) {
        admitted.push(enrolled);
        options.admitted?.();
      },
    },
  );
  onTestFinished(() => closing(api, clock));
  return {
    clock,
    authority,
    store,
    tokens,
    enrolment,
    api,
    url: `https://127.0.0.1:${api.port}`,
    refusals,
    admitted,
    logged,
    revoked,
    async bearer(terms = {}) {
      const { token } = await tokens.create({ ttlMs: hourMs, ...terms });
      return `Bearer ${parseJoinToken(token).jwt}`;
    },
    async certificates() {
      const found = await store.records<CertificateRecord>("certificate").list();
      return found.map(({ name, value }) => ({ serial: name, ...value }));
    },
  };
}

/** Closes without waiting for connections that a test has left open. */
export async function closing(api: JoinApi, clock: FakeClock): Promise<void> {
  const closed = api.close();
  await clock.advance(2_000);
  await closed;
}

function recordingLogger(lines: JoinHub["logged"]): Logger {
  const add = (event: string, fields = {}): void => void lines.push({ event, fields });
  const logger: Logger = { debug: add, info: add, warn: add, error: add, with: () => logger };
  return logger;
}

/** A key and its certificate request, with whatever subject: the hub must not care. */
export async function keyAndRequest(): Promise<{ key: PrivateKey; request: Uint8Array }> {
  const key = await createKey();
  return { key, request: createRequest(key, { organization: "somebody", commonName: "else" }) };
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly text: string;
}

/** A TLS connection on which a test writes what it likes. */
export async function openSocket(url: string, tls: ConnectionOptions = {}): Promise<TLSSocket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false, ...tls });
  onTestFinished(() => void socket.destroy());
  await new Promise<void>((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  socket.on("error", () => undefined);
  return socket;
}

/** Writes bytes on a new TLS connection and reads one HTTP answer. */
export async function exchange(
  url: string,
  request: string | Uint8Array | readonly (string | Uint8Array)[],
  tls: ConnectionOptions = {},
): Promise<Answer> {
  const socket = await openSocket(url, tls);
  const answer = readAnswer(socket);
  for (const part of Array.isArray(request) ? request : [request]) socket.write(part);
  const read = await answer;
  socket.destroy();
  return read;
}

/** Reads one HTTP answer with `Content-Length`. Rejects if the connection ends before it is whole. */
export function readAnswer(socket: TLSSocket): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const answer = parseAnswer(bytes);
      if (answer) resolve(answer);
    });
    socket.once("close", () =>
      reject(new Error(`connection ended after ${JSON.stringify(bytes.toString())}`)),
    );
  });
}

function parseAnswer(bytes: Buffer): Answer | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const [statusLine = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => {
      const [name = "", ...value] = line.split(": ");
      return [name.toLowerCase(), value.join(": ")];
    }),
  );
  const body = bytes.subarray(headEnd + 4);
  if (body.length < Number(headers["content-length"] ?? 0)) return undefined;
  return { status: Number(statusLine.split(" ")[1]), headers, body, text: body.toString() };
}

/** The head of a request as an HTTP/1.1 client writes it. */
export function head(line: string, headers: Readonly<Record<string, string | number>> = {}): string {
  const all = Object.entries({ Host: "hub", ...headers });
  return `${line} HTTP/1.1\r\n${all.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
}

/** Asks for a certificate as an edge does. */
export function requestCertificate(
  hub: Pick<JoinHub, "url">,
  request: Uint8Array,
  { headers = {}, tls = {} }: { headers?: Record<string, string>; tls?: ConnectionOptions } = {},
): Promise<Answer> {
  const parts = [head("GET /edge.crt", { "Content-Length": request.length, ...headers }), request];
  return exchange(hub.url, parts, tls);
}

/** Runs what must throw a HubError and hands that over. */
export async function errorOf(work: () => unknown): Promise<HubError> {
  try {
    await work();
  } catch (error) {
    expect(error).toHaveProperty("name", "HubError");
    return error as HubError;
  }
  throw new Error("nothing was thrown");
}
