import { systemClock } from "../../platform/clock.ts";
import { parseDuration } from "../../platform/quantities.ts";
import { HubError } from "../../protocol/index.ts";
import { type RuntimeView, viewRuntime } from "../edged/outside.ts";
import type { RuntimeContainer } from "../edged/runtime.ts";
import type { Command, Given } from "./command.ts";
import { findNamed } from "./find.ts";
import { oneContainer } from "./log-files.ts";
import { nodeOf, requirePlace } from "./place.ts";

/** More output than that is cut by the process runtime. */
const processOutputBytes = 1 << 20;

export const exec: Command = {
  name: "exec",
  usage: "POD -- COMMAND…",
  summary: "runs a command in a container of this node, to its end",
  detail: `Standard input is empty, and there is no terminal; its output is shown when it has ended, and its exit code is that
of edgehub. With edged.runtime process it runs beside the container's process, as the user who calls it.`,
  examples: [
    ["edgehub exec camera -- sh -c 'ls -l /data'", "in its only container"],
    ["edgehub exec plant/camera -c main --timeout 5m -- backup", "in one of several, and for longer"],
  ],
  options: [
    { name: "namespace", short: "n", value: "NAME", description: "of the pod; or write NAMESPACE/POD" },
    { name: "container", short: "c", value: "NAME", description: "if the pod has several" },
    { name: "timeout", value: "DURATION", description: "it is killed after that; default 60s" },
  ],
  words: { min: 1, max: 1 },
  takesCommand: true,
  async run(given, io) {
    if (given.command.length === 0)
      throw new HubError("E_BAD_OPTION", "no command given: edgehub exec POD -- COMMAND…");
    const timeoutMs = parseDuration(given.text("timeout") ?? "60s");
    const { directory, edged } = requirePlace(given.options);
    const node = nodeOf(directory) ?? given.options.node;
    const runtime = await viewRuntime(given.options.edged, { root: edged, node, clock: systemClock });
    try {
      const container = await containerOf(runtime, given);
      const { exitCode, stdout, stderr } = await runtime.exec(container.id, given.command, timeoutMs);
      io.out(stdout);
      io.err(stderr);
      if ([stdout, stderr].some(({ length }) => length === processOutputBytes))
        io.err("edgehub: the output is longer than 1 MiB, the rest is not shown\n");
      return exitCode;
    } finally {
      await runtime.close();
    }
  },
};

async function containerOf(runtime: RuntimeView, given: Given): Promise<RuntimeContainer> {
  const sandboxes = await runtime.pods();
  const names = Map.groupBy(sandboxes, ({ namespace, name }) => `${namespace}/${name}`);
  const pods = [...names.values()].flatMap(([first]) => first ?? []);
  const pod = findNamed(pods, {
    what: "pod in the container runtime",
    wanted: given.words[0] ?? "",
    namespace: given.text("namespace"),
  });
  const newestFirst = (names.get(`${pod.namespace}/${pod.name}`) ?? [])
    .flatMap(({ containers }) => containers)
    .sort((a, b) => b.createdAt - a.createdAt || b.attempt - a.attempt);
  const wanted = oneContainer(
    [...new Set(newestFirst.map(({ name }) => name))].sort(),
    pod.name,
    given.text("container"),
  );
  const found = newestFirst.filter(({ name }) => name === wanted);
  const running = found.find(({ state }) => state === "running");
  if (running) return running;
  const ended = found[0]?.exitCode === undefined ? "" : `, it ended with exit code ${found[0].exitCode}`;
  throw new HubError(
    "E_REFUSED",
    `container ${wanted} does not run${ended}; see edgehub logs ${pod.name} -c ${wanted}, edgehub describe pod ${pod.name}`,
  );
}
