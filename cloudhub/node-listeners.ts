import { randomUUID } from "node:crypto";
import { asHubError } from "../protocol/index.ts";
import {
  type Admitted,
  type ListenOptions,
  type ListenParts,
  listenWebSocket,
  PacedWork,
  quicTransport,
  type Scheme,
  type TransportListener,
  Turnstile,
  type UpgradeRequest,
  wakeUpsOf,
  webTransport,
} from "../transport/index.ts";
import { type AdmittedNode, admitNode, requireGood } from "./admission.ts";
import { type ListenerParts, refused } from "./listeners.ts";
import { NodeLink, type NodeLinkParts, nodeChannels } from "./node-link.ts";
import type { HubOptions } from "./options.ts";

/** What of one node is handled before others have their turn, bytes: about half a millisecond of work. */
const inflowTurnBytes = 8 << 10;
/** What a node may bring at once beyond its share, ms of it: enough for the few messages of a node that is quiet else. */
const inflowBurstMs = 60;

/** Links whose nodes are silent or have hung up are ended so fast: with all that follows, each costs up to a millisecond. */
const endingPace = { burst: 4, perSecond: 200 };

/** All that nodes connect to. */
export interface NodeListeners extends Omit<TransportListener, "port"> {
  /** Connections, over whatever they come, that wait for their handshake. */
  readonly waiting: number;
  readonly ports: { readonly nodes: number; readonly quic?: number; readonly webTransport?: number };
}

/** Where nodes connect: a client certificate of our CA, and the node it names. */
export async function listenForNodes(parts: ListenerParts, options: HubOptions): Promise<NodeListeners> {
  const identified = (request: UpgradeRequest): AdmittedNode => {
    const admitted = admitNode(request, parts, options.nodes.allowUnboundCertificates);
    const { links } = parts.hub;
    // Links that are gone and wait for their end take nobody's place.
    while (!links.hasRoom(admitted.node)) if (!endings.doFirst()) throw parts.hub.full();
    return admitted;
  };
  const listen = listenOptions(parts, options);
  // One for all of them: what a handshake costs is the same loop's time.
  const { handshakesPerSecond: perSecond, handshakeWaitMs: maxWaitMs, maxNodes } = options.nodes;
  const isCrowded = (): boolean => parts.gate.isCrowded;
  const turnstile = new Turnstile({ perSecond, maxWaitMs, maxWaiting: Math.max(maxNodes, 16), isCrowded });
  const channels = nodeChannels(parts.store.storeId, options);
  const endings = new PacedWork(parts.clock, endingPace);
  const terms: LinkTerms = { parts, options, channels, endings, wakeUps: wakeUpsOf(parts.clock) };
  let quic: TransportListener | undefined;
  let overHttp2: TransportListener | undefined;
  const webSocket = await listenWebSocket(listen, {
    admit: (request) => admit(request, identified(request), "wss", terms),
    // A node is told without becoming a link, which would replace the one it has: `edgehub check` asks.
    wouldAdmit: (request) => request.header("node_id") !== undefined && identified(request) !== undefined,
    refused: (error, address) => refused(parts, "nodes", error, address),
    turnstile,
    quicPort: () => quic?.port,
  });
  try {
    quic = await listenForQuic(parts, options, {
      admit: (request) => admit(request, identified(request), "quic", terms),
      refused: (error, address) => refused(parts, "quic", error, address),
      turnstile,
    });
    const { enable, port } = options.nodes.webTransport;
    if (enable)
      overHttp2 = await webTransport.listen(
        { ...listen, port },
        {
          admit: (request) => admit(request, identified(request), "wt", terms),
          refused: (error, address) => refused(parts, "webtransport", error, address),
          turnstile,
        },
      );
  } catch (error) {
    turnstile.close();
    await Promise.all([webSocket.close(), quic?.close()]);
    throw error;
  }
  const all = [webSocket, quic, overHttp2].filter((one) => one !== undefined);
  return {
    ports: {
      nodes: webSocket.port,
      ...(quic ? { quic: quic.port } : {}),
      ...(overHttp2 ? { webTransport: overHttp2.port } : {}),
    },
    get waiting() {
      return turnstile.waiting;
    },
    setTls: (tls) => {
      for (const listener of all) listener.setTls(tls);
    },
    async close() {
      turnstile.close();
      endings.close();
      await Promise.all(all.map((listener) => listener.close()));
    },
  };
}

function listenOptions(parts: ListenerParts, options: HubOptions): ListenOptions {
  const { host, port, handshakeTimeoutMs, maxNodes } = options.nodes;
  return {
    host,
    port,
    tls: parts.tls,
    clientCertificate: "require",
    maxMessageBytes: options.limits.messageBytes,
    handshakeTimeoutMs,
    // Room for those that shake hands, are refused, or replace an older link of theirs.
    maxConnections: maxNodes * 2 + 1_000,
    inflow: {
      perTurnBytes: inflowTurnBytes,
      bytesPerSecond: options.limits.nodeBytesPerSecond,
      burstBytes: (options.limits.nodeBytesPerSecond * inflowBurstMs) / 1_000,
      isCrowded: () => parts.store.isLively(),
    },
  };
}

/** Listens for QUIC, if that is wanted and possible here. Rejects as `Transport.listen`, but for a missing package. */
async function listenForQuic(
  parts: ListenerParts,
  options: HubOptions,
  decide: ListenParts,
): Promise<TransportListener | undefined> {
  const { enable, port } = options.nodes.quic;
  if (!enable) return undefined;
  try {
    return await quicTransport.listen({ ...listenOptions(parts, options), port }, decide);
  } catch (error) {
    const failure = asHubError(error);
    if (failure.code !== "E_UNSUPPORTED") throw failure;
    parts.log.warn("nodes cannot connect over QUIC", { error: failure });
    return undefined;
  }
}

/** The same for all links. */
interface LinkTerms extends Pick<NodeLinkParts, "channels" | "endings" | "wakeUps"> {
  readonly parts: ListenerParts;
  readonly options: HubOptions;
}

/** Lets a node in, when its turn comes. */
async function admit(
  request: UpgradeRequest,
  { node, serial }: AdmittedNode,
  transport: Scheme,
  { parts, options, channels, endings, wakeUps }: LinkTerms,
): Promise<Admitted> {
  const { hub, store, clock, gate, metrics } = parts;
  const leave = await gate.enter(node);
  try {
    // Its turn may have come seconds later.
    requireGood(serial, parts.revocations);
    if (store.node(node) === undefined) await store.saveNode(node, {});
  } catch (error) {
    leave();
    throw error;
  }
  const dialect = request.offersNative ? "native" : "kubeedge";
  return {
    dialect,
    accept: (connection) => {
      metrics.nodeAdmitted(transport);
      const linkParts = {
        node,
        dialect,
        transport,
        connection,
        hub,
        clock,
        counters: hub.counters,
        newId: randomUUID,
        channels,
        endings,
        wakeUps,
        serial,
        caughtUp: leave,
      } as const;
      hub.connect(new NodeLink(linkParts, options));
    },
    abandoned: leave,
  };
}
