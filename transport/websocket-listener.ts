import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import { WebSocketServer } from "ws";
import { asHubError, type Dialect, HubError, nativeDialect } from "../protocol/index.ts";
import type { Peer } from "./connection.ts";
import { bodyOf, retryAfterOf, statusOf } from "./http-refusal.ts";
import type {
  ListenOptions,
  ListenParts,
  Transport,
  TransportListener,
  UpgradeRequest,
} from "./transport.ts";
import { SocketArrival, type Turnstile } from "./turnstile.ts";
import {
  addressOf,
  choiceHeader,
  dialWebSocket,
  greetingHeader,
  greetingTaken,
  keyExchange,
  offerHeader,
  quicPortHeader,
  readGreeting,
  WebSocketConnection,
} from "./websocket.ts";

/** What a port for WebSockets answers besides. */
export interface WebSocketListenParts extends ListenParts {
  /**
   * Somebody asks, by a GET without an upgrade, whether it would be let in: it gets 200, or the refusal that an upgrade
   * would get. Throws a HubError to refuse; false: that is not what it asks, and it gets 400.
   */
  readonly wouldAdmit?: (request: UpgradeRequest) => boolean;
  /** Answers other requests that are no upgrade. Default: 400. */
  readonly request?: RequestListener;
  /** Clients of our dialect, and who asks, are told of this port; `undefined`: there is none. */
  readonly quicPort?: () => number | undefined;
}

/** WebSocket over TLS; the only one that speaks KubeEdge's dialect too. */
export const webSocketTransport: Transport = { scheme: "wss", dial: dialWebSocket, listen: listenWebSocket };

/** Listens for WebSockets over TLS. Rejects with `E_PORT_TAKEN`, or `E_BAD_OPTION` for an address that is not ours. */
export async function listenWebSocket(
  options: ListenOptions,
  parts: WebSocketListenParts,
): Promise<TransportListener> {
  const listening = new Listening(options, parts);
  await listening.listen();
  return listening;
}

/** For every certificate the listener is given. */
export const tlsTerms = { minVersion: "TLSv1.2", ecdhCurve: keyExchange } as const;

