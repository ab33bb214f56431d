import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { plotOf } from "./plot.ts";
import { pages, type Results, tableOf, withResults } from "./report.ts";
import type { Scenario } from "./scenario.ts";
import { agentMemory } from "./scenarios/agent-memory.ts";
import { eventBus } from "./scenarios/event-bus.ts";
import { fleet } from "./scenarios/fleet.ts";
import { isolation } from "./scenarios/isolation.ts";
import { latency } from "./scenarios/latency.ts";
import { resume } from "./scenarios/resume.ts";
import { singleNode } from "./scenarios/single-node.ts";
import { stockEdge } from "./scenarios/stock-edge.ts";

const scenarios: readonly Scenario[] = [
  latency,
  singleNode,
  stockEdge,
  fleet,
  isolation,
  resume,
  eventBus,
  agentMemory,
];

/** The tables in README.md and docs/performance.md follow these. */
const ownResults = join(import.meta.dirname, "results");

const help = `Measures the hub and its agent on this machine.

  npm run bench                     everything, about nine minutes
  npm run bench -- fleet latency    only these

  --rounds N      rounds per figure, default 5
  --seconds N     length of a round, default 2; agent-memory runs so many minutes
  --seed N        of the links' random losses, default 1
  --out DIR       where results go, default bench/results

Scenarios:
${scenarios.map((one) => `  ${one.name.padEnd(14)}${one.describes}`).join("\n")}
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    seed: { type: "string", default: "1" },
    out: { type: "string", default: ownResults },
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

const chosen =
  positionals.length === 0 ? scenarios : scenarios.filter((one) => positionals.includes(one.name));
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
const results = merged({
  machine: `${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node.js ${process.version}`,
  commit: commit(),
  measuredAt: new Date().toISOString(),
  command: ["npm run bench", ...(positionals.length > 0 ? ["--", ...positionals] : [])].join(" "),
  scenarios: done,
});
mkdirSync(values.out, { recursive: true });
writeFileSync(join(values.out, "results.json"), `${JSON.stringify(results, null, 2)}\n`);
writeFileSync(
  join(values.out, "results.md"),
  `${results.machine}; commit ${results.commit}\n\n${tableOf(results)}\n`,
);
writeFileSync(join(values.out, "throughput.svg"), plotOf(results));
if (values.out === ownResults) {
  for (const { file, isShown } of pages) {
    const path = join(import.meta.dirname, "..", file);
    writeFileSync(path, withResults(readFileSync(path, "utf8"), results, isShown));
  }
}
process.stdout.write(
  `${results.machine}\n\n${tableOf(results)}\n\nwritten to ${values.out}: results.json, results.md, throughput.svg\n`,
);

/** Scenarios that were not run again keep their last results. */
function merged(fresh: Results): Results {
  try {
    const old = JSON.parse(readFileSync(join(values.out, "results.json"), "utf8")) as Results;
    const kept = (name: string) =>
      fresh.scenarios.find((one) => one.name === name) ?? old.scenarios.find((one) => one.name === name);
    return { ...fresh, scenarios: scenarios.flatMap(({ name }) => kept(name) ?? []) };
  } catch {
    return fresh;
  }
}

function commit(): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}
