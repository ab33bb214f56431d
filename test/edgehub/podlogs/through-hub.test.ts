import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { NodeLogs } from "../../../cloudhub/api/node-logs.ts";
import { ProcessRuntime } from "../../../edgehub/edged/process-runtime.ts";
import type { KubeObject } from "../../../kubernetes/index.ts";
import { systemClock } from "../../../platform/clock.ts";
import { silentLogger } from "../../../platform/logger.ts";
import { until } from "../../support/processes.ts";
import { startWorld, type World } from "../../support/world.ts";

const node = "edge-1";

/** Ends the processes that an agent leaves running. */
function endPods(world: World): void {
  onTestFinished(async () => {
    const root = join(world.directory, node, "edged/process");
    const runtime = new ProcessRuntime({ clock: systemClock, log: silentLogger }, root);
    for (const { sandboxId } of await runtime.pods()) await runtime.removeSandbox(sandboxId);
    await runtime.close();
  });
}

it("follows what a container writes on a node, from the cloud, to the end of its pod", async () => {
  const world = await startWorld();
  endPods(world);
  const agent = await world.agent(node, {
    edged: { enable: true, runtime: "process", syncMs: 50 },
    eventBus: { enable: false },
  });
  await until("it is connected", () => agent.connected);
  const end = join(world.directory, "end");
  const script = `i=0; while [ ! -e ${end} ]; do echo "line $i"; i=$((i+1)); sleep 0.05; done`;
  const pod: KubeObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "ticker", namespace: "default", uid: "uid-ticker" },
    spec: {
      nodeName: node,
      containers: [{ name: "main", image: "none", command: ["/bin/sh", "-c", script] }],
    },
  };
  let podNow: KubeObject | undefined = pod;
  const logs = new NodeLogs({
    hub: world.hub,
    dialectOf: () => "native",
    podNow: () => podNow,
    clock: systemClock,
  });
  const options = { container: "main", follow: false, previous: false, timestamps: false };
  const signal = new AbortController().signal;
  const read = async (given: Partial<Parameters<NodeLogs["read"]>[1]>): Promise<string> => {
    let text = "";
    for await (const bytes of await logs.read(pod, { ...options, ...given }, signal))
      text += Buffer.from(bytes);
    return text;
  };
  await expect(read({})).rejects.toMatchObject({ code: 400, message: expect.stringContaining("no log") });
  const draft = {
    node,
    resource: "default/pod/ticker",
    resourceVersion: "1",
    operation: "insert",
    content: pod,
  };
  await world.hub.publish(draft, { until: "acked" });
  await until("it writes", async () => (await read({}).catch(() => "")).includes("line 3\n"));

  expect(await read({ limitBytes: 10 })).toBe("line 0\nlin");
  expect((await read({ tailLines: 2 })).match(/^line \d+\nline \d+\n$/)).not.toBeNull();
  expect(await read({ timestamps: true, limitBytes: 200 })).toMatch(/^2\d{3}-\S+Z line 0\n/);

  // The pod's end is the end of its log, with all it has written.
  const lines: string[] = [];
  for await (const bytes of await logs.read(pod, { ...options, follow: true }, signal)) {
    lines.push(...Buffer.from(bytes).toString().trimEnd().split("\n"));
    if (lines.length <= 20 || podNow === undefined) continue;
    writeFileSync(end, "");
    podNow = undefined;
  }
  expect(lines).toEqual(lines.map((_, i) => `line ${i}`));
});
