import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { EdgeHub } from "../../edgehub/index.ts";
import type { KubeObject } from "./edge-controller.ts";
import { EdgedWorld } from "./edged-agent.ts";
import { pushesOf } from "./recorded-exchanges.ts";
import {
  deletionPush,
  ended,
  needs,
  outputOf,
  plainPod,
  podMessage,
  recordedObject,
  recordedStatuses,
  withCommand,
} from "./recorded-pod.ts";
import { shapeOf } from "./recorded-shape.ts";
import type { ScriptedCloudcore } from "./scripted-cloudcore.ts";
import type { Json } from "./strategic-merge.ts";
import { newHeader, type WireJson } from "./wire-json.ts";

/** Pods towards a stock cloudcore, as it was recorded. They are plain processes, so each is given a command. */

const lease = "kube-node-lease/lease/edge-a";

describe("a pod from its insert to its end", () => {
  it("asks, reports and ends as the recorded one, and is then gone here too", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    const agent = await world.agent();
    await core.until("it is connected", () => agent.connected);
    for (const name of needs) give(core, name);
    await core.replay(podMessage(world));
    await core.until("it runs", () => phase(core) === "Running" && existsSync(outputOf(world)));
    await core.settled();
    expect(readFileSync(outputOf(world), "utf8")).toBe("v1 pw1 REDACTED\n");

    await core.replay(podMessage(world, deletionPush));
    await core.until("it is gone", () => core.kube.get("pod", "pb") === undefined);
    await core.settled();
    await core.until("its row is gone", () => agent.store.meta.get("default/pod/pb") === undefined);
    await world.pass(120_000, 10_000);
    await core.settled();

    const asked = core.asked.filter((one) => / default\/(?!node)/.test(one));
    expect(asked.filter((one) => !one.startsWith("patch ")).sort()).toEqual([
      "delete default/pod/pb",
      "query default/configmap/cmb",
      "query default/configmap/kube-root-ca.crt",
      "query default/secret/sb",
      "query default/serviceaccounttoken/default",
    ]);
    expect(asked[0]).toBe("patch default/podpatch/pb");
    expect(asked.at(-1)).toBe("delete default/pod/pb");
    expect(asked.at(-2)).toBe("patch default/podpatch/pb");

    const statuses = statusesOf(core);
    const running = statuses.find((status) => isReady(status));
    const [first, second, third] = recordedStatuses;
    expect(shapeOfStatus(statuses[1])).toEqual(shapeOfStatus(first));
    expect(shapeOfStatus(running)).toEqual(shapeOfStatus(second));
    expect(shapeOfStatus(statuses.at(-1))).toEqual(shapeOfStatus(third));
    for (const name of needs) await core.replay(deletionOf(core, name));
    await core.settled();
  });
});

describe("ConfigMaps, Secrets and Pods", () => {
  it("that are created, changed and deleted as recorded are all acked, with a pod that uses them", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    const agent = await world.agent();
    await core.until("it is connected", () => agent.connected);
    const pushes = pushesOf("c-crud", "edge-a").filter(({ route }) => !route.resource?.endsWith("/pn"));
    for (const push of pushes) {
      const isPod = push.route.resource?.includes("/pod/");
      await core.replay(isPod ? withCommand(push, "exec sleep 1000") : push);
      const { operation } = push.route;
      if (operation === "insert" && isPod) await core.until("p1 runs", () => phase(core, "p1") === "Running");
    }
    await core.until("p1 is gone", () => core.kube.get("pod", "p1") === undefined);
    await core.settled();
    // It was deleted at once before its time to end was over: nothing of it is left behind.
    const processes = join(world.directory, "edged/process");
    await core.until("its processes are gone", () => readdirSync(processes).length === 0);
    for (const key of ["pod/p1", "configmap/cm1", "secret/s1"])
      expect(agent.store.meta.get(`default/${key}`)).toBeUndefined();
  });
});

describe("a cloud that does not give what a pod needs", () => {
  it("because it does not answer at all: pods that need nothing run", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    core.treat = () => "ignore";
    await world.agent();
    await core.until("it is connected", () => world.links.length > 0);
    await core.replay(plainPod(world));
    await core.until("it runs", () => existsSync(outputOf(world)));
    await core.settled();
    // Each minute without an answer its status is told again, and nothing more.
    await world.pass(130_000, 5_000);
    const told = core.asked.filter((one) => one === "patch default/podpatch/pb");
    expect(told.length).toBeGreaterThan(2);
    expect(told.length).toBeLessThan(9);
    core.treat = () => "answer";
    await world.pass(61_000, 5_000);
    await core.until("the cloud knows", () => phase(core) === "Running");
  });

  it("because it is slow: the pod waits, and runs when the answers are there", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    const held: (() => void)[] = [];
    core.treat = ({ route: { operation, resource } }) =>
      operation === "query" && !resource?.includes("lease")
        ? new Promise((resolve) => held.push(() => resolve("answer")))
        : "answer";
    for (const name of needs) give(core, name);
    await world.agent();
    await core.until("it is connected", () => world.links.length > 0);
    await core.replay(podMessage(world));
    await world.pass(30_000, 5_000);
    expect(existsSync(outputOf(world))).toBe(false);
    core.treat = () => "answer";
    for (const answer of held) answer();
    await core.until("it runs", () => phase(core) === "Running" && existsSync(outputOf(world)));
    await core.settled();
  });

  it("because it has not got it: an error is not kept as an object, and what comes later is", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    const agent = await world.agent();
    for (const name of needs.slice(0, 2)) give(core, name);
    await core.until("it is connected", () => world.links.length > 0);
    await core.replay(podMessage(world));
    await core.until("it says what is missing", () => waitsFor(core).includes("cmb"));
    expect(agent.store.meta.get("default/configmap/cmb")).toBeUndefined();
    await core.push("insert", "configmap", give(core, "configmap cmb"));
    await core.until("it runs", () => phase(core) === "Running" && existsSync(outputOf(world)));
    await core.settled();
  });

  it("and takes no statuses for a while has the newest in the end", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    core.treat = ({ route }) =>
      route.resource?.includes("podpatch") ? { refusal: "InternalError" } : "answer";
    await world.agent();
    await core.until("it is connected", () => world.links.length > 0);
    await core.replay(plainPod(world));
    await core.until("it runs", () => existsSync(outputOf(world)));
    await world.pass(25_000);
    expect(phase(core)).toBe("Pending");
    core.treat = () => "answer";
    await world.pass(11_000);
    await core.until("the cloud knows", () => phase(core) === "Running");
    await core.settled();
  });
});

