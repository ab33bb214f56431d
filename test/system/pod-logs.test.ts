import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { CoreV1Api, KubeConfig } from "@kubernetes/client-node";
import { afterEach, expect, it } from "vitest";
import { connectHub } from "../../sdk/index.ts";
import { HubProcess, Program, temporaryDirectory, until } from "../support/processes.ts";

const hasKubectl = spawnSync("kubectl", ["version", "--client"]).status === 0;
const run = promisify(execFile);
const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** Counts until it is told to end by a file, and has last words. */
const script = (file: string): string =>
  `i=0; while [ ! -e ${file} ]; do echo "line $i"; i=$((i+1)); sleep 0.1; done; echo "last words"`;

it.skipIf(!hasKubectl)(
  "shows and follows with kubectl what a pod writes that our agent runs",
  async () => {
    const { path, remove } = temporaryDirectory();
    open.push(remove);
    const hub = new HubProcess(join(path, "hub"), { "router.port": 0 });
    open.push(() => hub.stop());
    await hub.start();
    const kubeconfig = join(hub.dataDir, "admin.kubeconfig");
    const words = [`--kubeconfig=${kubeconfig}`, `--cache-dir=${join(path, "cache")}`];
    const kubectl = async (...more: string[]): Promise<string> =>
      (await run("kubectl", [...words, ...more])).stdout;
    const refused = async (...more: string[]): Promise<string> =>
      await kubectl(...more).then(
        (out) => `it said ${out}`,
        (error: { stderr: string }) => error.stderr,
      );
    const client = await connectHub(hub.admin);
    open.push(() => client.close());
    const { token } = await client.admin.createJoinToken({ ttlMs: 60_000, node: "edge-1" });
    const flags = {
      node: "edge-1",
      dataDir: join(path, "edge-1"),
      "hub.server": `wss://127.0.0.1:${hub.ports.nodes}`,
      "hub.join": `https://127.0.0.1:${hub.ports.join}`,
      "hub.token": token,
      "eventBus.enable": false,
      "edged.enable": true,
      "edged.runtime": "process",
      "edged.syncMs": 100,
    };
    const agent = new Program(
      "edgehub/main.ts",
      Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
    );
    open.push(() => agent.kill());
    await until("the node is there", async () =>
      (await refused("get", "node", "edge-1")).includes("it said"),
    );

    const end = join(path, "end");
    const container = (name: string) => ({ name, image: "none", command: ["/bin/sh", "-c", script(end)] });
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "counter", namespace: "default" },
      spec: { nodeName: "edge-1", restartPolicy: "Never", containers: [container("main")] },
    };
    writeFileSync(join(path, "pod.json"), JSON.stringify(pod));
    open.push(async () => void writeFileSync(end, ""));
    await kubectl("apply", "--validate=false", "-f", join(path, "pod.json"));
    await until("it writes", async () => (await refused("logs", "counter")).includes("line 2\n"));

    expect(await kubectl("logs", "counter", "--tail=1")).toMatch(/^line \d+\n$/);
    expect(await kubectl("logs", "counter", "--limit-bytes=11")).toBe("line 0\nline");
    expect(await kubectl("logs", "counter", "--timestamps")).toMatch(/^\d{4}-\S+Z line 0\n/);
    expect(await refused("logs", "counter", "--previous")).toContain("no log of an earlier start");
    expect(await refused("logs", "counter", "-c", "other")).toContain("other");

    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    const text = await config
      .makeApiClient(CoreV1Api)
      .readNamespacedPodLog({ name: "counter", namespace: "default", tailLines: 2 });
    expect(text).toMatch(/^line \d+\nline \d+\n$/);

    const followed = follow([...words, "logs", "-f", "counter"]);
    await until("it follows", () => followed.out().split("\n").length > 5);
    const soFar = followed.out();
    await until("it goes on", () => followed.out().length > soFar.length + 20);
    writeFileSync(end, "");
    expect(await followed.code).toBe(0);
    const lines = followed.out().trimEnd().split("\n");
    expect(lines.pop()).toBe("last words");
    expect(lines).toEqual(lines.map((_, i) => `line ${i}`));
    expect(await kubectl("logs", "counter", "--tail=1")).toBe("last words\n");

    await agent.kill();
    await until("the hub knows that it is away", async () =>
      (await client.nodes()).every((one) => !one.connected),
    );
    expect(await refused("logs", "counter")).toMatch(/node edge-1 is not connected/);
  },
  180_000,
);

function follow(words: readonly string[]): { out(): string; code: Promise<number> } {
  const child: ChildProcess = spawn("kubectl", [...words], { stdio: ["ignore", "pipe", "inherit"] });
  open.push(() => child.kill());
  let text = "";
  child.stdout?.on("data", (chunk) => {
    text += chunk;
  });
  return { out: () => text, code: once(child, "exit").then(([code]) => code as number) };
}
