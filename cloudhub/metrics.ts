import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { ErrorCode, TrafficClass } from "../protocol/index.ts";
import type { ChannelCounters, Scheme } from "../transport/index.ts";
import type { GateLoad } from "./gate.ts";
import type { ResumeOutcome } from "./resume.ts";
import type { DropReason } from "./upstream.ts";

/** What the gauges read when Prometheus asks. */
export interface HubGauges {
  readonly counters: ChannelCounters;
  readonly load: { nodes: number; upstreamBytes: number; subscribers: number };
  readonly controllers: number;
  readonly knownNodes: number;
  readonly watches: number;
  readonly budgetWaits: (traffic: TrafficClass) => number;
  readonly gate: GateLoad & { readonly handshakesWaiting: number };
}

const apiVerbs: ReadonlySet<string> = new Set([
  ...["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"],
]);

/** Every metric of the hub. Labels are bounded: never a node's name. */
export class HubMetrics {
  readonly registry = new Registry();
  readonly #faults: Counter<"code">;
  readonly #linksClosed: Counter<"code">;
  readonly #dropped: Counter<"reason">;
  readonly #refused: Counter<"port" | "code">;
  readonly #admitted: Counter<"transport">;
  readonly #apiRequests: Counter<"verb" | "code">;
  readonly #watchesStalled: Counter;
  readonly #resumed: Counter<"outcome">;
  readonly #corrected: Counter<"what">;

  constructor() {
    const registers = [this.registry];
    this.#faults = new Counter({
      name: "hub_faults_total",
      help: "Messages and links refused or failed, by error code",
      labelNames: ["code"],
      registers,
    });
    this.#linksClosed = new Counter({
      name: "hub_node_links_closed_total",
      help: "Nodes' connections that ended, by reason",
      labelNames: ["code"],
      registers,
    });
    this.#dropped = new Counter({
      name: "hub_upstream_dropped_total",
      help: "Upstream messages of stock edges that were lost, by reason",
      labelNames: ["reason"],
      registers,
    });
    this.#refused = new Counter({
      name: "hub_connections_refused_total",
      help: "Connections and joins turned away, by port and error code",
      labelNames: ["port", "code"],
      registers,
    });
    this.#admitted = new Counter({
      name: "hub_node_links_opened_total",
      help: "Nodes' connections that were let in, by transport",
      labelNames: ["transport"],
      registers,
    });
    this.#apiRequests = new Counter({
      name: "hub_api_requests_total",
      help: "Requests to the Kubernetes API, by verb and status",
      labelNames: ["verb", "code"],
      registers,
    });
    this.#resumed = new Counter({
      name: "hub_resumes_total",
      help: "Nodes that came back, by how what they have compares with what they were thought to have",
      labelNames: ["outcome"],
      registers,
    });
    this.#corrected = new Counter({
      name: "hub_resources_corrected_total",
      help: "Resources of which a node has something else than it was thought to have",
      labelNames: ["what"],
      registers,
    });
    this.#watchesStalled = new Counter({
      name: "hub_api_watches_stalled_total",
      help: "Watches of the Kubernetes API that were cut off because the client did not read",
      registers,
    });
  }

  /** A node has come back and said what it has, or has not. */
  resumed(outcome: ResumeOutcome): void {
    this.#resumed.inc({ outcome });
  }

  /** So many resources of a node are not as they were thought to be. */
  corrected(what: "settled" | "lost" | "ahead" | "deleted", count: number): void {
    this.#corrected.inc({ what }, count);
  }

  /** @param verb As roles name it; of a client's own invention it is `other`. */
  apiRequest(verb: string, code: number): void {
    this.#apiRequests.inc({ verb: apiVerbs.has(verb) ? verb : "other", code: String(code) });
  }

  watchStalled(): void {
    this.#watchesStalled.inc();
  }

  fault(code: ErrorCode): void {
    this.#faults.inc({ code });
  }

  linkClosed(code: ErrorCode): void {
    this.#linksClosed.inc({ code });
  }

  upstreamDropped(reason: DropReason): void {
    this.#dropped.inc({ reason });
  }

  refused(port: "nodes" | "quic" | "webtransport" | "join" | "api", code: ErrorCode): void {
    this.#refused.inc({ port, code });
  }

  nodeAdmitted(transport: Scheme): void {
    this.#admitted.inc({ transport });
  }

  /** Adds what is read at the moment of the question. */
  observe(read: () => HubGauges, process: boolean): void {
    const registers = [this.registry];
    const gauge = (name: string, help: string, value: (gauges: HubGauges) => number): void => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value(read()));
        },
      });
    };
    const total = (name: string, help: string, value: (counters: ChannelCounters) => number): void => {
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(value(read().counters));
        },
      });
    };
    gauge("hub_nodes_connected", "Nodes with a link", (gauges) => gauges.load.nodes);
    gauge("hub_nodes_known", "Nodes the hub knows", (gauges) => gauges.knownNodes);
    gauge(
      "hub_handshakes_waiting",
      "Connections of nodes that wait for their TLS handshake",
      (gauges) => gauges.gate.handshakesWaiting,
    );
    for (const traffic of ["urgent", "bulk"] as const)
      gauge(
        `hub_budget_${traffic}_waits`,
        `How often the queue of a node has come to a stop for its budget of ${traffic} messages`,
        (gauges) => gauges.budgetWaits(traffic),
      );
    gauge("hub_nodes_waiting", "Nodes that wait to be let in", (gauges) => gauges.gate.waiting);
    gauge(
      "hub_nodes_catching_up",
      "Nodes let in that have not yet all that waited for them",
      (gauges) => gauges.gate.inside,
    );
    gauge(
      "hub_nodes_flapping",
      "Nodes that connect again and again, and are slowed down",
      (gauges) => gauges.gate.flapping,
    );
    gauge("hub_api_watches", "Watches of the Kubernetes API that are open", (gauges) => gauges.watches);
    gauge("hub_controllers_connected", "Controllers with a link", (gauges) => gauges.controllers);
    gauge(
      "hub_upstream_bytes",
      "Bytes of upstream messages waiting for controllers",
      (gauges) => gauges.load.upstreamBytes,
    );
    total("hub_messages_sent_total", "Messages sent, repeats included", (counters) => counters.sent);
    total(
      "hub_messages_resent_total",
      "Messages sent again for want of an ack",
      (counters) => counters.resent,
    );
    total("hub_messages_settled_total", "Messages acked and checkpointed", (counters) => counters.settled);
    total("hub_messages_nacked_total", "Refusals by peers", (counters) => counters.nacked);
    total(
      "hub_messages_expired_total",
      "Messages whose time to live ended at the head of a queue",
      (counters) => counters.expired,
    );
    total("hub_messages_received_total", "Messages received", (counters) => counters.received);
    total("hub_messages_refused_total", "Messages of peers refused", (counters) => counters.refused);
    total(
      "hub_frames_ignored_total",
      "Late acks and other well-formed words with nothing to do",
      (counters) => counters.ignored,
    );
    total("hub_sent_bytes_total", "Bytes sent on links, before TLS", (counters) => counters.bytesSent);
    total(
      "hub_saved_bytes_total",
      "Bytes that messages to nodes would have taken more without compression and deltas",
      (counters) => counters.bytesSaved,
    );
    total(
      "hub_received_bytes_total",
      "Bytes received on links, before TLS",
      (counters) => counters.bytesReceived,
    );
    if (process) collectDefaultMetrics({ register: this.registry });
  }
}
