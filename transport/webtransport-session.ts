import { randomBytes } from "node:crypto";
import type {
  ClientHttp2Session,
  Http2SecureServer,
  IncomingHttpHeaders,
  ServerHttp2Stream,
} from "node:http2";
import type { SecureContextOptions } from "node:tls";
import { HubError } from "../protocol/index.ts";
import { tlsTerms } from "./websocket-listener.ts";
import type { WebTransportPackage } from "./webtransport-package.ts";

/**
 * What of the inside of `@fails-components/webtransport` is used: it lets nobody choose the authority that a server is checked
 * against, nor see the connection below a session, and it throws in events where a peer breaks the rules.
 * docs/decisions/0015-webtransport.md says why it is used so; test/transport/webtransport.test.ts fails if another version of
 * it looks different inside.
 */

/** Where a hub takes sessions. */
export const sessionPath = "/hub";

/** How far a peer may be ahead, bytes: beyond what a connection's own credit allows, so that this one never decides. */
export const windowBytes = 1 << 20;
/** Each side takes one stream each way of a session; none cannot be said. */
const oneStream = 1;

const windows = {
  initialStreamFlowControlWindow: windowBytes,
  initialSessionFlowControlWindow: windowBytes,
  streamFlowControlWindowSizeLimit: windowBytes,
  sessionFlowControlWindowSizeLimit: windowBytes,
  initialBidirectionalStreams: oneStream,
  initialUnidirectionalStreams: oneStream,
};

/**
 * The same in a client's SETTINGS, which the package would have sent: numbers of draft-ietf-webtrans-http2 as the package has
 * them, for the bytes of a session, of a one-way stream, of a two-way stream, and for the streams of each kind.
 */
const settings: readonly (readonly [number, number])[] = [
  [0x2b61, windowBytes],
  [0x2b62, windowBytes],
  [0x2b63, windowBytes],
  [0x2b64, oneStream],
  [0x2b65, oneStream],
];
export const clientSettings = {
  enableConnectProtocol: true,
  initialWindowSize: windowBytes,
  customSettings: Object.fromEntries(settings),
};
/** Those of the hub that a client wants to read. */
export const peerSettings = settings.map(([number]) => number);

export interface BidirectionalStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

/** A session as the events of its carrier see it. */
export interface Session {
  readonly ready: Promise<unknown>;
  readonly closed: Promise<{ readonly closeCode: number; readonly reason: string }>;
  readonly draining: Promise<unknown>;
  readonly state: "connecting" | "connected" | "draining" | "closed" | "failed";
  readonly incomingBidirectionalStreams: ReadableStream<BidirectionalStream>;
  createBidirectionalStream(): Promise<BidirectionalStream>;
  close(info: { closeCode: number; reason: string }): void;
  onStream(event: { bidirectional: boolean }): void;
  onDatagramReceived(event: object): void;
  onClose(event: object): void;
}

/** What carries a session: capsules on a stream of HTTP/2. */
interface Carrier {
  readonly stream: ServerHttp2Stream;
  readonly capsParser: {
    parseData(data: Uint8Array): void;
    drainWrites(): void;
    writeCapsule(capsule: object): unknown;
  };
  readonly jsobj: Session;
  closeConnection(why: { reason: string }): void;
}

/**
 * Makes an error of one session of what would otherwise end the process, wherever a peer breaks the rules; and one write of
 * each capsule.
 */
function guard(carrier: Carrier, fail: (error: HubError) => void): void {
  const { capsParser: parser, jsobj: session, stream } = carrier;
  let isBroken = false;
  const broken = (text: string, cause?: unknown): void => {
    if (isBroken) return;
    isBroken = true;
    fail(new HubError("E_BAD_FRAME", `it breaks the rules of this link: ${text}`, { cause }));
  };
  const guarded =
    <Given extends unknown[]>(work: (...given: Given) => void): ((...given: Given) => void) =>
    (...given) => {
      try {
        work(...given);
      } catch (cause) {
        broken((cause as Error).message, cause);
      }
    };
  const parse = parser.parseData.bind(parser);
  // Of who has broken a rule nothing more is read.
  parser.parseData = guarded((data) => isBroken || parse(data));
  parser.drainWrites = guarded(parser.drainWrites.bind(parser));
  const write = parser.writeCapsule.bind(parser);
  // Header and payload are two writes, which would go as two frames in two records of TLS.
  parser.writeCapsule = (capsule) => {
    stream.cork();
    const isBlocked = write(capsule);
    stream.uncork();
    return isBlocked;
  };
  carrier.closeConnection = ({ reason }) => broken(reason);
  session.onClose = guarded(session.onClose.bind(session));
  const begin = session.onStream.bind(session);
  let streams = 0;
  session.onStream = (event) => {
    // The package would reset it a moment later, where nobody could catch what it throws then.
    if (session.state === "closed" || session.state === "failed") throw new Error("a stream after the end");
    streams++;
    if (streams > 1 || !event.bidirectional) throw new Error("a second stream; a connection has one");
    begin(event);
  };
  session.onDatagramReceived = () => {
    throw new Error("a datagram");
  };
  for (const promise of [session.ready, session.closed, session.draining]) promise.catch(() => undefined);
}

