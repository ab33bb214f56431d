import { formatBytes, formatDuration, parseDuration } from "../../platform/quantities.ts";
import type { Column } from "../../platform/table.ts";
import { verifyProfile, verifyProfiles } from "../../testbed/verify/profiles.ts";
import type { StreamReport } from "../../testbed/verify/verdict.ts";
import type { VerifyPhase, VerifyReport } from "../../testbed/verify/verify.ts";
import { nodeAddresses } from "../address.ts";
import { command } from "../command.ts";
import { exitCodes } from "../failures.ts";
import { nodeAddressOptions } from "../node-address-options.ts";
import { defaulted, single } from "../option.ts";
import { Progress } from "../progress.ts";
import { whole } from "../values.ts";

/** How long the node may take to join and to connect over a bad link. */
const connectTimeoutMs = 60_000;
const width = Math.max(...verifyProfiles.map(({ name }) => name.length)) + 2;

export const verifyCommand = command({
  name: "verify",
  summary: "try out a hub over a link that is made worse, and judge what arrives",
  detail: `Joins a node of its own (verify-…) from this machine, makes its link to the hub worse as the profile says, sends numbered
updates and events both ways, and compares what arrived with what was sent. Then the node is removed from the hub again.
Needs a controller with the right \`admin\`. Run it where a node would be: what the real link does comes on top.

The verdict is the exit code: 0 passed, 1 failed. It fails if a message was lost or came out of order, if more came twice
than was under way when connections ended, or if it took longer than --max-p99.

Profiles:
${verifyProfiles.map(({ name, describes }) => `  ${name.padEnd(width)}${describes}`).join("\n")}
or a name and what differs, or fields alone: delayMs jitterMs rateBitsPerSecond queueBytes lossPercent windowBytes, with
up. or down. for one way: satellite,lossPercent=5,up.rateBitsPerSecond=64000

The node connects by WebSocket: QUIC and WebTransport would go by the link that is made worse.`,
  arguments: {},
  options: {
    profile: defaulted({
      short: "p",
      value: "NAME",
      description: "what the link is like",
      parse: verifyProfile,
      fallback: "lossy",
    }),
    duration: defaulted({
      value: "DURATION",
      description: "how long messages are sent",
      parse: parseDuration,
      fallback: "60s",
    }),
    settle: defaulted({
      value: "DURATION",
      description: "what has not arrived so long after the last was sent is lost",
      parse: parseDuration,
      fallback: "60s",
    }),
    rate: defaulted({
      value: "N",
      description: "messages a second of each: updates down, events down, events up (1..1000)",
      parse: whole(1, 1_000),
      fallback: "10",
    }),
    size: defaulted({
      value: "BYTES",
      description: "padding of a message (0..100000)",
      parse: whole(0, 100_000),
      fallback: "200",
    }),
    maxP99: single({
      value: "DURATION",
      description: "fail if the slowest 1 % of messages took longer",
      parse: parseDuration,
    }),
    seed: defaulted({
      value: "N",
      description: "of the link's losses and jitter",
      parse: whole(0, 4_294_967_295),
      fallback: "1",
    }),
    ...nodeAddressOptions,
  },
  examples: [
    "verify --profile satellite",
    "verify --profile flapping --duration 5m --max-p99 10s",
    "verify --profile gprs,lossPercent=1 --rate 1 -o json",
  ],
  async run(context, _given, { profile, duration, settle, rate, size, maxP99, seed, server, join }) {
    const { verifyHub } = await import("../../testbed/verify/verify.ts");
    const { io, output } = context;
    const guessed = nodeAddresses(context.address);
    let line = "joining";
    const progress = new Progress(io.err, () => [line]);
    try {
      const report = await verifyHub({
        hub: await context.hub(),
        server: server ?? guessed.server,
        join: join ?? guessed.join,
        profile,
        durationMs: duration,
        settleMs: settle,
        connectTimeoutMs: context.timeoutMs ?? connectTimeoutMs,
        perSecond: rate,
        bytes: size,
        maxP99Ms: maxP99,
        seed,
        signal: io.signal,
        progress: (phase, streams) => {
          line = progressLine(phase, streams);
        },
      });
      progress.end();
      if (output.format !== "table") output.data(report);
      else output.lines(linesOf(report, profile.describes, output.table(report.streams, columns)));
      return report.passed ? exitCodes.ok : exitCodes.failed;
    } finally {
      progress.end();
    }
  },
});

function progressLine(phase: VerifyPhase, streams: readonly StreamReport[]): string {
  const seen = streams.map(({ stream, sent, arrived }) => `${stream} ${arrived}/${sent}`);
  return seen.length === 0 ? phase : `${phase}: ${seen.join(", ")}`;
}

const ms = (value: number | undefined): string => (value === undefined ? "" : formatDuration(value));

const columns: Column<StreamReport>[] = [
  { title: "STREAM", cell: (one) => one.stream },
  { title: "SENT", cell: (one) => one.sent, align: "right" },
  { title: "ARRIVED", cell: (one) => one.arrived, align: "right" },
  {
    title: "LOST",
    cell: (one) => one.lost,
    align: "right",
    colour: (one) => (one.lost > 0 ? "red" : undefined),
  },
  { title: "TWICE", cell: (one) => one.duplicated, align: "right" },
  {
    title: "OUT OF ORDER",
    cell: (one) => one.outOfOrder,
    align: "right",
    colour: (one) => (one.outOfOrder > 0 ? "red" : undefined),
  },
  { title: "SUPERSEDED", cell: (one) => one.superseded, align: "right", optional: true },
  { title: "P50", cell: (one) => ms(one.latencyMs?.p50), align: "right" },
  { title: "P99", cell: (one) => ms(one.latencyMs?.p99), align: "right" },
  { title: "MAX", cell: (one) => ms(one.latencyMs?.max), align: "right" },
];

function linesOf(report: VerifyReport, describes: string, table: readonly string[]): string[] {
  const { bytes, links, segmentsLost, settledMs } = report;
  const rest =
    settledMs === null
      ? "not all has arrived"
      : `all had arrived ${formatDuration(settledMs)} after the last was sent`;
  return [
    `Profile ${report.profile}: ${describes}`,
    "",
    ...table,
    "",
    `Bytes: ${formatBytes(bytes.up)} up, ${formatBytes(bytes.down)} down, ${formatBytes(bytes.perMessage)} a message`,
    `Link: ${links} connection${links === 1 ? "" : "s"}, ${segmentsLost} segments lost; ${rest}`,
    report.passed ? "Verdict: passed" : `Verdict: failed: ${report.faults.join("; ")}`,
  ];
}
