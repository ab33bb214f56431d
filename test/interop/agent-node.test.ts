import { describe, expect, it } from "vitest";
import type { KubeObject } from "./edge-controller.ts";
import { EdgedWorld } from "./edged-agent.ts";
import { exchangesOf, kindOf } from "./recorded-exchanges.ts";
import { shapeOf } from "./recorded-shape.ts";
import type { Json } from "./strategic-merge.ts";

/** The node itself towards a stock cloudcore, as it was recorded: registration, status, lease. */

const lease = "kube-node-lease/lease/edge-a";

/** The node as the recorded cloud had it in the end. */
const recordedNode = exchangesOf(["b-join-edged-enabled"], "edge-a").find(
  ({ asked }) => kindOf(asked) === "patch nodepatch",
)?.answered?.content as { Object: KubeObject };

const isHeld = ({ core }: EdgedWorld) => core.kube.get("lease", "edge-a") !== undefined;

describe("a node that the cloud does not know", () => {
  it("registers, reports and takes its lease in the recorded forms, and is then as the recorded one", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    await world.agent();
    await core.until("it has its lease", () => isHeld(world));
    await core.settled();
    expect(core.asked.filter((one) => !one.startsWith("get "))).toEqual([
      "insert default/node/edge-a",
      "patch default/nodepatch/edge-a",
      `query ${lease}`,
      `insert ${lease}`,
    ]);
    expect(core.asked).toContain("get membership/detail");
    const node = core.kube.get("node", "edge-a") as KubeObject;
    const { metadata, status } = recordedNode.Object;
    expect(node.metadata.labels).toEqual(metadata.labels);
    expect(shapeOf("insert node", { status: node.status })).toEqual(shapeOf("insert node", { status }));
  });

  it("lives on with heartbeats every 15 s and renewals every 10 s, and tells an unchanged status every 5 min", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    await world.agent();
    await core.until("it has its lease", () => isHeld(world));
    const before = core.requests.length;
    await world.pass(120_000);
    await core.settled();
    const since = core.requests.slice(before);
    const renewals = since.filter((one) => kindOf(one) === "update lease");
    const times = renewals.map(({ content }) =>
      Date.parse((content as { spec: { renewTime: string } }).spec.renewTime),
    );
    expect(times.length).toBeGreaterThanOrEqual(10);
    for (const gap of gaps(times)) expect(gap).toBeGreaterThan(9_900);
    for (const gap of gaps(times)) expect(gap).toBeLessThan(12_000);
    expect(since.filter((one) => kindOf(one) === "patch nodepatch")).toEqual([]);
    const [beats = []] = core.beats;
    expect(beats.length).toBeGreaterThanOrEqual(8);
    for (const gap of gaps(beats)) expect(Math.abs(gap - 15_000)).toBeLessThan(500);
    await world.pass(200_000);
    await core.settled();
    expect(core.asked.filter((one) => one.startsWith("patch "))).toHaveLength(2);
  });
});