class Listening implements TransportListener {
  readonly #options: ListenOptions;
  readonly #parts: WebSocketListenParts;
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  /** In their TLS handshake, by address: the socket that comes out of it is another one. */
  readonly #handshaking = new Map<string, Duplex>();
  /** Whose TCP connection it is, also when it has ended; Node.js would keep the answer to who asks a TLS socket, too. */
  readonly #addresses = new WeakMap<Duplex, string>();
  /** Shook hands and has not upgraded yet. */
  readonly #pending = new Map<Duplex, NodeJS.Timeout>();
  readonly #agreed = new WeakMap<IncomingMessage, { dialect: Dialect; greeting: Uint8Array | undefined }>();
  // One for all sockets, which have it for as long as they live.
  readonly #handshakeEnded = forThis((socket: Socket) =>
    this.#handshaking.delete(this.#addresses.get(socket) ?? ""),
  );
  readonly #pendingEnded = forThis((socket: TLSSocket) => this.#settled(socket));

  constructor(options: ListenOptions, parts: WebSocketListenParts) {
    this.#options = options;
    this.#parts = parts;
    this.#server = createServer({
      ...options.tls,
      ...tlsTerms,
      requestCert: true,
      rejectUnauthorized: options.clientCertificate === "require",
      handshakeTimeout: options.handshakeTimeoutMs,
      headersTimeout: options.handshakeTimeoutMs,
      requestTimeout: options.handshakeTimeoutMs,
      maxHeaderSize: 16 * 1024,
      noDelay: true,
      // Who waits for his handshake is not read: else each would have 64 KiB here.
      pauseOnConnect: parts.turnstile !== undefined,
    });
    this.#server.maxConnections = options.maxConnections;
    this.#sockets = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      maxPayload: options.maxMessageBytes + 64 * 1024,
      skipUTF8Validation: true,
      clientTracking: false,
      // Whatever subprotocol a client offers, KubeEdge's cloud takes none.
      handleProtocols: () => false,
    });
    this.#sockets.on("headers", (lines, request) => {
      const agreed = this.#agreed.get(request);
      if (agreed?.dialect !== "native") return;
      lines.push(`${choiceHeader}: ${nativeDialect}`);
      if (agreed.greeting !== undefined) lines.push(`${greetingHeader}: ${greetingTaken}`);
      const quicPort = parts.quicPort?.();
      if (quicPort !== undefined) lines.push(`${quicPortHeader}: ${quicPort}`);
    });
    this.#sockets.on("wsClientError", (error, socket) =>
      this.#turnAway(new HubError("E_BAD_FRAME", error.message), socket),
    );
    const answer = parts.request ?? answerNoUpgrade;
    this.#server.on("request", (request, response) => {
      this.#settled(request.socket);
      if (!this.#answerWouldAdmit(request, response)) answer(request, response);
    });
    this.#server.on("secureConnection", (socket) => this.#expectUpgrade(socket));
    // A failed TLS handshake comes this way too, and only its error tells.
    this.#server.on("clientError", (error, socket) => this.#turnAway(clientError(error, socket), socket));
    this.#server.on("connection", (socket: Socket) => {
      const address = addressOf(socket);
      this.#addresses.set(socket, address);
      this.#handshaking.set(address, socket);
      socket.on("close", this.#handshakeEnded);
    });
    if (parts.turnstile !== undefined) this.#waitAt(parts.turnstile);
    this.#server.on(
      "upgrade",
      (request, socket, head) => void this.#upgrade(request, socket as TLSSocket, head),
    );
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  listen(): Promise<void> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
      this.#server.listen({ host, port, backlog: 4096 }, () => resolve());
    });
  }

  setTls(tls: SecureContextOptions): void {
    this.#server.setSecureContext({ ...tls, ...tlsTerms });
  }

  /** Connections that were handed over stay their owners'; what is still shaking hands is cut off. */
  close(): Promise<void> {
    this.#server.close();
    this.#server.closeIdleConnections();
    for (const socket of [...this.#handshaking.values(), ...this.#pending.keys()]) socket.destroy();
    return Promise.resolve();
  }

  /** Puts a turnstile in front of what begins the TLS handshake: the server's own listener for new connections. */
  #waitAt(turnstile: Turnstile): void {
    const [begin, ...others] = this.#server.listeners("connection") as ((socket: Socket) => void)[];
    const then = {
      enter: (socket: Socket) => void begin?.call(this.#server, socket),
      refused: (error: HubError, socket: Socket) => this.#parts.refused(error, addressOf(socket)),
    };
    this.#server.removeAllListeners("connection");
    for (const other of others) this.#server.on("connection", other);
    this.#server.on("connection", (socket: Socket) => turnstile.add(new SocketArrival(socket, then)));
  }

  /** A client that shakes hands and then dawdles is cut off, however slowly it speaks. */
  #expectUpgrade(socket: TLSSocket): void {
    const address = this.#addressOf(socket);
    this.#handshaking.get(address)?.off("close", this.#handshakeEnded);
    this.#handshaking.delete(address);
    const timer = setTimeout(() => {
      this.#parts.refused(new HubError("E_TIMEOUT", "no complete request within the time limit"), address);
      socket.destroy();
    }, this.#options.handshakeTimeoutMs);
    this.#pending.set(socket, timer);
    socket.on("close", this.#pendingEnded);
  }

  #addressOf(socket: Duplex): string {
    const under = (socket as { _parent?: Duplex })._parent;
    return (under && this.#addresses.get(under)) ?? addressOf(socket as TLSSocket);
  }

  #peerOf(socket: TLSSocket): Peer {
    return { address: this.#addressOf(socket), certificate: socket.getPeerX509Certificate()?.raw };
  }

  #settled(socket: Duplex): void {
    clearTimeout(this.#pending.get(socket));
    this.#pending.delete(socket);
  }

  async #upgrade(request: IncomingMessage, socket: TLSSocket, head: Buffer): Promise<void> {
    this.#settled(socket);
    socket.off("close", this.#pendingEnded);
    socket.on("error", destroyIt);
    try {
      if (!sameOrigin(request)) throw new HubError("E_FORBIDDEN", "the Origin header names another host");
      const peer = this.#peerOf(socket);
      const asked = requestOf(request, peer);
      const said = asked.offersNative ? readGreeting(asked.header(greetingHeader)) : undefined;
      const admission = await this.#parts.admit(asked);
      if (socket.destroyed) return admission.abandoned?.();
      const { dialect } = admission;
      const greeting = dialect === "native" ? said : undefined;
      this.#agreed.set(request, { dialect, greeting });
      // From here `ws` has a listener, beside that of TLS; with a third the list would have room for twenty for good.
      socket.off("error", destroyIt);
      this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
        admission.accept(
          new WebSocketConnection(webSocket, socket, {
            peer: new LastingPeer(peer.address, socket),
            dialect,
            side: "server",
            inflow: this.#options.inflow,
            greeting,
          }),
        );
      });
    } catch (error) {
      this.#turnAway(asHubError(error), socket);
    }
  }

  /** @returns False: it is another request. */
  #answerWouldAdmit(request: IncomingMessage, response: ServerResponse): boolean {
    const { wouldAdmit, refused, quicPort } = this.#parts;
    if (wouldAdmit === undefined || request.method !== "GET") return false;
    const peer = this.#peerOf(request.socket as TLSSocket);
    const headers = { "Content-Type": "text/plain; charset=utf-8", Connection: "close" };
    try {
      if (!wouldAdmit(requestOf(request, peer))) return false;
      const port = quicPort?.();
      if (port !== undefined) response.setHeader(quicPortHeader, port);
      response.writeHead(200, headers).end("you would be let in\n");
    } catch (error) {
      const refusal = asHubError(error);
      refused(refusal, peer.address);
      response.writeHead(Number.parseInt(statusOf(refusal.code), 10), headers).end(bodyOf(refusal));
    }
    return true;
  }

  #turnAway(error: HubError, socket: Duplex): void {
    this.#parts.refused(error, this.#addressOf(socket));
    if (!socket.writable) return void socket.destroy();
    const body = bodyOf(error);
    const retryAfter = retryAfterOf(error);
    socket.end(
      `HTTP/1.1 ${statusOf(error.code)}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
        `${retryAfter === undefined ? "" : `Retry-After: ${retryAfter}\r\n`}` +
        `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    const timer = setTimeout(() => socket.destroy(), 1_000);
    socket.once("close", () => clearTimeout(timer));
  }
}

