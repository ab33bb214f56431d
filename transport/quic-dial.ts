import { isIP } from "node:net";
import { asHubError, errorTable, HubError } from "../protocol/index.ts";
import type { Dialled } from "./connection.ts";
import {
  loadQuic,
  QuicByteStream,
  type QuicClient,
  type QuicPackage,
  quicProtocol,
  quicTerms,
  reasonOfClose,
} from "./quic-package.ts";
import { StreamConnection } from "./stream-connection.ts";
import { encodeRequest, FirstFrame, parseAnswer } from "./stream-request.ts";
import type { DialOptions } from "./transport.ts";

/** Dials QUIC with mutual TLS; `url` as `quic://host:port/path`. Rejects as `Transport.dial` says. */
export async function dialQuic(url: string, options: DialOptions, signal: AbortSignal): Promise<Dialled> {
  if (!options.offerNative)
    throw new HubError("E_UNSUPPORTED", "QUIC carries the dialect of this hub only, not KubeEdge's");
  const quic = await loadQuic();
  if (signal.aborted) throw new HubError("E_ABORTED", "gave up before dialling");
  const dialling = new Dialling(quic, url, options);
  const stopWaiting = dialling.limit(signal);
  try {
    const session = await dialling.handshake();
    const stream = session.openStream();
    const bytes = new QuicByteStream(session, stream);
    const connection = new StreamConnection(bytes, {
      peer: { address: dialling.address, certificate: undefined },
      maxMessageBytes: options.maxMessageBytes,
    });
    const first = new FirstFrame("answer", connection);
    stream.on("error", () => undefined);
    stream.on("data", (chunk: Uint8Array) => first.push(chunk));
    bytes.write(encodeRequest(new URL(url).pathname, options.headers));
    session.on("close", (info) => connection.ended(reasonOfClose(info)));
    if (options.early === true)
      return { connection, dialect: "native", answered: answerTo(connection, first) };
    return { connection, dialect: parseAnswer(await dialling.before(first.text)) };
  } catch (error) {
    dialling.closeAllBut(undefined);
    throw error instanceof HubError ? error : linkLost(url, error as Error);
  } finally {
    stopWaiting();
  }
}

/** Resolves when the server has let this client in; if it does not, the connection ends with the reason. */
async function answerTo(connection: StreamConnection, first: FirstFrame): Promise<void> {
  try {
    parseAnswer(await first.text);
  } catch (error) {
    const { code, message: text, retryAfterMs } = asHubError(error);
    connection.ended({ code, text, remote: true, retryAfterMs });
    connection.hangUp();
    throw error;
  }
}

/** Sessions on their way up, and what may end them. */
class Dialling {
  /** `host:port`. */
  readonly address: string;
  readonly #quic: QuicPackage;
  readonly #url: string;
  readonly #options: DialOptions;
  readonly #host: string;
  readonly #port: number;
  readonly #sessions: QuicClient[] = [];
  readonly #ended: Promise<never>;
  #end: (error: HubError) => void = () => undefined;

  constructor(quic: QuicPackage, url: string, options: DialOptions) {
    const { hostname, port } = new URL(url);
    this.#quic = quic;
    this.#url = url;
    this.#options = options;
    this.#host = hostname.replace(/^\[|\]$/g, "");
    this.#port = Number(port);
    this.address = `${this.#host}:${port}`;
    this.#ended = new Promise((_, reject) => (this.#end = reject));
    this.#ended.catch(() => undefined);
  }

  /** @returns Stops minding them. */
  limit(signal: AbortSignal): () => void {
    const { handshakeTimeoutMs } = this.#options;
    const aborted = (): void => this.#end(new HubError("E_ABORTED", "gave up dialling"));
    signal.addEventListener("abort", aborted, { once: true });
    const timer = setTimeout(
      () => this.#end(new HubError("E_LINK_LOST", `${this.#url}: no answer within ${handshakeTimeoutMs} ms`)),
      handshakeTimeoutMs,
    );
    return () => {
      signal.removeEventListener("abort", aborted);
      clearTimeout(timer);
    };
  }

  /**
   * A session that is up. QUIC waits a second before it repeats a lost first packet, because it knows nothing of the path
   * yet; whoever knows better has a second handshake begun meanwhile, and the one that is done first counts.
   */
  async handshake(): Promise<QuicClient> {
    const { secondTryMs } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const tries = [this.#open()];
    if (secondTryMs !== undefined)
      tries.push(
        new Promise((resolve, reject) => {
          timer = setTimeout(() => this.#open().then(resolve, reject), secondTryMs);
        }),
      );
    try {
      const session = await this.before(Promise.race(tries));
      this.closeAllBut(session);
      return session;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The value; or the reason, if a session ends before. */
  async before<T>(value: Promise<T>): Promise<T> {
    try {
      return await Promise.race([value, this.#ended]);
    } catch (error) {
      if (error instanceof HubError) throw error;
      // The end of the session, which comes in the same turn, says more than this.
      await new Promise((resolve) => setImmediate(resolve));
      return await Promise.race([this.#ended, Promise.reject(linkLost(this.#url, error as Error))]);
    }
  }

  closeAllBut(session: QuicClient | undefined): void {
    for (const other of this.#sessions) {
      if (other === session) continue;
      other.removeAllListeners("close");
      void other.close().catch(() => undefined);
    }
  }

  async #open(): Promise<QuicClient> {
    const { tls, handshakeTimeoutMs: connectTimeoutMs } = this.#options;
    const { ca, cert, key } = tls;
    const session = this.#quic.connectQuic(
      { host: this.#host, port: this.#port, servername: serverName(this.#host) },
      {
        ...quicTerms,
        alpn: [quicProtocol],
        connectTimeoutMs,
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
      },
    );
    this.#sessions.push(session);
    // An `error` says again what `close` says, or what `ready` rejects with.
    session.on("error", () => undefined);
    session.on("close", (info) => this.#end(closedWhileDialling(this.#url, info)));
    await session.ready();
    return session;
  }
}

/**
 * The package compares a certificate with DNS names only. With an IP address it asks for `localhost`, which every hub's
 * certificate carries: what vouches for the hub is its own authority, which issues certificates to no other server.
 */
function serverName(host: string): string {
  return isIP(host) ? "localhost" : host;
}

function linkLost(url: string, error: Error): HubError {
  return new HubError("E_LINK_LOST", `${url}: ${error.message}`, { cause: error });
}

function closedWhileDialling(url: string, info: { errorCode: number; reason: string }): HubError {
  const { code, text } = reasonOfClose(info);
  if (code === "E_LINK_LOST") return new HubError(code, `${url}: ${text}`);
  // As with TLS over TCP: nothing says whose certificate it was, so it may be another one next time.
  const retryable = info.errorCode >= 0x100 || errorTable[code].retryable;
  return new HubError(code, text, { retryable });
}
