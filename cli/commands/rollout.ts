import { LiveBlock } from "../../platform/live-block.ts";
import { counted } from "../../platform/quantities.ts";
import { formatTable } from "../../platform/table.ts";
import { HubError, type RolloutQuery, type RolloutView } from "../../sdk/index.ts";
import { type CommandGroup, command } from "../command.ts";
import type { Context } from "../context.ts";
import { exitCodes } from "../failures.ts";
import { defaulted, flag, required, single } from "../option.ts";
import { pauseUntil } from "../pause.ts";
import { failedIn, nodesOf, openIn, plainRollout, rolloutColumns, summaryLines } from "../rollout-view.ts";
import { text, whole } from "../values.ts";

/** How often it is looked while watching. */
const lookEveryMs = 1_000;

const statusCommand = command({
  name: "status",
  summary: "how many nodes have a version of a resource, which lack it, and why",
  detail: `Counts every node for which the resource was accepted, whoever published it. A node lacks it because it is offline,
because it waits behind other messages (queued), because the node has not acked it yet (sent), or because the node
refused it; see then: hubctl queue list. With -w it goes on until all nodes have it, and ends with 1 if some will not.`,
  arguments: {
    resource: required("kind/name (configmap/limits), or a resource path (default/configmap/limits)"),
  },
  options: {
    namespace: defaulted({
      short: "n",
      value: "NAMESPACE",
      description: "of kind/name; of kinds without namespaces none is looked for",
      parse: text,
      fallback: "default",
    }),
    resourceVersion: single({
      value: "N",
      description: "which nodes have this version or a newer one (default: the newest accepted for each)",
      parse: text,
    }),
    slowest: defaulted({
      value: "COUNT",
      description: "how many nodes to name (0..1000)",
      parse: whole(0, 1_000),
      fallback: "10",
    }),
    watch: flag({ short: "w", description: "go on until all nodes have it" }),
  },
  examples: [
    "rollout status configmap/limits",
    "rollout status pod/web -n shop -w --timeout 10m",
    "rollout status default/configmap/limits --resource-version 7 -o json",
  ],
  async run(context, { resource }, { namespace, resourceVersion, slowest, watch }) {
    const query = { slowest, ...(resourceVersion === undefined ? {} : { version: resourceVersion }) };
    const first = await find(context, pathsOf(resource, namespace), query);
    if (watch) return await follow(context, first, query);
    const { output, io } = context;
    if (output.format !== "table") output.data(plainRollout(first));
    else output.lines(linesOf(first, output.table(first.slowest, rolloutColumns(io.now()))));
    return undefined;
  },
});

export const rolloutCommands: CommandGroup = {
  name: "rollout",
  summary: "how far versions have come on all nodes",
  commands: [statusCommand],
};

/** Where it may be, one after the other. People also write kinds in the plural. */
function pathsOf(resource: string, namespace: string): string[] {
  const parts = resource.split("/");
  const [kind = "", name = ""] = parts;
  if (kind === "" || name === "" || parts.length < 2)
    throw new HubError(
      "E_BAD_OPTION",
      `must be kind/name, such as configmap/limits; got ${JSON.stringify(resource.slice(0, 60))}`,
    );
  if (parts.length > 2) return [resource];
  const lower = kind.toLowerCase();
  const kinds = new Set([
    lower,
    lower.replace(/ies$/, "y"),
    lower.replace(/es$/, ""),
    lower.replace(/s$/, ""),
  ]);
  const paths = [...kinds].flatMap((one) => [`${namespace}/${one}/${name}`, `null/${one}/${name}`]);
  // A path of a form of its own can look like kind/name.
  return [...paths, resource];
}

async function find(
  context: Context,
  paths: readonly string[],
  query: Omit<RolloutQuery, "resource">,
): Promise<RolloutView> {
  for (const resource of paths) {
    const view = await context.ask((hub) => hub.rollout({ ...query, resource }));
    if (nodesOf(view) > 0) return view;
  }
  throw new HubError(
    "E_NOT_FOUND",
    `no node has ${paths[0]}, and none is to get it; what a node gets: hubctl get NODE`,
  );
}

/** Shows it until all nodes have it or will not get it. @returns The exit code. */
async function follow(
  context: Context,
  first: RolloutView,
  query: Omit<RolloutQuery, "resource">,
): Promise<number> {
  const { io, output, timeoutMs } = context;
  const block = output.format === "table" && io.out.isTerminal ? new LiveBlock(io.out) : undefined;
  const deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
  const { resource } = first;
  let view = first;
  let told = "";
  const draw = (more: readonly string[]): void => {
    const options = { width: (io.out.columns ?? 80) - 1, colours: output.colours };
    block?.draw([...linesOf(view, formatTable(view.slowest, rolloutColumns(io.now()), options)), ...more]);
  };
  const slow = block && ((words: string): void => draw(["", words]));
  try {
    for (;;) {
      if (block) draw([]);
      else told = tellChange(context, view, told);
      if (openIn(view) === 0) return failedIn(view) > 0 ? exitCodes.failed : exitCodes.ok;
      if (performance.now() > deadline) throw late(view);
      await pauseUntil(undefined, lookEveryMs, io.signal);
      if (io.signal.aborted) return exitCodes.interrupted;
      view = await context.ask((hub) => hub.rollout({ ...query, resource }), slow);
    }
  } finally {
    block?.end();
  }
}

function linesOf(view: RolloutView, table: readonly string[]): string[] {
  return [...summaryLines(view), ...(view.slowest.length > 0 ? ["", ...table] : [])];
}

/** @returns What was told last. */
function tellChange({ io, output }: Context, view: RolloutView, told: string): string {
  const now = JSON.stringify(view.nodes);
  if (now === told) return told;
  if (output.format !== "table") output.item({ at: new Date(io.now()).toISOString(), ...plainRollout(view) });
  output.say(`${new Date(io.now()).toISOString()}  ${summaryLines(view)[0]}`);
  return now;
}

function late(view: RolloutView): HubError {
  const text = `${counted(openIn(view), "node")} of ${nodesOf(view)} still ${openIn(view) === 1 ? "lacks" : "lack"} it`;
  return new HubError("E_TIMEOUT", `${text}; why: hubctl rollout status ${view.resource}`);
}
