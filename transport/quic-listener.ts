import type { SecureContextOptions } from "node:tls";
import { asHubError, HubError } from "../protocol/index.ts";
import type { Peer } from "./connection.ts";
import {
  loadQuic,
  QuicByteStream,
  type QuicPackage,
  type QuicServer,
  type QuicSession,
  type QuicStream,
  quicProtocol,
  quicTerms,
  reasonOfClose,
} from "./quic-package.ts";
import { StreamConnection } from "./stream-connection.ts";
import { encodeAnswer, encodeRefusal, FirstFrame, parseRequest } from "./stream-request.ts";
import type { Admitted, ListenOptions, ListenParts, TransportListener } from "./transport.ts";

/** How long those that are told why they are cut off have to read it. */
const refusalGraceMs = 1_000;
/** Who waits for its turn is told after so long to come again: an agent takes a hub for dead that is silent for 10 s. */
const longestTurnMs = 5_000;
/** Agents end a link on which they have heard nothing for ten seconds: they are told before. */
const patienceMs = 9_000;

/** Listens for QUIC with mutual TLS. Rejects as `Transport.listen` says. */
export async function listenQuic(options: ListenOptions, parts: ListenParts): Promise<TransportListener> {
  const listening = new QuicListening(await loadQuic(), options, parts);
  await listening.open(options.port, options.tls);
  return listening;
}

/** A client between its handshake and its request's answer. */
interface Guest {
  readonly session: QuicSession;
  readonly peer: Peer;
  timer: NodeJS.Timeout | undefined;
}

class QuicListening implements TransportListener {
  readonly #package: QuicPackage;
  readonly #options: ListenOptions;
  readonly #parts: ListenParts;
  readonly #connections = new Set<StreamConnection>();
  #server: QuicServer | undefined;
  #port = 0;
  /** One change of the server after the other. */
  #changes: Promise<void> = Promise.resolve();

  constructor(quic: QuicPackage, options: ListenOptions, parts: ListenParts) {
    this.#package = quic;
    this.#options = options;
    this.#parts = parts;
  }

  get port(): number {
    return this.#port;
  }

