import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { HubStore, NodeOutbox } from "../../cloudhub/store/hub-store.ts";
import { event, type NodeId, numberedState, type StoredMessage } from "../../protocol/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { acked, messageOf, openStore, put, type StoreLimits, waitingIn } from "../support/hub-store.ts";

const node = "edge-1" as NodeId;
const limits = "default/configmap/limits";

let store: HubStore;
let outbox: NodeOutbox;
const use = async (options: StoreLimits = {}, clock = new FakeClock()): Promise<void> => {
  store = await openStore(options, clock);
  await store.saveNode(node, {});
  outbox = store.outbox(node);
};
beforeEach(() => use());
afterEach(() => store.close());

const settleAll = async (): Promise<void> => outbox.settle((await waitingIn(outbox)).map(acked));
const versions = async (): Promise<unknown[]> =>
  (await waitingIn(outbox)).map((item) => [item.key, item.version]);

describe("accepting state", () => {
  it("stores the first version of a resource", async () => {
    expect(await outbox.put(put("5"))).toEqual({ stale: false, version: "5" });
    expect(await versions()).toEqual([[limits, "5"]]);
  });

  it("keeps only the newest put of a resource, behind what came before it", async () => {
    for (const message of [put("1", "a"), put("2", "b"), put("3", "a")]) await outbox.put(message);
    expect(await versions()).toEqual([
      ["default/configmap/b", "2"],
      ["default/configmap/a", "3"],
    ]);
  });

  it("answers an older or equal version as stale, with the one it has", async () => {
    await outbox.put(put("10"));
    expect(await outbox.put(put("9"))).toEqual({ stale: true, version: "10" });
    expect(await outbox.put(put("10"))).toEqual({ stale: true, version: "10" });
  });

  it("compares versions as numbers of any length", async () => {
    await outbox.put(put("9"));
    expect(await outbox.put(put("10"))).toMatchObject({ stale: false });
    expect(await outbox.put(put("18446744073709551615"))).toMatchObject({ stale: false });
    expect(await outbox.put(put("18446744073709551614"))).toMatchObject({ stale: true });
  });

  it("compares with the checkpoint once the message is settled", async () => {
    await outbox.put(put("5"));
    await settleAll();
    expect(await outbox.put(put("5"))).toMatchObject({ stale: true });
    expect(await outbox.put(put("6"))).toMatchObject({ stale: false });
  });

  it("refuses state without a version", async () => {
    await expect(outbox.put(messageOf())).rejects.toMatchObject({ code: "E_BAD_VERSION" });
  });

  it("numbers what it is asked to, above every version it knows of the resource", async () => {
    expect(await outbox.put(messageOf({ delivery: numberedState }))).toEqual({ stale: false, version: "1" });
    await outbox.put(put("40"));
    expect(await outbox.put(messageOf({ delivery: numberedState }))).toEqual({ stale: false, version: "41" });
    expect(await outbox.put(messageOf({ delivery: numberedState, resource: "default/secret/s" }))).toEqual({
      stale: false,
      version: "42",
    });
    const [first] = await waitingIn(outbox);
    expect((await store.message(node, (first as StoredMessage).position))?.resourceVersion).toBe("41");
  });
});

describe("deleting", () => {
  const remove = (version?: string) =>
    messageOf({ operation: "delete", ...(version ? { resourceVersion: version } : {}) });

  it("replaces a waiting put, and is replaced by nothing", async () => {
    for (const message of [put("1"), remove("2"), put("3"), put("4"), remove("5"), put("6")])
      await outbox.put(message);
    expect((await waitingIn(outbox)).map((item) => [item.deleted, item.version])).toEqual([
      [true, "2"],
      [true, "5"],
      [false, "6"],
    ]);
  });

  it("takes a delete that names the version it deletes, once", async () => {
    await outbox.put(put("5"));
    expect(await outbox.put(remove("5"))).toMatchObject({ stale: false });
    expect(await outbox.put(remove("5"))).toMatchObject({ stale: true });
  });

  it("takes a delete without a version as one of the newest", async () => {
    await outbox.put(put("5"));
    expect(await outbox.put(remove())).toEqual({ stale: false, version: "5" });
    expect(await outbox.put(put("5"))).toMatchObject({ stale: true });
    expect(await outbox.put(put("6"))).toMatchObject({ stale: false });
  });

  it("leaves a checkpoint that keeps an older put out, until its time is over", async () => {
    const clock = new FakeClock();
    await store.close();
    await use({ tombstoneMs: 100_000 }, clock);
    await outbox.put(remove("8"));
    await settleAll();
    expect(await store.checkpoint(node, limits)).toMatchObject({ version: "8", deleted: true });
    expect(await outbox.put(put("7"))).toMatchObject({ stale: true });
    await clock.advance(200_000);
    expect(await store.checkpoint(node, limits)).toBeUndefined();
  });
});

