import { expect, it } from "vitest";
import { ReadAhead } from "../../cloudhub/store/read-ahead.ts";
import type { NodeId } from "../../protocol/index.ts";
import { acked, openStore, put } from "../support/hub-store.ts";

it("gives positions back once, behind the place for which they were kept", () => {
  const ahead = new ReadAhead();
  ahead.keep(1, 10, [11, 12]);
  expect(ahead.take(1, 9)).toEqual([]);
  expect(ahead.take(1, 10)).toEqual([]);
  ahead.keep(1, 10, [11, 12]);
  expect(ahead.take(1, 10)).toEqual([11, 12]);
  expect(ahead.take(1, 10)).toEqual([]);
});

it("remembers those of the nodes that read last", () => {
  const ahead = new ReadAhead();
  for (let node = 0; node < 100; node++) ahead.keep(node, 0, [1]);
  expect(ahead.take(0, 0)).toEqual([]);
  expect(ahead.take(99, 0)).toEqual([1]);
});

it("hands out every message of a long queue once, whatever is replaced, acked and added meanwhile", async () => {
  const store = await openStore({ maxBacklogMessages: 100_000 });
  const node = "edge-1" as NodeId;
  await store.saveNode(node, {});
  const outbox = store.outbox(node);
  const count = 3_000;
  await Promise.all(Array.from({ length: count }, (_, i) => outbox.put(put("1", `n${i}`))));
  const newest = new Map<string, string>();
  const stop = new AbortController();
  let rounds = 0;
  for await (const batch of outbox.follow(stop.signal)) {
    for (const { key, version } of batch) newest.set(key, version ?? "");
    await outbox.settle(batch.map(acked));
    // What was not read yet is replaced, and new ones come.
    if (rounds++ < 10) {
      await outbox.put(put("2", `n${count - rounds}`));
      await outbox.put(put("1", `late-${rounds}`));
    }
    if (newest.size === count + 10 && (await outbox.backlog()).messages === 0) break;
  }
  expect([...newest].filter(([, version]) => version === "2")).toHaveLength(10);
  await store.close();
});
