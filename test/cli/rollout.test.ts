import { afterAll, beforeAll, expect, it } from "vitest";
import { rolloutColumns, summaryLines } from "../../cli/rollout-view.ts";
import type { NodeId, ResourceVersion } from "../../protocol/index.ts";
import type { RolloutNode, RolloutView } from "../../sdk/index.ts";
import { startTestHub, type TestHub } from "./support.ts";

/** A hub with a connected node edge-1 and a known node edge-2 that is away. */
let hub: TestHub;

beforeAll(async () => {
  hub = await startTestHub();
  await hub.edge("edge-1");
  await hub.hub.admin.addNode("edge-2");
});
afterAll(() => hub.close());

const publish = (node: string, resource: string, resourceVersion: string) =>
  hub.hub.publish(
    { node, resource, operation: "update", resourceVersion, content: { data: 1 } },
    node === "edge-1" ? { until: "acked" } : {},
  );

it("says how many nodes have what was published with the SDK, and why others lack it", async () => {
  await publish("edge-1", "default/configmap/limits", "7");
  await publish("edge-2", "default/configmap/limits", "7");
  const { code, out } = await hub.hubctl(["rollout", "status", "configmaps/limits"]);
  expect(code).toBe(0);
  const [summary, times, , titles, ...rows] = out.trimEnd().split("\n");
  expect(summary).toBe("default/configmap/limits: 1 of 2 nodes (50 %) have version 7: 1 offline");
  expect(times).toMatch(/^from acceptance to ack: p50 \S+, p99 \S+, longest \S+ \(1 node\)$/);
  expect(titles).toMatch(/^NODE +HAS +NEWEST +STATE +ACCEPTED +WHY$/);
  expect(rows[0]).toMatch(/^edge-2 +- +7 +offline +\S.* +never connected, 1 message waiting$/);
  expect(rows[1]).toMatch(/^edge-1 +7 +7 +held +\S.* +took \S+$/);
});

it("gives programs the same, with times as text", async () => {
  await publish("edge-1", "shop/pod/web", "9");
  expect(await hub.json(["rollout", "status", "pod/web", "-n", "shop"])).toEqual({
    resource: "shop/pod/web",
    version: null,
    accepted: { oldest: "9", newest: "9" },
    nodes: { held: 1, offline: 0, queued: 0, sent: 0, refused: 0, expired: 0, unpublished: 0 },
    propagation: {
      nodes: 1,
      p50Ms: expect.any(Number),
      p99Ms: expect.any(Number),
      maxMs: expect.any(Number),
    },
    done: true,
    slowest: [
      {
        node: "edge-1",
        state: "held",
        holds: "9",
        accepted: "9",
        acceptedAt: expect.stringMatching(/^\d{4}-.*Z$/),
        heldAt: expect.stringMatching(/^\d{4}-.*Z$/),
        offlineSince: null,
        backlogMessages: null,
        sends: 0,
        lastSentAt: null,
        text: null,
      },
    ],
  });
  expect(
    await hub.json(["rollout", "status", "pod/web", "-n", "shop", "--resource-version", "10"]),
  ).toMatchObject({
    nodes: { held: 0, unpublished: 1 },
    done: false,
  });
});

it("finds objects that belong to no namespace, and full paths", async () => {
  await publish("edge-1", "null/nodegroup/site-a", "3");
  expect(await hub.json(["rollout", "status", "nodegroups/site-a"])).toMatchObject({
    resource: "null/nodegroup/site-a",
  });
  expect(await hub.json(["rollout", "status", "null/nodegroup/site-a"])).toMatchObject({
    nodes: { held: 1 },
  });
});

it("watches until all nodes have it, a line for each change", async () => {
  await hub.hub.admin.addNode("edge-3");
  await publish("edge-3", "default/configmap/late", "1");
  let said = "";
  const watching = hub.hubctl(["rollout", "status", "configmap/late", "-w"], {
    onOut: (text) => {
      said = text;
    },
  });
  while (!said.includes("0 of 1 node")) await new Promise((resolve) => setTimeout(resolve, 20));
  await hub.edge("edge-3");
  const { code, out } = await watching;
  expect(code).toBe(0);
  expect(out.trimEnd().split("\n").at(-1)).toMatch(
    /^\S+Z {2}default\/configmap\/late: 1 of 1 node \(100 %\)/,
  );
});

it("gives up watching after --timeout, and says what is missing", async () => {
  const { code, err } = await hub.hubctl(["rollout", "status", "configmap/limits", "-w", "--timeout", "1s"]);
  expect(code).toBe(4);
  expect(err).toContain("1 node of 2 still lacks it");
});

it("says so when there is no such resource, and what it wants to be told", async () => {
  const unknown = await hub.hubctl(["rollout", "status", "configmap/nothing"]);
  expect([unknown.code, unknown.err]).toEqual([
    3,
    expect.stringContaining("no node has default/configmap/nothing"),
  ]);
  const wrong = await hub.hubctl(["rollout", "status", "nothing"]);
  expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining("must be kind/name")]);
  const version = await hub.hubctl(["rollout", "status", "configmap/limits", "--resource-version", "x"]);
  expect([version.code, version.err]).toEqual([2, expect.stringContaining("E_BAD_VERSION")]);
});

const nodes = { held: 5, offline: 1, queued: 1, sent: 1, refused: 1, expired: 1, unpublished: 1 };
const view = (given: Partial<RolloutView> = {}): RolloutView => ({
  resource: "default/configmap/limits",
  version: undefined,
  accepted: { oldest: "7" as ResourceVersion, newest: "9" as ResourceVersion },
  nodes,
  propagation: undefined,
  slowest: [],
  ...given,
});

it("names every reason, and which versions are meant", () => {
  expect(summaryLines(view())).toEqual([
    "default/configmap/limits: 5 of 11 nodes (45 %) have the newest accepted for them (7 to 9): " +
      "1 offline, 1 waiting behind other messages, 1 sent and not acked, 1 refused it, 1 did not get it in time, 1 not published",
  ]);
  expect(summaryLines(view({ version: "8" as ResourceVersion }))[0]).toContain("have version 8 or newer");
});

it("explains each node in a line", () => {
  const base: RolloutNode = {
    node: "edge-1" as NodeId,
    state: "held",
    holds: undefined,
    accepted: undefined,
    acceptedAt: undefined,
    heldAt: undefined,
    offlineSince: undefined,
    backlogMessages: undefined,
    sends: 0,
    lastSentAt: undefined,
    text: undefined,
  };
  const why = rolloutColumns(100_000).at(-1);
  const reason = (given: Partial<RolloutNode>) => why?.cell({ ...base, ...given });
  expect(reason({ state: "offline", offlineSince: 40_000, backlogMessages: 3 })).toBe(
    "offline since 1m ago, 3 messages waiting",
  );
  expect(reason({ state: "queued", backlogMessages: 1 })).toBe("connected, 1 message waiting");
  expect(reason({ state: "sent", sends: 1, lastSentAt: 95_000 })).toBe("sent 5s ago, not acked");
  expect(reason({ state: "sent", sends: 3, lastSentAt: 95_000 })).toBe("sent 3×, last 5s ago, not acked");
  expect(reason({ state: "refused", text: "E_TOO_LARGE: no" })).toBe("E_TOO_LARGE: no");
});