describe("settling", () => {
  it("writes the checkpoint and empties the queue", async () => {
    await outbox.put(put("5"));
    await settleAll();
    expect(await waitingIn(outbox)).toEqual([]);
    expect(await outbox.backlog()).toEqual({ messages: 0, bytes: 0 });
    expect(await store.checkpoint(node, limits)).toMatchObject({ version: "5", deleted: false });
  });

  it("keeps a newer version that came while the older one was in flight", async () => {
    await outbox.put(put("5"));
    const inFlight = await waitingIn(outbox);
    await outbox.put(put("6"));
    await outbox.settle(inFlight.map(acked));
    expect(await store.checkpoint(node, limits)).toMatchObject({ version: "5" });
    expect(await versions()).toEqual([[limits, "6"]]);
  });

  it("never takes a checkpoint back", async () => {
    await outbox.put(put("5"));
    const old = await waitingIn(outbox);
    await outbox.put(put("6"));
    await settleAll();
    await outbox.settle(old.map(acked));
    expect(await store.checkpoint(node, limits)).toMatchObject({ version: "6" });
  });
});

describe("events", () => {
  const command = (id: string) =>
    messageOf({ id, resource: "device/commands", operation: "publish", group: "user", delivery: event() });

  it("keeps each of them in order", async () => {
    for (const id of ["a", "b", "c"]) await outbox.put(command(id));
    expect((await waitingIn(outbox)).map((item) => item.id)).toEqual(["a", "b", "c"]);
  });

  it("recognises one that a publisher repeats", async () => {
    await outbox.put(command("a"));
    expect(await outbox.put(command("a"))).toMatchObject({ stale: true });
    await settleAll();
    expect(await outbox.put(command("a"))).toMatchObject({ stale: true });
  });

  it("ends those that nobody fetched in time", async () => {
    const clock = new FakeClock();
    await store.close();
    await use({}, clock);
    await outbox.put(messageOf({ id: "a", delivery: event({ ttlMs: 1_000 }), group: "user" }));
    await clock.advance(120_000);
    expect(await store.ledger({ node, id: "a" })).toMatchObject([{ state: "expired" }]);
    expect(await outbox.backlog()).toEqual({ messages: 0, bytes: 0 });
  });
});

