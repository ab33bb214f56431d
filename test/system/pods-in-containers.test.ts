import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { CriRuntime } from "../../edgehub/edged/cri-runtime.ts";
import type { RuntimeContainer } from "../../edgehub/edged/runtime.ts";
import { type EdgeHub, type EdgeOptionsInput, startEdge } from "../../edgehub/index.ts";
import { systemClock } from "../../platform/clock.ts";
import { silentLogger } from "../../platform/logger.ts";
import { connectHub, contentOf, type HubClient } from "../../sdk/index.ts";
import { edgehub } from "../edgehub/inspect-run.ts";
import { Containerd, pauseImage } from "../support/containerd.ts";
import { until } from "../support/processes.ts";
import { startWorld, type World } from "../support/world.ts";

const obstacle = await Containerd.install();
const app = "localhost/app:test";
const node = "edge-1";

describe.skipIf(obstacle !== undefined)(`pods in containers of containerd ${obstacle ?? ""}`, () => {
  let containerd: Containerd;
  let cri: CriRuntime;

  beforeAll(async () => {
    containerd = new Containerd();
    await containerd.start();
    cri = new CriRuntime(systemClock, { endpoint: containerd.endpoint, node });
    await containerd.importImage(pauseImage, ["sleep", "2147483647"]);
    await containerd.importImage(app);
  });
  afterAll(async () => {
    await cri.close();
    await containerd.remove();
  });

  /** The newest container of the node's pods; `undefined`: there is none. */
  const newest = async (): Promise<RuntimeContainer | undefined> =>
    (await cri.pods())
      .flatMap((pod) => pod.containers)
      .toSorted((a, b) => a.attempt - b.attempt)
      .at(-1);

  async function running(attempt: number): Promise<RuntimeContainer> {
    await until(`start ${attempt} runs`, async () => {
      const container = await newest();
      return container?.attempt === attempt && container.state === "running";
    });
    return (await newest()) as RuntimeContainer;
  }

  it("runs a pod from the cloud, keeps it running without a cloud, and ends it in peace", async () => {
    const world = await startWorld();
    await world.hub.admin.addNode(node);
    const client = await connectHub(JSON.parse(readFileSync(world.hub.adminFile, "utf8")));
    onTestFinished(() => client.close());
    const told = listen(client);
    const data = join(containerd.directory, "data");
    mkdirSync(data);
    const edged = { enable: true, remoteRuntimeEndpoint: containerd.endpoint, syncMs: 100 };
    const first = await world.agent(node, { edged });

    await client.publish({ node, operation: "insert", ...podOf(data) }, { until: "acked" });
    const container = await running(0);
    await until("the cloud knows", () => told.phase === "Running");
    expect(told.containerId).toBe(`containerd://${container.id}`);
    await until("it logs", () => readFileSync(container.logPath, "utf8").includes("stdout F ready"));

    const look = (command: string, ...words: string[]) => {
      const place = ["--data-dir", join(world.directory, node), "--edged.enable", "true"];
      const endpoint = ["--edged.remoteRuntimeEndpoint", containerd.endpoint];
      return edgehub([command, ...place, ...endpoint, ...words]);
    };
    expect(await look("logs", "web")).toEqual({ code: 0, out: "ready\n", err: "" });
    expect(await look("exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7")).toEqual({
      code: 7,
      out: "out\n",
      err: "err\n",
    });
    expect((await look("get", "pods")).out).toMatch(/^default +web +1\/1 +Running +0 /m);
    expect((await look("check")).out).toMatch(/^ok +runtime +containerd /m);

    // The end of the agent and of the cloud is none of the pod.
    const hub = await world.stopHub();
    await first.close();
    const second = await offlineAgent(world, { edged });
    expect((await running(0)).id).toBe(container.id);
    await containerd.ctr("tasks", "kill", "-s", "SIGKILL", container.id);
    const next = await running(1);
    expect(second.connected).toBe(false);
    expect((await look("logs", "web", "--previous")).out).toBe("ready\n");
    await until("its restart is known", async () =>
      /^default +web .* 1 \(/m.test((await look("get", "pods")).out),
    );

    await hub.start();
    await until("the cloud knows of the new start", () => told.containerId.endsWith(next.id));
    const ending = { deletionTimestamp: new Date().toISOString(), deletionGracePeriodSeconds: 30 };
    await client.publish({ node, operation: "update", ...podOf(data, ending) });
    await until("the pod has ended", () => told.deleted);
    expect(readFileSync(join(data, "last-words"), "utf8")).toBe("bye\n");
    await client.publish({ node, operation: "delete", ...podOf(data) }, { until: "acked" });
    await until("nothing is left", async () => (await cri.pods()).length === 0);
  });
});

/** A pod that says goodbye when it is asked to end. @param data Directory of the node, for its last words. */
function podOf(
  data: string,
  metadata: object = {},
): { resource: string; resourceVersion: "next"; content: object } {
  const script = "trap 'echo bye > /data/last-words; exit 0' TERM; echo ready; while :; do sleep 0.1; done";
  return {
    resource: "default/pod/web",
    resourceVersion: "next",
    content: {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "web", namespace: "default", uid: "uid-web", ...metadata },
      spec: {
        nodeName: node,
        containers: [
          {
            name: "main",
            image: app,
            imagePullPolicy: "IfNotPresent",
            command: ["sh", "-c", script],
            volumeMounts: [{ name: "data", mountPath: "/data" }],
          },
        ],
        volumes: [{ name: "data", hostPath: { path: data } }],
      },
    },
  };
}

/** The agent starts again where it has joined before; nobody listens at the hub's address. */
async function offlineAgent(world: World, options: EdgeOptionsInput): Promise<EdgeHub> {
  const { nodes, join: joinPort } = world.hub.ports;
  const edge = await startEdge(
    {
      node,
      dataDir: join(world.directory, node),
      eventBus: { enable: false },
      hub: {
        server: `wss://127.0.0.1:${nodes}`,
        join: `https://127.0.0.1:${joinPort}`,
        reconnectMinMs: 20,
        reconnectMaxMs: 200,
      },
      ...options,
    },
    { log: silentLogger },
  );
  onTestFinished(() => edge.close());
  return edge;
}

/** What the agent tells the cloud of its pod, as the cloud would keep it. */
function listen(client: HubClient): { phase: string; containerId: string; deleted: boolean } {
  const told = { phase: "", containerId: "", deleted: false };
  const read = async (): Promise<void> => {
    for await (const { message, ack } of client.subscribe({ nodes: [node] })) {
      if (message.resource.path === "default/podpatch/web") {
        const { status } = JSON.parse(contentOf(message) as string) as StatusPatch;
        told.phase = status.phase;
        told.containerId = status.containerStatuses[0]?.containerID ?? "";
      }
      if (message.resource.path === "default/pod/web" && message.operation === "delete") told.deleted = true;
      ack();
    }
  };
  read().catch(() => undefined);
  return told;
}

interface StatusPatch {
  readonly status: {
    readonly phase: string;
    readonly containerStatuses: readonly { readonly containerID?: string }[];
  };
}
