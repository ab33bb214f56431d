import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { isIP } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { asHubError, HubError } from "../protocol/index.ts";
import { type Dialled, parseReason, reasonError } from "./connection.ts";
import { SessionStream } from "./session-stream.ts";
import { StreamConnection } from "./stream-connection.ts";
import { StreamWords } from "./stream-words.ts";
import type { DialOptions, ProbeOptions } from "./transport.ts";
import { addressOf, dialError, keyExchange, tlsRecordBytes } from "./websocket.ts";
import { askToEnter } from "./webtransport-handshake.ts";
import { loadWebTransport } from "./webtransport-package.ts";
import {
  clientSettings,
  openSession,
  peerSettings,
  pumpInto,
  type Session,
  windowBytes,
} from "./webtransport-session.ts";

/**
 * Dials WebTransport over HTTP/2; `url` as `https://host:port/path`. The server is checked against the given authority, and
 * this side proves the key of its certificate in a handshake that is good for this one connection.
 *
 * Rejects as {@link Transport.dial}.
 */
export async function dialWebTransport(
  url: string,
  options: DialOptions,
  signal: AbortSignal,
): Promise<Dialled> {
  if (!options.offerNative)
    throw new HubError("E_UNSUPPORTED", "WebTransport carries the dialect of this hub only, not KubeEdge's");
  const library = await loadWebTransport();
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(options.handshakeTimeoutMs)]);
  const gaveUp = (): HubError =>
    signal.aborted
      ? new HubError("E_ABORTED", "gave up dialling")
      : new HubError("E_LINK_LOST", `${url}: no answer within ${options.handshakeTimeoutMs} ms`);
  if (deadline.aborted) throw gaveUp();
  const { http2, tls } = dialHttp2(new URL(url), options.tls.ca);
  const dialling = new Dialling(url, http2, tls);
  const abort = (): void => dialling.fail(gaveUp());
  deadline.addEventListener("abort", abort, { once: true });
  try {
    await dialling.connected();
    const session = openSession(library, http2, (error) => dialling.fail(error));
    return await dialling.shakeHands(session, options);
  } catch (error) {
    http2.destroy();
    throw asHubError(error);
  } finally {
    deadline.removeEventListener("abort", abort);
  }
}

/** Whether HTTP/2 gets to a server of the given authority that takes WebTransport; see `Probed`. */
export async function probeWebTransport(
  url: string,
  { tls, handshakeTimeoutMs }: ProbeOptions,
): Promise<void> {
  const dialled = dialHttp2(new URL(url), tls.ca);
  const dialling = new Dialling(url, dialled.http2, dialled.tls);
  const timer = setTimeout(
    () => dialling.fail(new HubError("E_TIMEOUT", `${url}: no answer within ${handshakeTimeoutMs} ms`)),
    handshakeTimeoutMs,
  );
  try {
    await dialling.connected();
  } finally {
    clearTimeout(timer);
    dialled.http2.destroy();
  }
}

/** TLS with the hub's authority and nobody else's, and HTTP/2 over it. */
function dialHttp2({ hostname, port, origin }: URL, ca: string | undefined) {
  const host = hostname.replace(/^\[|\]$/g, "");
  const tls = connectTls({
    host,
    port: Number(port === "" ? 443 : port),
    ...(isIP(host) ? {} : { servername: host }),
    ...(ca === undefined ? {} : { ca }),
    rejectUnauthorized: true,
    ALPNProtocols: ["h2"],
    minVersion: "TLSv1.2",
    ecdhCurve: keyExchange,
  });
  tls.setNoDelay(true);
  tls.setMaxSendFragment(tlsRecordBytes);
  const http2 = connectHttp2(origin, {
    createConnection: () => tls,
    settings: clientSettings,
    remoteCustomSettings: peerSettings,
  });
  return { http2, tls };
}

/** One dial, which may fail at any moment. */
class Dialling {
  readonly #url: string;
  readonly #http2: ClientHttp2Session;
  readonly #tls: TLSSocket;
  readonly #words = new StreamWords();
  readonly #failed: Promise<never>;
  #reject: (error: HubError) => void = () => undefined;
  /** Once it is there, it hears of what happens. */
  #connection: StreamConnection | undefined;

  constructor(url: string, http2: ClientHttp2Session, tls: TLSSocket) {
    this.#url = url;
    this.#http2 = http2;
    this.#tls = tls;
    this.#failed = new Promise((_, reject) => {
      this.#reject = reject;
    });
    this.#failed.catch(() => undefined);
    http2.on("error", (error) => this.#ended(dialError(error, url)));
    http2.on("close", () => this.#ended(new HubError("E_LINK_LOST", `${url}: the connection ended`)));
  }

  /** The dial has failed, or the hub has broken a rule. */
  fail(error: HubError): void {
    if (this.#connection) return void this.#connection.fail(error);
    this.#words.fail(error);
    this.#reject(error);
  }

  #ended(error: HubError): void {
    if (this.#connection) this.#connection.ended({ code: error.code, text: error.message, remote: true });
    else this.fail(error);
  }

  /** Resolves when TLS and the settings of HTTP/2 are there. */
  async connected(): Promise<void> {
    const settings = new Promise<void>((resolve, reject) => {
      this.#http2.once("remoteSettings", ({ enableConnectProtocol }) => {
        if (enableConnectProtocol) resolve();
        else reject(new HubError("E_UNSUPPORTED", `${this.#url}: that server takes no WebTransport`));
      });
    });
    await this.#orFail(settings);
    this.#http2.setLocalWindowSize(windowBytes);
  }

  async shakeHands(session: Session, options: DialOptions): Promise<Dialled> {
    const closed = ({ reason }: { reason: string }): void =>
      this.#ended(reasonError(parseReason(reason, true)));
    session.closed.then(closed, () => closed({ reason: "" }));
    await this.#orFail(session.ready);
    const { readable, writable } = await this.#orFail(session.createBidirectionalStream());
    const bytes = new SessionStream(session, this.#http2, writable);
    // Its end says less than the session's, which may follow.
    void pumpInto(readable, (chunk) => this.#words.push(chunk)).then(() =>
      setImmediate(() => closed({ reason: "" })),
    );
    const hubCertificate = this.#tls.getPeerX509Certificate()?.raw;
    const parts = { words: this.#words, bytes, hubCertificate };
    const dialect = await askToEnter(parts, new URL(this.#url).pathname, options);
    const peer = { address: addressOf(this.#tls), certificate: hubCertificate };
    const connection = new StreamConnection(bytes, { peer, maxMessageBytes: options.maxMessageBytes });
    this.#connection = connection;
    this.#words.handOver(connection);
    return { connection, dialect };
  }

  #orFail<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failed]);
  }
}