describe("limits", () => {
  it("refuses messages beyond the backlog, but not a newer version of one that waits", async () => {
    await store.close();
    await use({ maxBacklogMessages: 2 });
    await outbox.put(put("1", "a"));
    await outbox.put(put("2", "b"));
    await expect(outbox.put(put("3", "c"))).rejects.toMatchObject({
      code: "E_BACKLOG_FULL",
      retryable: true,
    });
    expect(await outbox.put(put("4", "a"))).toMatchObject({ stale: false });
  });

  it("does not let one full queue fail what is stored in the same transaction", async () => {
    await store.close();
    await use({ maxBacklogMessages: 1 });
    const other = "edge-2" as NodeId;
    await store.saveNode(other, {});
    const outcomes = await Promise.allSettled([
      outbox.put(put("1", "a")),
      outbox.put(put("2", "b")),
      store.outbox(other).put(put("3", "c")),
    ]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(await outbox.backlog()).toMatchObject({ messages: 1 });
  });

  it("keeps the ledger of a busy node short, but not its queue and checkpoints", async () => {
    await store.close();
    await use({ ledgerMessages: 10 });
    for (let round = 0; round < 12; round++) {
      await Promise.all(
        Array.from({ length: 50 }, (_, i) => outbox.put(put(String(round * 50 + i + 1), `n-${i}`))),
      );
      await settleAll();
    }
    expect((await store.ledger({ node, limit: 1_000 })).length).toBeLessThan(10 + 256 + 1);
    expect(await store.checkpoint(node, "default/configmap/n-1")).toMatchObject({ version: "552" });
  });

  it("forgets the oldest rows also when thousands have piled up, a piece at a time", async () => {
    await use({ ledgerMessages: 10, maxBacklogMessages: 10_000 });
    const versions = Array.from({ length: 3_000 }, (_, i) => put(String(i + 1)));
    await Promise.all(versions.map((message) => outbox.put(message)));
    await outbox.put(put("3001", "other"));
    const left = await store.ledger({ node, limit: 5_000 });
    expect(left.length).toBeLessThanOrEqual(12);
    expect(left.slice(0, 2).map((row) => row.version)).toEqual(["3001", "3000"]);
  });
});

describe("refusals", () => {
  const refuseFirst = async (): Promise<void> => {
    const [item] = await waitingIn(outbox);
    await outbox.refuse(acked(item as StoredMessage), "E_BAD_MESSAGE", "no content");
  };

  it("keeps the message with its reason and sends it no more", async () => {
    await outbox.put(put("5"));
    await refuseFirst();
    expect(await waitingIn(outbox)).toEqual([]);
    expect(await store.ledger({ node, state: "refused" })).toMatchObject([
      { version: "5", code: "E_BAD_MESSAGE", text: "no content" },
    ]);
    expect(await store.resources({ node })).toMatchObject([{ resource: limits, state: "refused" }]);
  });

  it("takes the same version again when it is published again", async () => {
    await outbox.put(put("5"));
    await refuseFirst();
    expect(await outbox.put(put("5"))).toMatchObject({ stale: false });
    expect(await versions()).toEqual([[limits, "5"]]);
  });

  it("forgets it when a newer version comes", async () => {
    await outbox.put(put("5"));
    await refuseFirst();
    await outbox.put(put("6"));
    expect(await store.ledger({ node, state: "refused" })).toEqual([]);
  });

  it("puts it back into the queue when asked, with its content", async () => {
    await outbox.put(put("5"));
    await refuseFirst();
    expect(await store.requeue(node)).toBe(1);
    const [item] = await waitingIn(outbox);
    expect(item?.version).toBe("5");
    expect((await store.message(node, (item as StoredMessage).position))?.resource.path).toBe(limits);
  });
});

describe("ledger", () => {
  it("tells of each message what became of it", async () => {
    await outbox.put(put("1", "a", { id: "first" }));
    await outbox.put(put("2", "a", { id: "second" }));
    await settleAll();
    expect(await store.ledger({ node })).toMatchObject([
      {
        id: "second",
        state: "persisted",
        version: "2",
        sends: 1,
        acceptedAt: expect.any(Number),
        endedAt: expect.any(Number),
      },
      { id: "first", state: "superseded", version: "1", sends: 0 },
    ]);
  });

  it("finds by id, resource and state", async () => {
    await outbox.put(put("1", "a", { id: "first" }));
    await outbox.put(put("2", "b", { id: "second" }));
    expect(await store.ledger({ node, id: "first" })).toHaveLength(1);
    expect(await store.ledger({ node, resource: "default/configmap/b" })).toMatchObject([{ id: "second" }]);
    expect(await store.ledger({ node, state: "persisted" })).toEqual([]);
  });

  it("remembers how often a message was sent when its link ended", async () => {
    await outbox.put(put("1"));
    const [item] = await waitingIn(outbox);
    outbox.unacked([{ item: item as StoredMessage, sends: 3, firstSentAt: 11, lastSentAt: 22 }]);
    expect(await store.ledger({ node })).toMatchObject([
      { state: "accepted", sends: 3, firstSentAt: 11, lastSentAt: 22 },
    ]);
  });

  it("counts the sends of all links together", async () => {
    await outbox.put(put("1"));
    const [item] = await waitingIn(outbox);
    const records = { item: item as StoredMessage, sends: 3, firstSentAt: 11, lastSentAt: 22 };
    outbox.unacked([records]);
    await outbox.settle([{ ...records, sends: 2, firstSentAt: 33, lastSentAt: 44, receipt: undefined }]);
    expect(await store.ledger({ node })).toMatchObject([
      { state: "persisted", sends: 5, firstSentAt: 11, lastSentAt: 44 },
    ]);
  });
});

describe("nodes and records", () => {
  it("says that a node is unknown, and how it becomes known", () => {
    expect(() => store.outbox("edge-9" as NodeId)).toThrow(/hubctl nodes add edge-9/);
  });

  it("forgets a node with its queue and checkpoints", async () => {
    await outbox.put(put("5"));
    await settleAll();
    expect(await store.removeNode(node)).toBe(true);
    expect(await store.removeNode(node)).toBe(false);
    await store.saveNode(node, {});
    expect(await store.checkpoint(node, limits)).toBeUndefined();
  });

  it("changes a record only if it has the expected revision", async () => {
    const records = store.records<{ uses: number }>("join-token");
    expect(await records.put("a", { uses: 2 }, 0)).toBe(true);
    expect(await records.put("a", { uses: 9 }, 0)).toBe(false);
    expect(await records.put("a", { uses: 1 }, 1)).toBe(true);
    expect(await records.get("a")).toEqual({ name: "a", value: { uses: 1 }, revision: 2 });
    expect(await records.delete("a")).toBe(true);
    expect(await records.list()).toEqual([]);
  });
});

describe("what waits for each node", () => {
  it("is told of all nodes at once, however many", async () => {
    await outbox.put(put("1", "a"));
    await outbox.put(put("1", "b"));
    const names = Array.from({ length: 600 }, (_, i) => `many-${i}` as typeof node);
    for (const name of names) await store.saveNode(name, {});
    const backlogs = await store.backlogs();
    expect(backlogs.size).toBe(601);
    expect(backlogs.get(node)).toEqual(await outbox.backlog());
    expect(backlogs.get(node)?.messages).toBe(2);
    expect(backlogs.get(names[599] as typeof node)).toEqual({ messages: 0, bytes: 0 });
  });
});