describe("a link that is cut", () => {
  it("under a status: it is told again on the next link", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    core.treat = ({ content, route }) => {
      if (!route.resource?.includes("podpatch") || !String(content).includes('"running"')) return "answer";
      core.treat = () => "answer";
      world.link.reset();
      return "ignore";
    };
    await world.agent();
    await core.until("it is connected", () => world.links.length > 0);
    await core.replay(plainPod(world));
    await core.until("the cloud knows", () => phase(core) === "Running");
    await core.settled();
    expect(world.links).toHaveLength(2);
  });

  it("under the deletion: it is asked for again until the pod is gone", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    core.treat = ({ route }) => {
      if (route.operation !== "delete") return "answer";
      core.treat = () => "answer";
      world.link.reset();
      return "ignore";
    };
    await world.agent();
    await core.until("it is connected", () => world.links.length > 0);
    await core.replay(plainPod(world));
    await core.until("it runs", () => phase(core) === "Running");
    await core.replay(ended(plainPod(world)));
    await core.until("the link was cut", () => world.links.length === 2);
    await world.pass(65_000);
    await core.until("it is gone", () => core.kube.get("pod", "pb") === undefined);
    await core.settled();
  });
});

describe("a restart", () => {
  it("of the agent: the pod runs on, and node and lease are taken up as they are", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    const first = await world.agent();
    await core.until("it is connected", () => world.links.length > 0);
    await core.replay(plainPod(world));
    await core.until("it runs", () => phase(core) === "Running");
    await core.until("it has its lease", () => core.kube.get("lease", "edge-a") !== undefined);
    await core.settled();
    await first.close();
    const before = core.asked.length;
    await world.agent();
    await core.until("it renews", () => core.asked.slice(before).includes(`update ${lease}`));
    await core.until("its status is told again", () =>
      core.asked.slice(before).includes("patch default/podpatch/pb"),
    );
    await core.settled();
    expect(core.asked.slice(before)).toEqual(
      expect.arrayContaining(["insert default/node/edge-a", "query default/node/edge-a", `query ${lease}`]),
    );
    expect(core.asked.slice(before)).not.toContain(`insert ${lease}`);
    expect(readFileSync(outputOf(world), "utf8")).toBe("here\n");
    expect(containerOf(core)).toMatchObject({ restartCount: 0, ready: true });
  });

  it("of the cloud, long and with changes: what ended meanwhile is told, and what it sends is taken", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    const agent = await world.agent();
    await core.until("it is connected", () => world.links.length > 0);
    await core.replay(plainPod(world, "sleep 1; exit 3", "Never"));
    await core.until("it runs", () => phase(core) === "Running");
    await core.settled();
    world.isAway = true;
    world.link.end();
    await core.until("it ends alone", () => reportOf(agent).includes('"Failed"'));
    world.isAway = false;
    await core.until("it is back", () => world.links.length === 2);
    await core.until("the cloud knows", () => phase(core) === "Failed");
    await core.push("update", "configmap", give(core, "configmap cmb"));
    await core.settled();
    expect(containerOf(core)).toMatchObject({ state: { terminated: { exitCode: 3, reason: "Error" } } });
  });
});

/** Gives the cloud an object that the recorded one had. */
function give(core: ScriptedCloudcore, name: string): KubeObject {
  return core.kube.put(name.split(" ")[0] as string, recordedObject(name));
}

function deletionOf(core: ScriptedCloudcore, name: string): WireJson {
  const [type = "", own = ""] = name.split(" ");
  const route = { operation: "delete", resource: `default/${type}/${own}` };
  return { header: newHeader(), route, content: core.kube.get(type, own) };
}

function phase(core: ScriptedCloudcore, name = "pb"): unknown {
  return core.kube.get("pod", name)?.status?.phase;
}

/** All that the agent has said of the pod, as the API server had it then. */
function statusesOf({ kube }: ScriptedCloudcore): Json[] {
  return kube.history.filter(({ metadata }) => metadata.name === "pb").map(({ status }) => status as Json);
}

function isReady(status: Json): boolean {
  const [container] = (status.containerStatuses ?? []) as Json[];
  return container?.ready === true;
}

function waitsFor(core: ScriptedCloudcore): string {
  return JSON.stringify((containerOf(core)?.state as Json | undefined)?.waiting ?? "");
}

function containerOf({ kube }: ScriptedCloudcore): Json | undefined {
  return ((kube.get("pod", "pb")?.status?.containerStatuses ?? []) as Json[])[0];
}

/** What the agent has last reported of the pod, told or not. */
function reportOf(agent: EdgeHub): string {
  return Buffer.from(agent.store.reports.get("default/pod/pb")?.patch ?? [])
    .toString()
    .replaceAll("\\", "");
}

/** An absent field and null are the same to the API server. */
function shapeOfStatus(status: Json | undefined): Record<string, unknown> {
  const shape = shapeOf("status of a pod", status);
  return Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== null));
}