describe("a node that exists already", () => {
  const other: KubeObject = {
    metadata: { name: "edge-a", labels: { "kubernetes.io/os": "plan9", room: "7" } },
    spec: {},
    status: {
      capacity: { cpu: "1000" },
      conditions: [
        { type: "DiskPressure", status: "False", lastTransitionTime: "2026-01-01T00:00:00Z" },
        { type: "Ready", status: "Unknown" },
        { type: "Mine", status: "True" },
      ],
    },
  };

  it("is asked for after AlreadyExists, gets its labels and capacity by a patch, and owns the lease", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    const { uid } = core.kube.put("node", other).metadata;
    await world.agent();
    await core.until("it has its lease", () => isHeld(world));
    await core.settled();
    expect(core.asked.filter((one) => !one.startsWith("get ")).slice(0, 3)).toEqual([
      "insert default/node/edge-a",
      "query default/node/edge-a",
      "patch default/nodepatch/edge-a",
    ]);
    const { metadata, status } = core.kube.get("node", "edge-a") as KubeObject;
    expect(metadata.labels).toEqual({ room: "7", ...(recordedNode.Object.metadata.labels as Json) });
    expect(status?.capacity).toMatchObject({ pods: "110" });
    const conditions = status?.conditions as Json[];
    expect(conditions.map(({ type }) => type)).toContain("Mine");
    expect(conditions.find(({ type }) => type === "Ready")).toMatchObject({
      status: "True",
      reason: "EdgeReady",
    });
    // What has not changed has not changed since.
    expect(conditions.find(({ type }) => type === "DiskPressure")).toMatchObject({
      status: "False",
      lastTransitionTime: "2026-01-01T00:00:00Z",
    });
    expect(ownerOf(world)).toBe(uid);
  });

  it("of a later cloudcore is in namespace null, is not asked for, and is taken from the patch's answer", async () => {
    const world = await EdgedWorld.start({ namespace: "null" });
    const { core } = world;
    const { uid } = core.kube.put("node", other).metadata;
    const agent = await world.agent();
    await core.until("it has its lease", () => isHeld(world));
    await world.pass(15_000);
    await core.settled();
    expect(core.asked).not.toContain("query null/node/edge-a");
    expect(core.asked).toContain("patch null/nodepatch/edge-a");
    expect(ownerOf(world)).toBe(uid);
    // That cloud pushes the node, too.
    await core.push("update", "node", core.kube.get("node", "edge-a") as KubeObject);
    await core.settled();
    expect(agent.store.meta.get("null/node/edge-a")?.uid).toBe(uid);
  });

  it("that is deleted with its link registers anew, and its new lease has the new owner", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    await world.agent();
    await core.until("it has its lease", () => isHeld(world));
    const { uid } = (core.kube.get("node", "edge-a") as KubeObject).metadata;
    core.kube.objects.clear();
    world.link.end();
    await core.until("there is a node again", () => core.kube.get("node", "edge-a") !== undefined);
    await core.until("it has its lease", () => isHeld(world));
    await core.settled();
    expect(ownerOf(world)).toBe(core.kube.get("node", "edge-a")?.metadata.uid);
    expect(ownerOf(world)).not.toBe(uid);
  });
});

describe("a lease that was deleted", () => {
  it("is asked for, and taken anew", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    await world.agent();
    await core.until("it has its lease", () => isHeld(world));
    core.kube.objects.delete("lease/edge-a");
    core.asked.length = 0;
    await world.pass(15_000);
    await core.until("it has its lease", () => isHeld(world));
    await core.settled();
    expect(core.asked.slice(0, 3)).toEqual([`update ${lease}`, `query ${lease}`, `insert ${lease}`]);
  });
});

describe("a cloud that does not answer as it should", () => {
  it("by refusing the node is asked again with growing pauses, and nothing else is told to it", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    core.treat = () => ({ refusal: "Forbidden" });
    await world.agent();
    await core.until("it was asked", () => core.asked.includes("insert default/node/edge-a"));
    await world.pass(60_000);
    const inserts = core.asked.filter((one) => !one.startsWith("get "));
    expect(new Set(inserts)).toEqual(new Set(["insert default/node/edge-a"]));
    expect(inserts.length).toBeLessThan(12);
    expect(world.logged).toContainEqual(
      expect.objectContaining({ event: "the node could not be registered", reason: "Forbidden" }),
    );
    core.treat = () => "answer";
    await world.pass(15_000);
    await core.until("it has its lease", () => isHeld(world));
    await core.settled();
  });

  it("for more than a minute gets its late answers acked, and has the node in the end", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    const held: (() => void)[] = [];
    core.treat = () => new Promise((resolve) => held.push(() => resolve("answer")));
    await world.agent();
    await core.until("it was asked", () => core.asked.includes("insert default/node/edge-a"));
    await world.pass(70_000, 10_000);
    core.treat = () => "answer";
    for (const answer of held) answer();
    await world.pass(15_000);
    await core.until("it has its lease", () => isHeld(world));
    await core.settled();
    expect(core.asked.filter((one) => one.startsWith("insert default/node"))).toHaveLength(2);
  });

  it("and is cut off after the first question is asked again on the next link", async () => {
    const world = await EdgedWorld.start();
    const { core } = world;
    core.treat = () => {
      core.treat = () => "answer";
      world.link.reset();
      return "ignore";
    };
    await world.agent();
    await core.until("it has its lease", () => isHeld(world));
    await core.settled();
    expect(world.links).toHaveLength(2);
  });
});

function ownerOf({ core }: EdgedWorld): unknown {
  const [owner] = (core.kube.get("lease", "edge-a")?.metadata.ownerReferences ?? []) as { uid: string }[];
  return owner?.uid;
}

function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((time, i) => time - (times[i] ?? 0));
}