/** Hands over what a stream brings until it ends, however it ends. */
export async function pumpInto(
  readable: ReadableStream<Uint8Array>,
  take: (chunk: Uint8Array) => void,
): Promise<void> {
  const reader = readable.getReader();
  for (;;) {
    // Why it has failed, the session's end says.
    const found = await reader.read().catch(() => undefined);
    if (found === undefined || found.done) return;
    take(found.value);
  }
}

/** A peer's session, guarded, and the stream of HTTP/2 that carries it. */
export interface Taken {
  readonly session: Session;
  readonly stream: ServerHttp2Stream;
}

export interface HubServerParts {
  taken(taken: Taken): void;
  /** The peer of this session has broken a rule. */
  broken(stream: ServerHttp2Stream, error: HubError): void;
}

/** Lets the package begin with a stream of HTTP/2, which may become a session. */
export type OpenStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

/**
 * A server that does not listen yet. It takes sessions at {@link sessionPath}, on those streams that it is given: it neither
 * takes them by itself, nor WebSockets, and does not ping every peer once a second.
 */
export async function hubServer(
  library: WebTransportPackage,
  tls: SecureContextOptions,
  parts: HubServerParts,
): Promise<{ server: Http2SecureServer; openStream: OpenStream }> {
  class Server extends library.Http2Server {
    override onHttpWTSessionVisitor(
      event: Parameters<InstanceType<typeof library.Http2Server>["onHttpWTSessionVisitor"]>[0],
    ): void {
      super.onHttpWTSessionVisitor(event);
      const carrier = event.session as unknown as Carrier;
      const { stream } = carrier;
      guard(carrier, (error) => parts.broken(stream, error));
      parts.taken({ session: carrier.jsobj, stream });
    }
  }
  const own = new Server({
    port: 0,
    host: "",
    secret: randomBytes(16).toString("hex"),
    ...pemOf(tls),
    defaultDatagramsReadableMode: "bytes",
    ...windows,
  });
  for (const promise of [own.ready, own.closed]) promise.catch(() => undefined);
  await own.createTransportInt();
  // Without a callback the package grants each session 16 KiB and no more.
  own.setRequestCallback(({ header }: { header: IncomingHttpHeaders & { ":protocol"?: string } }) => {
    const isOurs = header[":path"] === sessionPath && header[":protocol"] === "webtransport";
    return Promise.resolve({ path: sessionPath, status: isOurs ? 200 : 404 });
  });
  const server = own.transportInt.serverInt as Http2SecureServer;
  const [openStream] = server.listeners("stream") as OpenStream[];
  if (openStream === undefined) throw new HubError("E_INTERNAL", changedInside);
  for (const event of ["stream", "upgrade", "session"]) server.removeAllListeners(event);
  server.setSecureContext({ ...tls, ...tlsTerms });
  return { server, openStream };
}

/** The package takes texts only. */
function pemOf({ cert, key }: SecureContextOptions): { cert: string; privKey: string } {
  if (typeof cert !== "string" || typeof key !== "string")
    throw new HubError("E_BAD_OPTION", "WebTransport takes its key and certificate as PEM texts");
  return { cert, privKey: key };
}

const changedInside = "WebTransport's package has changed inside; use the version of package.json";

/** Opens a session over a connection of HTTP/2 that is up, whose settings have come. */
export function openSession(
  library: WebTransportPackage,
  connection: ClientHttp2Session,
  broken: (error: HubError) => void,
): Session {
  interface Transport {
    clientInt: ClientHttp2Session;
    readonly jsobj: {
      onClientConnected(event: { success: true }): void;
      onClientWebTransportSupport(event: object): void;
    };
    createTransport(): void;
  }
  class Client extends library.WebTransport {
    override createClient(init: Parameters<InstanceType<typeof library.WebTransport>["createClient"]>[0]) {
      const made = super.createClient(init);
      const { client, sessionint } = made;
      const create = client.args?.createReliableClient;
      if (client.args === undefined || create === undefined) throw new HubError("E_INTERNAL", changedInside);
      client.args.createReliableClient = (owner: unknown): Transport => {
        const transport = create(owner) as Transport;
        transport.createTransport = () => {
          transport.clientInt = connection;
          queueMicrotask(() => {
            transport.jsobj.onClientConnected({ success: true });
            transport.jsobj.onClientWebTransportSupport({});
          });
        };
        return transport;
      };
      const begin = sessionint.setSessionObj.bind(sessionint);
      sessionint.setSessionObj = (object, reliable) => {
        begin(object, reliable);
        guard(object as unknown as Carrier, broken);
      };
      for (const promise of [sessionint.ready, sessionint.closed, sessionint.draining])
        promise.catch(() => undefined);
      return made;
    }
  }
  const opened = new Client(`https://hub${sessionPath}`, { forceReliable: true, ...windows } as object);
  return opened.sessionint as unknown as Session;
}
