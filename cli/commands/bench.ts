import { randomBytes } from "node:crypto";
import { formatDuration, parseDuration } from "../../platform/quantities.ts";
import { HubError } from "../../sdk/index.ts";
import type { BenchProgress, BenchReport, Quantiles } from "../../testbed/fleet/bench-run.ts";
import { nodeAddresses } from "../address.ts";
import { command } from "../command.ts";
import { exitCodes } from "../failures.ts";
import { nodeAddressOptions } from "../node-address-options.ts";
import { defaulted, single } from "../option.ts";
import { Progress } from "../progress.ts";
import { nodePrefix, oneOf, whole } from "../values.ts";

/** Nodes one process holds without being the one that is measured. */
const nodesPerProcess = 5_000;

export const benchCommand = command({
  name: "bench",
  summary: "put load on a hub with simulated nodes, and measure it",
  detail: `Simulated nodes join with a token made for them, under names of their own (bench-…-0, -1, …), connect over mutual TLS, and
ack what they are sent. Then they are removed from the hub again, also after Ctrl-C; other nodes are not touched. Needs a
controller with the right \`admin\`.

Nodes and publisher run on this machine and share it with the hub if that is here too: then the numbers are those of both.
Published are updates of ConfigMaps. "accepted" is the time until the hub has stored one, "acked" until it has the node's ack
and the checkpoint. An update that a newer one overtakes while it waits is not sent, and counts as neither arrived nor acked.
A node of KubeEdge's dialect gets 64 messages at most before it acks.`,
  arguments: {},
  options: {
    nodes: defaulted({
      value: "N",
      description: "simulated nodes (1..20000)",
      parse: whole(1, 20_000),
      fallback: "100",
    }),
    rate: defaulted({
      value: "N",
      description: "messages a second to all nodes together; 0: none, they only connect (0..100000)",
      parse: whole(0, 100_000),
      fallback: "100",
    }),
    burst: defaulted({
      value: "N",
      description: "so many messages leave at once, at the same rate (1..100000)",
      parse: whole(1, 100_000),
      fallback: "1",
    }),
    share: defaulted({
      value: "PERCENT",
      description: "percentage of the nodes that get messages (1..100)",
      parse: whole(1, 100),
      fallback: "100",
    }),
    size: defaulted({
      value: "BYTES",
      description: "padding of a message (0..100000)",
      parse: whole(0, 100_000),
      fallback: "200",
    }),
    dialect: defaulted({
      value: "native|kubeedge|mixed",
      description: "what nodes speak; mixed: half of them each",
      parse: oneOf(["native", "kubeedge", "mixed"]),
      fallback: "native",
    }),
    window: defaulted({
      value: "N",
      description: "messages in flight to a native node (1..1024)",
      parse: whole(1, 1_024),
      fallback: "64",
    }),
    churn: defaulted({
      value: "N",
      description: "nodes a minute that lose their connection and come back (0..100000)",
      parse: whole(0, 100_000),
      fallback: "0",
    }),
    slow: defaulted({
      value: "PERCENT",
      description: "percentage of the nodes that ack late (0..100)",
      parse: whole(0, 100),
      fallback: "0",
    }),
    slowBy: defaulted({
      value: "DURATION",
      description: "how late those ack",
      parse: parseDuration,
      fallback: "1s",
    }),
    duration: defaulted({
      value: "DURATION",
      description: "how long messages are published",
      parse: parseDuration,
      fallback: "30s",
    }),
    prefix: single({
      value: "NAME",
      description:
        "nodes are called NAME-0, NAME-1, …; none of the hub's may be (default: bench- and a random number)",
      parse: nodePrefix,
    }),
    ...nodeAddressOptions,
  },
  examples: [
    "bench --nodes 1000 --rate 2000 --duration 1m",
    "bench --nodes 500 --dialect mixed --churn 600 --slow 5 --slow-by 10s",
    "bench --nodes 5000 --rate 0 -o json",
  ],
  async run(
    context,
    _given,
    { nodes, rate, burst, share, size, dialect, window, churn, slow, slowBy, ...more },
  ) {
    if (dialect === "mixed" && nodes < 2)
      throw new HubError("E_BAD_OPTION", "--dialect mixed needs two nodes at least");
    const { benchHub } = await import("../../testbed/fleet/bench-run.ts");
    const { io, output } = context;
    const guessed = nodeAddresses(context.address);
    let line = "joining";
    const progress = new Progress(io.err, () => [line]);
    try {
      const report = await benchHub({
        hub: await context.hub(),
        server: more.server ?? guessed.server,
        join: more.join ?? guessed.join,
        prefix: more.prefix ?? `bench-${randomBytes(3).toString("hex")}`,
        nodes,
        dialect,
        pattern: { perSecond: rate, burst, share: share / 100 },
        bytes: size,
        window,
        churnPerMinute: churn,
        slowEvery: slow === 0 ? 0 : Math.max(1, Math.round(100 / slow)),
        slowAckMs: slowBy,
        durationMs: more.duration,
        processes: Math.max(Math.ceil(nodes / nodesPerProcess), dialect === "mixed" ? 2 : 1),
        signal: io.signal,
        progress: (state) => {
          line = progressLine(state, nodes);
        },
      });
      progress.end();
      if (output.format !== "table") output.data(report);
      else output.record(fieldsOf(report), report);
      return report.interrupted ? exitCodes.interrupted : exitCodes.ok;
    } finally {
      progress.end();
    }
  },
});

function progressLine({ phase, done, published, connected }: BenchProgress, nodes: number): string {
  if (phase === "running")
    return `${formatDuration(done)}: ${published} published, ${connected} of ${nodes} connected`;
  return phase === "connecting" ? `connecting ${nodes} nodes` : `${phase}: ${done} of ${nodes} nodes`;
}

function fieldsOf(report: BenchReport): [string, unknown][] {
  const { connects, connectFailures, lastFailure, refused, lastRefusal } = report;
  const why = (text: string | undefined): string => (text === undefined ? "" : `, last: ${text}`);
  return [
    ["Nodes", `${report.connected} of ${report.nodes} connected, ${report.dialect}`],
    ["Connections", `${connects} made, ${connectFailures} failed${why(lastFailure)}`],
    ["Connecting", quantiles(report.connectMs)],
    ["Published", `${report.published} in ${formatDuration(report.ranMs)}, ${report.publishedPerSecond}/s`],
    ["Refused", `${refused}${why(lastRefusal)}`],
    ["Arrived", arrivedText(report)],
    ["Accepted", quantiles(report.acceptedMs)],
    ["Acked", quantiles(report.ackedMs)],
  ];
}

function arrivedText({ arrived, published }: BenchReport): string {
  const less = published - arrived;
  return less <= 0
    ? `${arrived}`
    : `${arrived}; ${less} were overtaken by newer updates, or are on their way`;
}

function quantiles(of: Quantiles): string {
  if (of === null) return "nothing was measured";
  const ms = (value: number): string => `${value < 10 ? value.toFixed(2) : Math.round(value)} ms`;
  return `p50 ${ms(of.p50)}, p90 ${ms(of.p90)}, p99 ${ms(of.p99)}, p99.9 ${ms(of.p999)}, max ${ms(of.max)}`;
}
