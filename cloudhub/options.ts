import { hostname, networkInterfaces } from "node:os";
import { choice, flag, type OptionsOf, section, text, texts, whole } from "../platform/config.ts";
import { logLevels } from "../platform/logger.ts";

const port = (fallback: number, description: string) =>
  whole(fallback, 0, 65_535, { description: `${description}; 0 picks a free one`, minimal: true });
const host = (fallback: string, description: string) => text(fallback, { description });
const day = 86_400_000;

/** Everything the hub can be told. Each field says its unit, its default and when to change it. */
export const hubSchema = section("The hub's configuration", {
  dataDir: text("/var/lib/cloudhub", {
    description: "Directory of the database, the keys and the admin's credentials; one hub each",
    minimal: true,
  }),
  logLevel: choice("info", logLevels, { description: "How much is logged, to standard error" }),
  advertise: texts({
    description:
      "IP addresses and DNS names under which nodes and controllers reach this hub; they go into its certificate. Empty: all addresses and the name of this machine, and localhost",
    minimal: true,
  }),
  nodes: section("Where nodes connect: WebSocket over TLS with a client certificate", {
    host: host("0.0.0.0", "Address to listen on"),
    port: port(10_000, "Port for nodes (KubeEdge: 10000)"),
    maxNodes: whole(10_000, 1, 1_000_000, {
      description: "Nodes connected at once; one more is refused with E_NODE_LIMIT",
    }),
    handshakeTimeoutMs: whole(10_000, 100, 600_000, {
      description:
        "Milliseconds a client may take for its TLS handshake, and again for its upgrade request; raise it for very slow links",
    }),
    handshakesPerSecond: whole(120, 1, 100_000, {
      description:
        "TLS handshakes begun in a second, over all transports together; each takes the hub a few milliseconds, in which connected nodes wait. Raise it on a fast machine whose fleet must be back sooner",
    }),
    handshakeWaitMs: whole(25_000, 100, 600_000, {
      description:
        "Milliseconds a connection waits at most for its handshake to begin, where many come at once; agents are patient for 30 s",
    }),
    admitAtOnce: whole(256, 1, 100_000, {
      description:
        "Nodes let in at once that have not yet all that waited for them; others wait up to 10 s for their turn",
    }),
    admitWaiting: whole(1_024, 0, 100_000, {
      description: "Nodes that wait so; more are told when to come again (E_BUSY, 503 with Retry-After)",
    }),
    reconnectBurst: whole(20, 1, 100_000, {
      description: "Connections a node may open in a row before the hub slows it down (E_FLAPPING)",
    }),
    reconnectEveryMs: whole(5_000, 1, 3_600_000, {
      description: "A node that flaps is let in once in so many ms",
    }),
    allowUnboundCertificates: flag(false, {
      description:
        "Admit certificates of this hub's CA that name no node, as a KubeEdge 1.15 cloud issued them; any of them can then claim any node name",
    }),
    quic: section("Over QUIC as well: connections that come up faster where packets get lost", {
      enable: flag(false, {
        description:
          "Listen for QUIC, on the same address as above; needs Node.js 24 and the package @currentspace/http3, without which the hub says so and goes on. Our agents learn of it when they connect by WebSocket",
      }),
      port: port(10_001, "UDP port for nodes (KubeEdge: 10001, which speaks another QUIC)"),
    }),
    webTransport: section(
      "Over WebTransport as well: HTTP/2 without client certificates",
      {
        enable: flag(false, {
          description:
            "Listen for WebTransport, on the same address as above; for networks that let neither client certificates nor WebSockets through. Nodes prove their key in a handshake of our own",
        }),
        port: port(10_006, "TCP port for nodes that connect so"),
      },
      {
        http3:
          "WebTransport over HTTP/3 is not supported, also where its native package is installed, which lets nobody limit who connects (docs/decisions/0015-webtransport.md); over UDP there is nodes.quic",
      },
    ),
  }),
  join: section("Where machines get their certificate: HTTPS", {
    host: host("0.0.0.0", "Address to listen on"),
    port: port(10_002, "Port for joining (KubeEdge: 10002)"),
    certificateDays: whole(365, 1, 36_500, {
      description: "Days a node's certificate is valid; agents renew it at 80 % of that",
    }),
    allowRejoin: flag(false, {
      description:
        "Let any valid token issue a new certificate for a node that has joined already; otherwise only a token made for that node can",
    }),
    acceptUnrecordedTokens: flag(false, {
      description:
        "Accept join tokens that a KubeEdge cloud with the same CA issued; they cannot be limited or revoked",
    }),
  }),
  api: section("Where controllers, hubctl and Prometheus connect: HTTPS and WebSocket", {
    host: host("127.0.0.1", "Address to listen on; 0.0.0.0 lets controllers on other machines in"),
    port: port(10_005, "Port for controllers"),
    maxControllers: whole(1_000, 1, 100_000, { description: "Controllers connected at once" }),
    watchStallMs: whole(30_000, 100, 3_600_000, {
      description: "A client of the Kubernetes API that takes nothing of its watch for so many ms is cut off",
    }),
    auditFile: text("", {
      description: "File that gets a JSON line for each request to the Kubernetes API; empty: none",
    }),
    auditMaxBytes: whole(100 << 20, 1_024, 2 ** 40, {
      description: "The audit file grows to so many bytes before a new one is begun",
    }),
    auditFiles: whole(5, 0, 1_000, { description: "How many older audit files are kept" }),
  }),
  ca: section(
    "An existing certificate authority, for fleets that a KubeEdge cloud enrolled; empty: one of its own",
    {
      certificateFile: text("", { description: "PEM file (KubeEdge: /etc/kubeedge/ca/rootCA.crt)" }),
      keyFile: text("", { description: "PEM file of its EC key (KubeEdge: /etc/kubeedge/ca/rootCA.key)" }),
    },
  ),
  limits: section("What one peer may cost", {
    messageBytes: whole(16 << 20, 1_024, 256 << 20, { description: "Largest message, bytes" }),
    backlogMessages: whole(100_000, 1, 100_000_000, {
      description: "Messages that may wait for one node; then publishing to it fails with E_BACKLOG_FULL",
    }),
    backlogBytes: whole(256 << 20, 1_024, 2 ** 40, { description: "Bytes that may wait for one node" }),
    nodeBytesPerSecond: whole(4 << 20, 1_024, 2 ** 40, {
      description:
        "Bytes a second that one node may send for long, each message counted with 300 more; what is more waits at the node, so that a node that floods does not slow down the others; a quarter of it while other nodes get news",
    }),
    upstreamBytes: whole(256 << 20, 1_024, 2 ** 40, {
      description:
        "Bytes of upstream messages held in memory for slow controllers, of all nodes together; then nodes are told to wait",
    }),
  }),
  delivery: section("How messages go down", {
    windowMessages: whole(64, 1, 65_536, {
      description: "Unacknowledged messages per node; our own agents grant more (see maxWindowMessages)",
    }),
    windowBytes: whole(1 << 20, 1_024, 1 << 30, { description: "Unacknowledged bytes per node" }),
    maxWindowMessages: whole(4_096, 1, 65_536, { description: "Upper bound of what a node may grant" }),
    maxWindowBytes: whole(16 << 20, 1_024, 1 << 30, {
      description: "Upper bound of the bytes a node may grant",
    }),
    ackTimeoutMs: whole(300_000, 100, 3_600_000, {
      description:
        "After so many ms without any ack, an unacknowledged message goes to one of our agents again over the same link; then after twice as long, …",
    }),
    kubeedgeAckTimeoutMs: whole(5_000, 100, 3_600_000, { description: "The same for a stock edgecore" }),
    maxAckTimeoutMs: whole(1_200_000, 100, 3_600_000, {
      description: "Longest pause between two repeats, ms",
    }),
    deltaCacheBytes: whole(64 << 20, 0, 2 ** 40, {
      description:
        "Bytes of memory for what our agents have acknowledged, all nodes together: the next version of it goes as a delta. What has no room is sent in full; 0: everything is",
    }),
    kubeedgeKeepaliveMs: whole(30_000, 1_000, 3_600_000, {
      description: "A stock edgecore without keepalive for so many ms is disconnected",
    }),
  }),
  budget: section(
    "What each node may be sent, for links that are paid by the byte: encoded messages, without acks and TLS. A node's labels budget/bulk-bytes-per-day and so on say otherwise for it, from its next connection on. What waits for a budget is shown by hubctl",
    {
      bulkBytesPerSecond: whole(0, 0, 2 ** 40, {
        description: "Bytes a second of state, and of events without a priority above 0; 0: no limit",
      }),
      bulkBytesPerDay: whole(0, 0, 2 ** 46, { description: "The same in 24 hours; 0: no limit" }),
      urgentBytesPerSecond: whole(0, 0, 2 ** 40, {
        description: "Bytes a second of events with a priority above 0; 0: no limit",
      }),
      urgentBytesPerDay: whole(0, 0, 2 ** 46, { description: "The same in 24 hours; 0: no limit" }),
    },
  ),
  controllers: section("Controllers in the hub's process", {
    disable: texts({
      description:
        "Names of controllers that do not run here, because others do their work: edge, workload, device, dynamic, group, router",
    }),
  }),
  dynamicController: section(
    "Objects that programs on a node watch through its MetaServer (KubeEdge: dynamicController)",
    {
      maxWatches: whole(200, 1, 100_000, { description: "Watches of one node; one more is refused" }),
      maxObjects: whole(5_000, 1, 9_000, {
        description: "Objects that one node gets for its watches; what is beyond is left out",
      }),
      maxBytes: whole(32 << 20, 1_024, 2 ** 40, {
        description: "Bytes of these objects; what is beyond is left out",
      }),
      keepMs: whole(600_000, 0, 86_400_000, {
        description:
          "After a program has ended its watch, what came for it stays on the node and is kept up to date for so many ms",
      }),
    },
  ),
  router: section("Rules between REST, EventBus and ServiceBus (KubeEdge: router)", {
    host: host(
      "127.0.0.1",
      "Address on which rules take REST requests: plain HTTP that asks nobody who he is",
    ),
    port: port(9_443, "Port for them (KubeEdge: 9443); opened with the first rule that begins at REST"),
    restTimeoutMs: whole(60_000, 100, 3_600_000, {
      description: "How long a service on a node may take to answer a REST request, ms",
    }),
    targetTimeoutMs: whole(60_000, 100, 3_600_000, {
      description: "How long a REST target may take to answer a message of a node, ms",
    }),
    attempts: whole(5, 1, 100, {
      description: "Calls of a REST target before a message becomes a dead letter",
    }),
    retryMs: whole(1_000, 1, 600_000, {
      description: "Pause before the second call, ms; doubles from call to call",
    }),
    maxDeadLetters: whole(10_000, 0, 1_000_000, {
      description: "Dead letters of one rule; what comes then stays at its node",
    }),
  }),
  store: section("What is kept, and how safely", {
    synchronous: choice("full", ["full", "normal"] as const, {
      description:
        "full: an acknowledged write survives a power cut. normal: it survives the death of the hub only, and is faster on slow disks",
    }),
    maxBytes: whole(0, 0, 2 ** 46, {
      description: "Largest size of each of the two databases, bytes; 0: what the disk holds",
    }),
    tombstoneMs: whole(7 * day, 1_000, 3_650 * day, {
      description:
        "How long deletions are remembered, so that an older put that comes late brings nothing back; ms",
    }),
    ledgerMs: whole(7 * day, 1_000, 3_650 * day, {
      description: "How long the ledger tells of messages that are done, ms",
    }),
    ledgerMessages: whole(500, 1, 1_000_000, {
      description: "Messages that are done which the ledger tells of, per node",
    }),
  }),
  objects: section("Kubernetes objects that the hub keeps; all of them are in its memory too", {
    maxBytes: whole(1_500_000, 1_024, 64 << 20, {
      description: "Largest object, characters of its JSON (etcd: 1.5 MiB)",
    }),
    historyChanges: whole(10_000, 1, 10_000_000, {
      description:
        "Changes of each type of objects that a watch can begin with; one that needs older ones is told to list anew (410 Gone). Raise it for clients that are away for long",
    }),
    historyBytes: whole(32 << 20, 1_024, 2 ** 40, {
      description: "The same in characters of JSON, per type of objects",
    }),
  }),
});

export type HubOptions = OptionsOf<typeof hubSchema>;

/** What the certificate must name: the configured names, or everything this machine is called. */
export function advertisedNames(options: Pick<HubOptions, "advertise">): string[] {
  if (options.advertise.length > 0) return [...new Set([...options.advertise, "localhost", "127.0.0.1"])];
  const addresses = Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).map((one) => one.address),
  );
  return [
    ...new Set([
      "localhost",
      "127.0.0.1",
      "::1",
      hostname(),
      ...addresses.filter((one) => !one.startsWith("fe80")),
    ]),
  ];
}
