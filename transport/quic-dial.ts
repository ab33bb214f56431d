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
import type { DialOptions, ProbeOptions } from "./transport.ts";

/** Dials QUIC with mutual TLS; `url` as `quic://host:port/path`. Rejects as `Transport.dial` says. */
export async function dialQuic(url: string, options: DialOptions, signal: AbortSignal): Promise<Dialled> {
  if (!options.offerNative)
    throw new HubError("E_UNSUPPORTED", "QUIC carries the dialect of this hub only, not KubeEdge's");
  const library = await loadQuic();
  if (signal.aborted) throw new HubError("E_ABORTED", "gave up before dialling");
  const { port, pathname } = new URL(url);
  const host = hostOf(url);
  const session = connect(library, url, options);
  const life = new DialledSession(session, url);
  const stopWaiting = life.limit(signal, options.handshakeTimeoutMs);
  try {
    await life.before(session.ready());
    const stream = session.openStream();
    const bytes = new QuicByteStream(session, stream);
    const connection = new StreamConnection(bytes, {
      peer: { address: `${host}:${port}`, certificate: undefined },
      maxMessageBytes: options.maxMessageBytes,
    });
    const first = new FirstFrame("answer", connection);
    stream.on("error", () => undefined);
    stream.on("data", (chunk: Uint8Array) => first.push(chunk));
    bytes.write(encodeRequest(pathname, options.headers));
    session.on("close", (info) => connection.ended(reasonOfClose(info)));
    if (options.early === true)
      return { connection, dialect: "native", answered: answerTo(connection, first) };
    const dialect = parseAnswer(await life.before(first.text));
    return { connection, dialect };
  } catch (error) {
    void session.close().catch(() => undefined);
    throw error instanceof HubError ? error : linkLost(url, error as Error);
  } finally {
    stopWaiting();
  }
}

/** Whether QUIC gets to a server of the given authority; see `Probed`. */
export async function probeQuic(url: string, options: ProbeOptions): Promise<void> {
  const session = connect(await loadQuic(), url, options);
  const life = new DialledSession(session, url);
  const stopWaiting = life.limit(new AbortController().signal, options.handshakeTimeoutMs);
  try {
    await life.before(session.ready());
  } catch (error) {
    throw error instanceof HubError ? error : linkLost(url, error as Error);
  } finally {
    stopWaiting();
    await session.close().catch(() => undefined);
  }
}

function connect(
  { connectQuic }: QuicPackage,
  url: string,
  { tls: { ca, cert, key }, handshakeTimeoutMs }: ProbeOptions,
): QuicClient {
  const host = hostOf(url);
  return connectQuic(
    { host, port: Number(new URL(url).port), servername: serverName(host) },
    {
      ...quicTerms,
      alpn: [quicProtocol],
      connectTimeoutMs: handshakeTimeoutMs,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    },
  );
}

function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, "");
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

/** What may end a session before it is a connection. */
class DialledSession {
  readonly #url: string;
  readonly #ended: Promise<never>;
  #end: (error: HubError) => void = () => undefined;

  constructor(session: QuicClient, url: string) {
    this.#url = url;
    this.#ended = new Promise((_, reject) => (this.#end = reject));
    this.#ended.catch(() => undefined);
    // An `error` says again what `close` says, or what `ready` rejects with.
    session.on("error", () => undefined);
    session.on("close", (info) => this.#end(closedWhileDialling(url, info)));
  }

  /** @returns Stops minding them. */
  limit(signal: AbortSignal, timeoutMs: number): () => void {
    const aborted = (): void => this.#end(new HubError("E_ABORTED", "gave up dialling"));
    signal.addEventListener("abort", aborted, { once: true });
    const timer = setTimeout(
      () => this.#end(new HubError("E_LINK_LOST", `${this.#url}: no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    return () => {
      signal.removeEventListener("abort", aborted);
      clearTimeout(timer);
    };
  }

  /** The value; or the reason, if the session ends before. */
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