  async open(port: number, tls: SecureContextOptions): Promise<void> {
    const { host, maxConnections, clientCertificate } = this.#options;
    const server = this.#package.createQuicServer({
      ...quicTerms,
      alpn: [quicProtocol],
      key: pem(tls.key),
      cert: pem(tls.cert),
      ca: pem(tls.ca),
      clientAuth: clientCertificate,
      maxConnections,
    });
    server.on("error", (error) => this.#parts.refused(new HubError("E_LINK_LOST", error.message), "?:0"));
    server.on("session", (session) => this.#greet(session));
    try {
      this.#port = (await server.listen(port, host)).port;
    } catch (error) {
      throw listenError(error as Error, host, port);
    }
    this.#server = server;
  }

  /** The package reads a certificate once: the listener begins anew, and its connections are dialled again. */
  setTls(tls: SecureContextOptions): void {
    this.#changes = this.#changes.then(async () => {
      if (this.#server === undefined) return;
      await this.#shut("the hub has a new certificate");
      await this.open(this.#port, tls).catch((error) => this.#parts.refused(asHubError(error), "?:0"));
    });
  }

  /** All connections share the one socket, so they end with it; each is told. */
  async close(): Promise<void> {
    this.#changes = this.#changes.then(() => this.#shut("the hub is shutting down"));
    await this.#changes;
  }

  async #shut(text: string): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const connection of [...this.#connections]) connection.close({ code: "E_CLOSED", text });
    const giveUpAt = performance.now() + refusalGraceMs;
    while (this.#connections.size > 0 && performance.now() < giveUpAt)
      await new Promise((resolve) => setTimeout(resolve, 10));
    await server?.close();
  }

  /** A client whose certificate TLS has found good. It opens its stream and says what it wants. */
  #greet(session: QuicSession): void {
    const peer: Peer = {
      address: `${session.remoteAddress}:${session.remotePort}`,
      certificate: session.getPeerCertificate()?.raw,
    };
    const guest: Guest = { session, peer, timer: undefined };
    guest.timer = setTimeout(
      () => this.#turnAway(guest, new HubError("E_TIMEOUT", "no complete request within the time limit")),
      this.#options.handshakeTimeoutMs,
    );
    let isOver = false;
    let connection: StreamConnection | undefined;
    session.on("error", () => undefined);
    session.on("close", (info) => {
      clearTimeout(guest.timer);
      connection?.ended(reasonOfClose(info));
    });
    session.on("stream", (stream) => {
      stream.on("error", () => undefined);
      if (connection === undefined) {
        connection = this.#serve(guest, stream);
        return;
      }
      stream.resume();
      if (isOver) return;
      isOver = true;
      const error = new HubError("E_BAD_FRAME", "it opened a second stream; a connection has one");
      connection.fail(error);
      this.#turnAway(guest, error);
    });
  }

  #serve(guest: Guest, stream: QuicStream): StreamConnection {
    const bytes = new QuicByteStream(guest.session, stream);
    const { maxMessageBytes, inflow } = this.#options;
    const connection = new StreamConnection(bytes, { peer: guest.peer, maxMessageBytes, inflow });
    const first = new FirstFrame("request", connection);
    stream.on("data", (chunk: Uint8Array) => first.push(chunk));
    void this.#admit(guest, first, connection, bytes);
    return connection;
  }

  async #admit(
    guest: Guest,
    first: FirstFrame,
    connection: StreamConnection,
    bytes: QuicByteStream,
  ): Promise<void> {
    try {
      const request = parseRequest(await first.text, guest.peer);
      clearTimeout(guest.timer);
      const since = performance.now();
      await this.#turnOf(guest, connection);
      if (!request.offersNative)
        throw new HubError("E_UNSUPPORTED", "QUIC carries the dialect of this hub only, not KubeEdge's");
      const admitted = await this.#inTime(Promise.resolve(this.#parts.admit(request)), since + patienceMs);
      if (connection.hasEnded) return admitted.abandoned?.();
      bytes.write(encodeAnswer(admitted.dialect));
      this.#connections.add(connection);
      connection.onEnd(() => this.#connections.delete(connection));
      admitted.accept(connection);
    } catch (error) {
      const refusal = asHubError(error);
      bytes.write(encodeRefusal(refusal));
      this.#turnAway(guest, refusal, refusalGraceMs);
    }
  }

  /** Rejects with `E_BUSY` when its agent will wait no longer; who is let in later is let go again. */
  async #inTime(admission: Promise<Admitted>, until: number): Promise<Admitted> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const text = "too many nodes wait to be let in";
      const busy = (): HubError =>
        this.#parts.turnstile?.busy(text) ?? new HubError("E_BUSY", text, { retryAfterMs: 1_000 });
      timer = setTimeout(() => reject(busy()), Math.max(until - performance.now(), 0));
    });
    try {
      return await Promise.race([admission, late]);
    } catch (error) {
      admission.then(
        ({ abandoned }) => abandoned?.(),
        () => undefined,
      );
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Waits until it may come in. Its TLS handshake is over, in a thread of the package that begins it unasked; what costs this
   * one is still to come. Rejects with `E_BUSY`. Where it has gone meanwhile, nobody hears of it any more.
   */
  #turnOf(guest: Guest, connection: StreamConnection): Promise<void> {
    const { turnstile } = this.#parts;
    if (turnstile === undefined) return Promise.resolve();
    return new Promise((resolve, reject) => {
      let isOver = false;
      const over = (then: () => void): void => {
        if (isOver) return;
        isOver = true;
        clearTimeout(guest.timer);
        then();
      };
      const cutOff = (error: HubError): void => over(() => reject(error));
      guest.timer = setTimeout(
        () => cutOff(turnstile.busy("it has waited too long for its turn")),
        Math.min(longestTurnMs, this.#options.handshakeTimeoutMs),
      );
      turnstile.add({
        address: guest.session.remoteAddress,
        isGone: () => isOver || connection.hasEnded,
        enter: () => over(resolve),
        cutOff: (error) => cutOff(error ?? new HubError("E_CLOSED", "the hub is shutting down")),
      });
    });
  }

  /** @param graceMs How long the client has to go by itself, after it has been told. */
  #turnAway(guest: Guest, error: HubError, graceMs = 0): void {
    clearTimeout(guest.timer);
    this.#parts.refused(error, guest.peer.address);
    const end = (): void => new QuicByteStream(guest.session).end({ code: error.code, text: error.message });
    if (graceMs === 0) {
      end();
      return;
    }
    const timer = setTimeout(end, graceMs);
    guest.session.on("close", () => clearTimeout(timer));
  }
}

function pem(value: SecureContextOptions["key"] | SecureContextOptions["ca"]): string {
  if (typeof value === "string") return value;
  if (Buffer.isBuffer(value)) return value.toString();
  throw new HubError("E_BAD_OPTION", "QUIC takes its key and certificates as PEM texts");
}

function listenError(error: Error & { code?: string }, host: string, port: number): HubError {
  if (/in use|EADDRINUSE/i.test(`${error.code} ${error.message}`))
    return new HubError(
      "E_PORT_TAKEN",
      `${host}:${port}/udp is taken by another process; stop it or configure another port`,
      { cause: error },
    );
  return new HubError("E_BAD_OPTION", `cannot listen on ${host}:${port}/udp: ${error.message}`, {
    cause: error,
  });
}
