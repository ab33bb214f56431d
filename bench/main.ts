import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chartOf } from "./chart.ts";
import { pageOf } from "./page.ts";
import { plotOf } from "./plot.ts";
import { merged, pages, type Results, runsText, tableOf, withResults } from "./report.ts";
import type { Scenario } from "./scenario.ts";
import { agentMemory } from "./scenarios/agent-memory.ts";
import { bytes } from "./scenarios/bytes.ts";
import { compression } from "./scenarios/compression.ts";
import { cores } from "./scenarios/cores.ts";
import { eventBus } from "./scenarios/event-bus.ts";
import { fleet } from "./scenarios/fleet.ts";
import { idle } from "./scenarios/idle.ts";
import { isolation } from "./scenarios/isolation.ts";
import { latency } from "./scenarios/latency.ts";
import { manyNodes } from "./scenarios/many-nodes.ts";
import { pathReturn } from "./scenarios/path-return.ts";
import { quic } from "./scenarios/quic.ts";
import { resume } from "./scenarios/resume.ts";
import { singleNode } from "./scenarios/single-node.ts";
import { stockEdge } from "./scenarios/stock-edge.ts";
import { storm } from "./scenarios/storm.ts";
import { urgent } from "./scenarios/urgent.ts";
import { webTransport } from "./scenarios/web-transport.ts";

const scenarios: readonly Scenario[] = [
  latency,
  singleNode,
  stockEdge,
  fleet,
  manyNodes,
  cores,
  storm,
  isolation,
  resume,
  pathReturn,
  urgent,
  quic,
  webTransport,
  bytes,
  compression,
  idle,
  eventBus,
  agentMemory,
];

/** The tables in README.md and docs/performance.md follow these. */
const ownResults = join(import.meta.dirname, "results");

const list = (heavy: boolean): string =>
  scenarios
    .filter((one) => (one.heavy ?? false) === heavy)
    .map((one) => `  ${one.name.padEnd(14)}${one.describes}`)
    .join("\n");

const help = `Measures the hub and its agent on this machine.

  npm run bench                     all but the long ones, about a quarter of an hour
  npm run bench -- --all            these too, about half an hour
  npm run bench -- fleet latency    only these; the others keep their last results
  npm run bench -- --render         measures nothing: tables, pictures and the page from the last results

  --rounds N      rounds per figure, default 5
  --seconds N     length of a round, default 2; agent-memory runs so many minutes
  --seed N        of the links' random losses, default 1
  --out DIR       where results go, default bench/results: results.json, results.md, index.html with all
                  pictures, and one SVG for each scenario

Scenarios:
${list(false)}

Long ones:
${list(true)}
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    seed: { type: "string", default: "1" },
    out: { type: "string", default: ownResults },
    all: { type: "boolean", default: false },
    render: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}
const unknown = positionals.find((name) => !scenarios.some((one) => one.name === name));
if (unknown !== undefined) {
  process.stderr.write(`no scenario is called ${unknown}; see --help\n`);
  process.exit(2);
}
for (const name of ["rounds", "seconds", "seed"] as const) {
  if (Number(values[name]) >= (name === "seed" ? 0 : 1)) continue;
  process.stderr.write(`--${name} must be a number of at least ${name === "seed" ? 0 : 1}\n`);
  process.exit(2);
}

const chosen = scenarios.filter(
  ({ name, heavy }) =>
    !values.render && (positionals.length === 0 ? values.all || !heavy : positionals.includes(name)),
);
const directory = mkdtempSync(join(tmpdir(), "cloud-edge-hub-bench-"));
const done: Results["scenarios"][number][] = [];
try {
  for (const { name, describes, run } of chosen) {
    const options = {
      directory: join(directory, name),
      rounds: Number(values.rounds),
      roundMs: Number(values.seconds) * 1_000,
      seed: Number(values.seed),
    };
    done.push({
      name,
      describes,
      figures: await run(options, (text) => process.stderr.write(`${name}: ${text}\n`)),
    });
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
const results = values.render
  ? last()
  : withLast({
      machine: `${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node.js ${process.version}`,
      commit: commit(),
      measuredAt: new Date().toISOString(),
      command: commandLine(),
      scenarios: done,
    });
mkdirSync(values.out, { recursive: true });
writeFileSync(join(values.out, "results.json"), `${JSON.stringify(results, null, 2)}\n`);
writeFileSync(join(values.out, "results.md"), `${runsText(results)}\n\n${tableOf(results)}\n`);
writeFileSync(join(values.out, "throughput.svg"), plotOf(results));
writeFileSync(join(values.out, "index.html"), pageOf(results));
for (const { name, describes, figures } of results.scenarios)
  writeFileSync(join(values.out, `${name}.svg`), chartOf(describes, figures));
if (values.out === ownResults) {
  for (const { file, isShown } of pages) {
    const path = join(import.meta.dirname, "..", file);
    writeFileSync(path, withResults(readFileSync(path, "utf8"), results, isShown));
  }
}
process.stdout.write(
  `${results.machine}\n\n${tableOf(results)}\n\nwritten to ${values.out}: results.json, results.md, index.html, one SVG for each scenario\n`,
);

function commandLine(): string {
  const args = [...(values.all ? ["--all"] : []), ...positionals];
  return ["npm run bench", ...(args.length > 0 ? ["--", ...args] : [])].join(" ");
}

function last(): Results {
  return JSON.parse(readFileSync(join(values.out, "results.json"), "utf8")) as Results;
}

function withLast(fresh: Results): Results {
  let old: Results;
  try {
    old = last();
  } catch {
    return fresh;
  }
  return merged(
    fresh,
    old,
    scenarios.map(({ name }) => name),
  );
}

function commit(): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}
