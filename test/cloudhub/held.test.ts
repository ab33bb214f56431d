import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { HubStore, NodeOutbox, SaidToHold } from "../../cloudhub/store/hub-store.ts";
import { BucketDigest, bucketOf, type NodeId, type ResourceVersion } from "../../protocol/index.ts";
import { acked, messageOf, openStore, put, waitingIn } from "../support/hub-store.ts";

const node = "edge-1" as NodeId;
const other = "edge-2" as NodeId;
const path = (name: string) => `default/configmap/${name}`;
const says = (name: string, version?: string): SaidToHold => [
  path(name),
  version as ResourceVersion | undefined,
];

let store: HubStore;
let outbox: NodeOutbox;
beforeEach(async () => {
  store = await openStore();
  for (const name of [node, other]) await store.saveNode(name, {});
  outbox = store.outbox(node);
});
afterEach(() => store.close());

const settleAll = async (): Promise<void> => outbox.settle((await waitingIn(outbox)).map(acked));
const waiting = async () => (await waitingIn(outbox)).map((item) => [item.key, item.version]);
const viewOf = async (name: string) => (await store.resources({ node, resource: path(name) }))[0];
const deletion = (version: string, name: string) =>
  messageOf({ resource: path(name), operation: "delete", resourceVersion: version });

describe("what a node is thought to have", () => {
  it("is what it has acked and what was not deleted", async () => {
    for (const name of ["a", "b", "c"]) await outbox.put(put("1", name));
    await settleAll();
    await outbox.put(put("2", "a"));
    await outbox.put(deletion("2", "b"));
    await outbox.settle((await waitingIn(outbox)).filter(({ deleted }) => deleted).map(acked));
    const digest = new BucketDigest(16);
    digest.add(path("a"), "1");
    digest.add(path("c"), "1");
    expect(await store.digest(node, 16)).toEqual(digest.buckets);
    const held = await store.held(node, 16, [bucketOf(path("a"), 16)]);
    expect(held).toContainEqual({ resource: path("a"), version: "1" });
    expect(await store.digest(other, 16)).toEqual(new Uint32Array(32));
  });

  it("has nothing in it that the node does not keep in its store", async () => {
    await outbox.put(
      messageOf({
        resource: "node/edge-1/membership",
        group: "twin",
        operation: "update",
        resourceVersion: "1",
      }),
    );
    await settleAll();
    expect(await store.digest(node, 1)).toEqual(new Uint32Array(2));
  });

  it("is put together from pages: thousands of resources", async () => {
    const digest = new BucketDigest(256);
    await Promise.all(
      Array.from({ length: 900 }, (_, i) => {
        digest.add(path(`n${i}`), "1");
        return outbox.put(put("1", `n${i}`));
      }),
    );
    await settleAll();
    expect(await store.digest(node, 256)).toEqual(digest.buckets);
  });
});

describe("a node that says what it has", () => {
  it("settles what waits and it has: its ack was lost", async () => {
    await outbox.put(put("1", "a"));
    await outbox.put(put("7", "b"));
    expect(await store.correct(node, [says("a", "1"), says("b", "6")])).toMatchObject({
      settled: [{ resource: path("a"), version: "1" }],
      lost: 0,
      ahead: 0,
    });
    expect(await waiting()).toEqual([[path("b"), "7"]]);
    expect(await viewOf("a")).toMatchObject({
      state: "current",
      checkpoint: { version: "1" },
      acceptedId: expect.any(String),
    });
    expect(await viewOf("b")).toMatchObject({
      state: "waiting",
      checkpoint: { version: "6" },
      accepted: "7",
    });
    expect(await outbox.backlog()).toMatchObject({ messages: 1 });
  });

  it("and has lost something: the same version can be published again", async () => {
    await outbox.put(put("5", "a"));
    await settleAll();
    expect(await outbox.put(put("5", "a"))).toMatchObject({ stale: true });
    expect(await store.correct(node, [says("a")])).toMatchObject({ lost: 1, settled: [] });
    expect(await viewOf("a")).toBeUndefined();
    expect(await outbox.put(put("5", "a"))).toMatchObject({ stale: false });
  });

  it("and has lost something of which a newer version waits: that is sent, and nothing else is said", async () => {
    await outbox.put(put("5", "a"));
    await settleAll();
    await outbox.put(put("6", "a"));
    expect(await store.correct(node, [says("a")])).toMatchObject({ lost: 0, ahead: 0, settled: [] });
    expect(await waiting()).toEqual([[path("a"), "6"]]);
    expect(await viewOf("a")).toMatchObject({ checkpoint: undefined, accepted: "6" });
  });

  it("and has an older version than it acked, as from a backup", async () => {
    await outbox.put(put("5", "a"));
    await settleAll();
    expect(await store.correct(node, [says("a", "3")])).toMatchObject({ lost: 1 });
    expect(await viewOf("a")).toMatchObject({ checkpoint: { version: "3" }, acceptedId: undefined });
    expect(await outbox.put(put("5", "a"))).toMatchObject({ stale: false });
  });

  it("and has more than this hub ever accepted, as after the hub's restore: older versions are stale", async () => {
    await outbox.put(put("5", "a"));
    await settleAll();
    expect(await store.correct(node, [says("a", "9"), says("new", "4")])).toMatchObject({ ahead: 2 });
    expect(await outbox.put(put("6", "a"))).toMatchObject({ stale: true, version: "9" });
    expect(await outbox.put(put("4", "new"))).toMatchObject({ stale: true, version: "4" });
  });

  it("and has a newer version than the one that waits: that one is done with, and publishers are to look again", async () => {
    await outbox.put(put("5", "a"));
    expect(await store.correct(node, [says("a", "9")])).toMatchObject({
      settled: [{ version: "5" }],
      ahead: 1,
    });
    expect(await viewOf("a")).toMatchObject({ checkpoint: { version: "9" }, acceptedId: undefined });
  });

  it("and still has what it acked as deleted: it is to be deleted again", async () => {
    await outbox.put(put("5", "a"));
    await settleAll();
    await outbox.put(deletion("6", "a"));
    await settleAll();
    expect(await store.correct(node, [says("a", "5")])).toMatchObject({
      deletions: [{ resource: path("a"), version: "6" }],
      lost: 0,
    });
    expect(await outbox.put(deletion("6", "a"))).toMatchObject({ stale: false });
  });

  it("changes nothing where it says what is known, nor of other nodes", async () => {
    await outbox.put(put("5", "a"));
    await settleAll();
    await store.outbox(other).put({ ...put("5", "a"), node: other });
    const before = await store.resources({ node });
    expect(await store.correct(node, [says("a", "5"), says("none")])).toEqual({
      settled: [],
      deletions: [],
      lost: 0,
      ahead: 0,
    });
    expect(await store.resources({ node })).toEqual(before);
    await store.correct(node, [says("a", "18446744073709551615")]);
    expect(await store.outbox(other).put({ ...put("6", "a"), node: other })).toMatchObject({ stale: false });
  });

  it("is believed about a refused resource, which stays refused", async () => {
    await outbox.put(put("5", "a"));
    const [item] = await waitingIn(outbox);
    if (item) await outbox.refuse(acked(item), "E_REFUSED", "never");
    await store.correct(node, [says("a", "4")]);
    expect(await viewOf("a")).toMatchObject({ state: "refused", checkpoint: { version: "4" } });
  });
});
