import { hostname } from "node:os";
import { choice, flag, type OptionsOf, section, text, whole } from "../platform/config.ts";
import { logLevels } from "../platform/logger.ts";
import { deviceTwinSection } from "./devicetwin/options.ts";
import { edgedSection } from "./edged/options.ts";
import { eventBusSection } from "./eventbus/options.ts";
import { metaServerSection } from "./metaserver/options.ts";
import { serviceBusSection } from "./servicebus/options.ts";

const day = 86_400_000;
const noHttp3 =
  "WebTransport over HTTP/3 is not supported, also where its native package is installed (docs/decisions/0015-webtransport.md); webtransport goes over HTTP/2, and quic over UDP";

/** Everything the edge agent can be told. Each field says its unit, its default and when to change it. */
export const edgeSchema = section("The edge agent's configuration", {
  node: text(hostname().toLowerCase(), {
    description: "Name of this node; must be the one it joined with",
    minimal: true,
  }),
  dataDir: text("/var/lib/edgehub", {
    description: "Directory of the database, the key and the certificate; one agent each",
    minimal: true,
  }),
  logLevel: choice("info", logLevels, { description: "How much is logged, to standard error" }),
  hub: section("The hub, or a KubeEdge cloudcore", {
    server: text("wss://127.0.0.1:10000", { description: "Where nodes connect", minimal: true }),
    join: text("https://127.0.0.1:10002", { description: "Where certificates are issued", minimal: true }),
    token: text("", {
      description: "Join token; needed until this node has joined, may be removed then",
      minimal: true,
      secret: true,
    }),
    tokenFile: text("", { description: "File that holds the token, instead of writing it here" }),
    projectId: text("e632aba927ea4ac2b575ec1603d56f10", {
      description: "Project id in the URL, as a KubeEdge cloud expects one",
    }),
    dialect: choice("auto", ["auto", "kubeedge"] as const, {
      description: "auto: our dialect where the hub speaks it, KubeEdge's elsewhere",
    }),
    transport: choice("auto", ["auto", "wss", "quic", "webtransport"] as const, {
      description:
        "What carries the link. auto: QUIC where the hub offers it, the package @currentspace/http3 is installed and the way lets it through, else WebSocket; what works is remembered. wss, quic, webtransport: only that",
      absent: { http3: noHttp3, "webtransport-http3": noHttp3 },
    }),
    quicPort: whole(0, 0, 65_535, {
      description:
        "UDP port where the hub takes QUIC; 0: the one it names when this node connects by WebSocket, else 10001",
    }),
    webTransportPort: whole(10_006, 1, 65_535, { description: "TCP port where the hub takes WebTransport" }),
    handshakeTimeoutMs: whole(30_000, 100, 600_000, {
      description: "Milliseconds a connection may take to come up",
    }),
    reconnectMinMs: whole(500, 10, 600_000, {
      description: "First pause before dialling again, ms; doubles with each failure, with full jitter",
    }),
    reconnectMaxMs: whole(30_000, 10, 3_600_000, { description: "Longest pause, ms" }),
  }),
  delivery: section("How messages come and go", {
    windowMessages: whole(1_024, 1, 65_536, {
      description: "Messages the hub may send before they are acknowledged; more keeps long links full",
    }),
    windowBytes: whole(1 << 20, 1_024, 1 << 30, {
      description: "Bytes the hub may send before they are acknowledged",
    }),
    messageBytes: whole(16 << 20, 1_024, 256 << 20, { description: "Largest message taken or sent, bytes" }),
    upstreamWindowMessages: whole(256, 1, 65_536, {
      description: "Messages sent up before the hub has acknowledged them",
    }),
    upstreamWindowBytes: whole(1 << 20, 1_024, 1 << 30, {
      description: "Bytes sent up before the hub has acknowledged them",
    }),
    keepaliveMs: whole(15_000, 1_000, 600_000, {
      description: "How often a KubeEdge cloud is told that this node lives, ms",
    }),
  }),
  outbox: section("Messages on their way to the cloud", {
    maxMessages: whole(1_000_000, 1, 1_000_000_000, { description: "How many may wait" }),
    maxBytes: whole(1 << 30, 1_024, 2 ** 46, { description: "How many bytes may wait" }),
    whenFull: choice("rejectNew", ["rejectNew", "dropOldest"] as const, {
      description:
        "When it is full: refuse the new message, so that its sender knows; or drop the oldest ones",
    }),
  }),
  store: section("What is kept, and how safely", {
    synchronous: choice("full", ["full", "normal"] as const, {
      description:
        "full: what was acknowledged survives a power cut. normal: it survives the death of the agent only, and spares flash memory",
    }),
    maxBytes: whole(0, 0, 2 ** 46, {
      description: "Largest size of the database, bytes; 0: what the disk holds",
    }),
    tombstoneMs: whole(7 * day, 1_000, 3_650 * day, { description: "How long deletions are remembered, ms" }),
  }),
  eventBus: eventBusSection,
  deviceTwin: deviceTwinSection,
  serviceBus: serviceBusSection,
  metaServer: metaServerSection,
  edged: edgedSection,
  renewCertificate: flag(true, { description: "Renew the certificate at 80 % of its life" }),
});

export type EdgeOptions = OptionsOf<typeof edgeSchema>;
