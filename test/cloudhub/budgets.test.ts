import { expect, it } from "vitest";
import { event } from "../../protocol/index.ts";
import { until } from "../support/processes.ts";
import { startWorld } from "../support/world.ts";

const put = (node: string, i: number) => ({
  node,
  resource: `default/configmap/c${i}`,
  operation: "update",
  resourceVersion: "1",
  // Text that hardly gets shorter.
  content: { data: Array.from({ length: 40 }, (_, k) => Math.sin(i * 100 + k)) },
});

it("a node's byte budget holds back bulk, visibly; urgent messages and other nodes go on", async () => {
  const world = await startWorld({ budget: { bulkBytesPerDay: 3_000 } });
  await world.hub.admin.addNode("edge-free", { "budget/bulk-bytes-per-day": "0" });
  const limited = await world.agent("edge-limited");
  const free = await world.agent("edge-free");
  await until("both are connected", () => limited.connected && free.connected);
  for (let i = 0; i < 30; i++)
    for (const node of ["edge-limited", "edge-free"]) await world.hub.publish(put(node, i));
  const viewOf = async (name: string) => (await world.hub.nodes()).find(({ node }) => node === name);
  await until("the free one has all", () => free.status().resources === 30);
  await until(
    "the other one is over its budget",
    async () => (await viewOf("edge-limited"))?.budgetWaitMs !== undefined,
  );
  const waits = (await viewOf("edge-limited"))?.budgetWaitMs ?? 0;
  expect(waits).toBeGreaterThan(23 * 3_600_000);
  expect(limited.status().resources).toBeLessThan(20);
  expect(await viewOf("edge-free")).toMatchObject({ budgetWaitMs: undefined, backlogMessages: 0 });
  // A new link has no new budget.
  await world.hub.publish({
    node: "edge-limited",
    resource: "default/node/edge-limited",
    operation: "delete",
    group: "resource",
    content: {},
  });
  await until("it is back", async () => (await viewOf("edge-limited"))?.budgetWaitMs !== undefined);
  // What is urgent goes: nobody at the node takes it, and it says so.
  const urgent = { node: "edge-limited", resource: "x", operation: "publish", group: "user", content: {} };
  await expect(
    world.hub.publish({ ...urgent, delivery: event({ priority: 1 }) }, { until: "acked", timeoutMs: 10_000 }),
  ).rejects.toMatchObject({ code: "E_REFUSED" });
  expect(limited.status().resources).toBeLessThan(20);
  expect(await world.hub.metrics()).toMatch(/^hub_budget_bulk_waits [1-9]/m);
});
