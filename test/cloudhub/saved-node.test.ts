import { expect, it } from "vitest";
import type { NodeId } from "../../protocol/index.ts";
import { openStore } from "../support/hub-store.ts";

it("has both changes, if two are the first to save it", async () => {
  const store = await openStore();
  const node = "edge-1" as NodeId;
  await Promise.all([store.saveNode(node, { labels: { line: "7" } }), store.saveNode(node, { joinedAt: 5 })]);
  expect(store.node(node)).toMatchObject({ labels: { line: "7" }, joinedAt: 5 });
  await store.close();
});

it("stays removed, though something of it was being saved at that moment", async () => {
  const store = await openStore();
  const node = "edge-1" as NodeId;
  await store.saveNode(node, {});
  const saved = store.saveNode(node, { lastSeenAt: 1 });
  const removed = store.removeNode(node);
  await Promise.all([saved, removed]);
  expect(store.node(node)).toBeUndefined();
  await store.close();
});
