import { setTimeout as pause } from "node:timers/promises";
import { createKey, readCertificate } from "../platform/certificate.ts";
import { createAuthority, issueCertificate } from "../platform/x509.ts";
import {
  type Connection,
  quicTransport,
  type Scheme,
  type Transport,
  webSocketTransport,
  webTransport,
} from "../transport/index.ts";
import { Process } from "./programs.ts";

/** Every transport by the scheme of its addresses. */
export const transports: Readonly<Record<Scheme, Transport>> = {
  wss: webSocketTransport,
  quic: quicTransport,
  wt: webTransport,
};

export interface EchoQuestion {
  readonly scheme: Scheme;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
}

/** Messages that are under way at once, and their size. */
const underWay = 64;
const messageBytes = 200;
const day = 86_400_000;

/** Echoes a second over one connection with mutual TLS, listener and client in processes of their own, in turn. */
export async function echoes({ rounds, roundMs }: { rounds: number; roundMs: number }) {
  const tls = await certificate();
  const wss = await EchoLink.open({ scheme: "wss", tls });
  const wt = await EchoLink.open({ scheme: "wt", tls });
  const result = { wss: [] as number[], wt: [] as number[] };
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    const rates = { wss: await wss.rate(roundMs), wt: await wt.rate(roundMs) };
    if (round === 0) continue;
    result.wss.push(rates.wss);
    result.wt.push(rates.wt);
  }
  for (const link of [wss, wt]) await link.end();
  return result;
}

/** One connection to a listener that sends everything back. */
class EchoLink {
  readonly #listener: Process;
  readonly #connection: Connection;
  #echoes = 0;
  #isRunning = false;
  #turn: Uint8Array[] = [];

  constructor(listener: Process, connection: Connection) {
    this.#listener = listener;
    this.#connection = connection;
    connection.start({
      data: (chunk) => this.#came(chunk),
      drained: () => undefined,
      closed: () => undefined,
    });
  }

  static async open(question: EchoQuestion): Promise<EchoLink> {
    const listener = new Process("bench/echo-process.ts");
    const { port } = await listener.ask<{ port: number }>(question);
    const { scheme, tls } = question;
    const { connection } = await transports[scheme].dial(
      `${scheme === "wss" ? "wss" : "https"}://127.0.0.1:${port}/`,
      {
        headers: {},
        tls,
        offerNative: true,
        handshakeTimeoutMs: 10_000,
        maxMessageBytes: 1 << 20,
        probeEveryMs: 0,
      },
      new AbortController().signal,
    );
    return new EchoLink(listener, connection);
  }

  /** Echoes a second, over so long. */
  async rate(ms: number): Promise<number> {
    this.#isRunning = true;
    this.#connection.send(Array.from({ length: underWay }, () => Buffer.alloc(messageBytes, 1)));
    const startedAt = performance.now();
    const before = this.#echoes;
    await pause(ms);
    const perSecond = ((this.#echoes - before) * 1_000) / (performance.now() - startedAt);
    this.#isRunning = false;
    await pause(100);
    return perSecond;
  }

  async end(): Promise<void> {
    this.#connection.close({ code: "E_CLOSED", text: "measured" });
    await this.#listener.end();
  }

  /** What has come goes out again, all of a turn together, as a channel would send it. */
  #came(chunk: Uint8Array): void {
    this.#echoes++;
    if (!this.#isRunning) return;
    if (this.#turn.length === 0)
      setImmediate(() => {
        const all = this.#turn;
        this.#turn = [];
        this.#connection.send(all);
      });
    this.#turn.push(Uint8Array.from(chunk));
  }
}

/** One certificate for both sides, of an authority that is forgotten. */
async function certificate(): Promise<EchoQuestion["tls"]> {
  const validity = { notBefore: Date.now() - day, notAfter: Date.now() + day };
  const key = await createKey();
  const authority = await createAuthority(key, { subject: { commonName: "bench-ca" }, ...validity });
  const own = await createKey();
  const leaf = await issueCertificate(
    { certificate: authority, key },
    {
      ...validity,
      subject: { commonName: "bench" },
      usages: ["serverAuth", "clientAuth"],
      alternativeNames: ["localhost", "127.0.0.1"],
      publicKey: own.publicKey,
    },
  );
  return { ca: readCertificate(authority).pem, cert: readCertificate(leaf).pem, key: own.pem };
}