function destroyIt(this: Duplex): void {
  this.destroy();
}

/** A listener that is given the socket it is called for. */
function forThis<T>(listener: (socket: T) => void): (this: T) => void {
  return function (this: T) {
    listener(this);
  };
}

/** The peer of a link: its certificate has been looked at, and is made again for who asks. */
class LastingPeer implements Peer {
  readonly address: string;
  readonly #socket: TLSSocket;

  constructor(address: string, socket: TLSSocket) {
    this.address = address;
    this.#socket = socket;
  }

  get certificate(): Uint8Array | undefined {
    return this.#socket.getPeerX509Certificate()?.raw;
  }
}

function clientError(error: NodeJS.ErrnoException, socket: Duplex): HubError {
  const isHttp = error.code?.startsWith("HPE_") || error.code?.startsWith("ERR_HTTP");
  if (isHttp) return new HubError("E_BAD_FRAME", `no HTTP request: ${error.message}`);
  const refused = (socket as TLSSocket).authorizationError;
  if (refused) return new HubError("E_IDENTITY", `its certificate is not good here: ${String(refused)}`);
  if (error.code === "ECONNRESET")
    return new HubError("E_LINK_LOST", "the client went away before it was let in");
  return new HubError("E_IDENTITY", `TLS handshake failed: ${error.message}`);
}

function requestOf(request: IncomingMessage, peer: Peer): UpgradeRequest {
  return {
    // A Go client repeats a header after failed dials, and Node.js joins the copies: the first one counts.
    header: (name) => {
      const found = request.headersDistinct[name.toLowerCase()]?.[0];
      return found?.split(",")[0]?.trim();
    },
    path: request.url ?? "/",
    peer,
    offersNative: (request.headersDistinct[offerHeader] ?? [])
      .flatMap((line) => line.split(","))
      .some((dialect) => dialect.trim() === nativeDialect),
  };
}

/** As KubeEdge: a browser's page of another host must not open a socket. */
function sameOrigin(request: IncomingMessage): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}

function answerNoUpgrade(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(400, {
    "Sec-WebSocket-Version": "13",
    "Content-Type": "text/plain",
    Connection: "close",
  });
  response.end("this port takes WebSocket connections only\n");
}

export function listenError(error: NodeJS.ErrnoException, host: string, port: number): HubError {
  if (error.code === "EADDRINUSE") {
    return new HubError(
      "E_PORT_TAKEN",
      `${host}:${port} is taken by another process; stop it or configure another port`,
      { cause: error },
    );
  }
  return new HubError("E_BAD_OPTION", `cannot listen on ${host}:${port}: ${error.message}`, { cause: error });
}
