import type {
  Http2SecureServer,
  IncomingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import { asHubError, HubError } from "../protocol/index.ts";
import { parseReason } from "./connection.ts";
import { SessionStream } from "./session-stream.ts";
import { StreamConnection } from "./stream-connection.ts";
import { encodeAnswer, encodeRefusal } from "./stream-request.ts";
import { mostOfStranger, StreamWords } from "./stream-words.ts";
import type { ListenOptions, ListenParts, TransportListener } from "./transport.ts";
import { SocketArrival } from "./turnstile.ts";
import { addressOf, tlsRecordBytes } from "./websocket.ts";
import { listenError, tlsTerms } from "./websocket-listener.ts";
import { hearRequest } from "./webtransport-handshake.ts";
import { loadWebTransport } from "./webtransport-package.ts";
import { hubServer, type OpenStream, pumpInto, type Taken, windowBytes } from "./webtransport-session.ts";

/** How long those that are told why they are cut off have to read it. */
const refusalGraceMs = 1_000;

/** Listens for WebTransport over HTTP/2. Rejects as `Transport.listen` says. */
export async function listenWebTransport(
  options: ListenOptions,
  parts: ListenParts,
): Promise<TransportListener> {
  const listening = new WebTransportListening(options, parts);
  await listening.open();
  return listening;
}

/** A client, from its first packet on. */
interface Guest {
  readonly address: string;
  readonly socket: Socket;
  timer: NodeJS.Timeout | undefined;
  tls: TLSSocket | undefined;
  /** Streams of HTTP/2 it has opened. */
  streams: number;
  words: StreamWords | undefined;
  /** Once it is let in. */
  connection: StreamConnection | undefined;
  isTurnedAway: boolean;
}

class WebTransportListening implements TransportListener {
  readonly #options: ListenOptions;
  readonly #parts: ListenParts;
  readonly #guests = new Map<string, Guest>();
  readonly #bySession = new WeakMap<object, Guest>();
  #server: Http2SecureServer | undefined;
  #port = 0;

  constructor(options: ListenOptions, parts: ListenParts) {
    this.#options = options;
    this.#parts = parts;
  }

  get port(): number {
    return this.#port;
  }

  async open(): Promise<void> {
    const { host, port, tls, maxConnections } = this.#options;
    const library = await loadWebTransport();
    const { server, openStream } = await hubServer(library, tls, {
      taken: (taken) => this.#taken(taken),
      broken: (stream, error) => this.#broken(this.#bySession.get(stream.session ?? stream), error),
    });
    this.#server = server;
    server.maxConnections = maxConnections;
    this.#receive(server);
    server.on("secureConnection", (socket: TLSSocket) => this.#secured(socket));
    server.on("tlsClientError", (error: Error, socket: TLSSocket) => this.#tlsFailed(error, socket));
    server.on("session", (session) => this.#greet(session));
    server.on("stream", (stream, headers) => this.#stream(stream, headers, openStream));
    server.on("sessionError", (error: NodeJS.ErrnoException, session: ServerHttp2Session) => {
      // Everything else is a connection that was lost.
      if (error.code?.startsWith("ERR_HTTP2"))
        this.#broken(
          this.#bySession.get(session),
          new HubError("E_BAD_FRAME", `no HTTP/2: ${error.message}`),
        );
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
      server.listen({ host, port, backlog: 4096 }, resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Client after client, when its turn has come. */
  #receive(server: Http2SecureServer): void {
    const { turnstile } = this.#parts;
    const [begin] = server.listeners("connection") as ((socket: Socket) => void)[];
    server.removeAllListeners("connection");
    const enter = (socket: Socket): void => {
      this.#arrived(socket);
      begin?.call(server, socket);
    };
    if (turnstile === undefined) return void server.on("connection", enter);
    const refused = (error: HubError, socket: Socket): void => this.#parts.refused(error, addressOf(socket));
    server.on("connection", (socket: Socket) => turnstile.add(new SocketArrival(socket, { enter, refused })));
  }

  setTls(tls: SecureContextOptions): void {
    this.#server?.setSecureContext({ ...tls, ...tlsTerms });
  }

  /** Connections that were handed over stay their owners'; what is still shaking hands is cut off. */
  close(): Promise<void> {
    this.#server?.close();
    for (const guest of this.#guests.values()) if (!guest.connection) guest.socket.destroy();
    return Promise.resolve();
  }

  // ── before the handshake ───────────────────────────────────────────────────────────────────────────────

  #arrived(socket: Socket): void {
    const guest: Guest = {
      address: addressOf(socket),
      socket,
      timer: undefined,
      tls: undefined,
      streams: 0,
      words: undefined,
      connection: undefined,
      isTurnedAway: false,
    };
    this.#guests.set(guest.address, guest);
    this.#expect(guest);
    socket.once("close", () => {
      this.#guests.delete(guest.address);
      clearTimeout(guest.timer);
      const error = new HubError("E_LINK_LOST", "the client went away");
      guest.words?.fail(error);
      guest.connection?.ended({ code: error.code, text: "the connection ended", remote: true });
    });
  }

  /** However slowly it speaks, it has so long for its TLS handshake, and again for ours. */
  #expect(guest: Guest): void {
    clearTimeout(guest.timer);
    guest.timer = setTimeout(
      () => this.#turnAway(guest, new HubError("E_TIMEOUT", "no complete handshake within the time limit")),
      this.#options.handshakeTimeoutMs,
    );
  }

  #secured(socket: TLSSocket): void {
    const guest = this.#guests.get(addressOf(socket));
    if (guest === undefined) return void socket.destroy();
    guest.tls = socket;
    socket.setNoDelay(true);
    socket.setMaxSendFragment(tlsRecordBytes);
    this.#expect(guest);
    if (socket.alpnProtocol !== "h2")
      this.#turnAway(guest, new HubError("E_BAD_FRAME", "this port takes HTTP/2 only"));
  }

  #tlsFailed(error: Error, socket: TLSSocket): void {
    const guest = this.#guests.get(addressOf(socket));
    const left = (error as NodeJS.ErrnoException).code === "ECONNRESET";
    const refusal = left
      ? new HubError("E_LINK_LOST", "the client went away before it was let in")
      : new HubError("E_IDENTITY", `TLS handshake failed: ${error.message}`);
    if (guest) this.#turnAway(guest, refusal);
    else this.#parts.refused(refusal, "?:0");
  }

  #greet(session: ServerHttp2Session): void {
    const { socket } = session;
    const guest = this.#guests.get(`${socket.remoteAddress ?? "?"}:${socket.remotePort ?? 0}`);
    session.on("error", () => undefined);
    if (guest === undefined) return void session.destroy();
    this.#bySession.set(session, guest);
    session.settings({ initialWindowSize: windowBytes, maxConcurrentStreams: 2 });
    session.setLocalWindowSize(windowBytes);
  }

  /** One stream of HTTP/2, which is the session. */
  #stream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, open: OpenStream): void {
    stream.on("error", () => undefined);
    const guest = stream.session && this.#bySession.get(stream.session);
    if (guest === undefined || guest.isTurnedAway) return void stream.close();
    guest.streams++;
    if (guest.streams > 1)
      return void this.#broken(guest, new HubError("E_BAD_FRAME", "a second session; a connection has one"));
    stream.once("close", () => setImmediate(() => this.#left(guest)));
    try {
      open(stream, headers);
    } catch (error) {
      this.#broken(guest, asHubError(error));
    }
  }

  // ── the handshake ──────────────────────────────────────────────────────────────────────────────────────

  #taken({ session, stream }: Taken): void {
    const guest = stream.session && this.#bySession.get(stream.session);
    const connection = stream.session;
    if (guest === undefined || connection === undefined) return void stream.close();
    const words = new StreamWords(mostOfStranger);
    guest.words = words;
    const gone = (reason: string): void =>
      words.fail(new HubError("E_LINK_LOST", reason || "the client went away"));
    session.closed.then(
      ({ reason }) => gone(reason),
      () => gone(""),
    );
    const serve = async (): Promise<void> => {
      const { value } = await session.incomingBidirectionalStreams.getReader().read();
      if (value === undefined) return;
      // Its end says less than the session's, which may follow.
      void pumpInto(value.readable, (chunk) => words.push(chunk)).then(() =>
        setImmediate(() => this.#left(guest)),
      );
      const bytes = new SessionStream(session, connection, value.writable);
      await this.#admit(guest, words, bytes, session.closed);
    };
    serve().catch((error) => this.#turnAway(guest, asHubError(error)));
  }

  async #admit(
    guest: Guest,
    words: StreamWords,
    bytes: SessionStream,
    closed: Taken["session"]["closed"],
  ): Promise<void> {
    try {
      const hubCertificate = guest.tls?.getX509Certificate()?.raw;
      const request = await hearRequest({ words, bytes, hubCertificate }, guest.address, this.#options);
      clearTimeout(guest.timer);
      if (!request.offersNative)
        throw new HubError(
          "E_UNSUPPORTED",
          "WebTransport carries the dialect of this hub only, not KubeEdge's",
        );
      const admitted = await this.#parts.admit(request);
      if (guest.isTurnedAway || guest.socket.destroyed) return admitted.abandoned?.();
      const { maxMessageBytes, inflow } = this.#options;
      const connection = new StreamConnection(bytes, { peer: request.peer, maxMessageBytes, inflow });
      guest.connection = connection;
      closed.then(
        ({ reason }) => connection.ended(parseReason(reason, true)),
        () => undefined,
      );
      bytes.write(encodeAnswer(admitted.dialect));
      admitted.accept(connection);
      words.handOver(connection);
    } catch (error) {
      const refusal = asHubError(error);
      bytes.write(encodeRefusal(refusal));
      this.#turnAway(guest, refusal, refusalGraceMs);
    }
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────

  /** Its session is over: without one it has nothing to do here. */
  #left(guest: Guest): void {
    if (guest.connection === undefined) {
      this.#turnAway(guest, new HubError("E_LINK_LOST", "it has ended its session"), refusalGraceMs);
      return;
    }
    guest.connection.ended(parseReason("", true));
    clearTimeout(guest.timer);
    guest.timer = setTimeout(() => guest.socket.destroy(), refusalGraceMs);
  }

  /** It has broken a rule: it is told if it can be, and cut off. */
  #broken(guest: Guest | undefined, error: HubError): void {
    if (guest === undefined || guest.isTurnedAway) return;
    if (guest.connection === undefined) return void this.#turnAway(guest, error);
    guest.isTurnedAway = true;
    guest.connection.fail(error);
  }

  /** @param graceMs How long the client has to go by itself, after it has been told. */
  #turnAway(guest: Guest, error: HubError, graceMs = 0): void {
    if (guest.isTurnedAway) return;
    guest.isTurnedAway = true;
    clearTimeout(guest.timer);
    this.#parts.refused(error, guest.address);
    guest.words?.fail(error);
    if (graceMs === 0) return void guest.socket.destroy();
    guest.timer = setTimeout(() => guest.socket.destroy(), graceMs);
  }
}
