import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it, onTestFinished } from "vitest";
import type { ObjectChange } from "../../cloudhub/store/resource-store.ts";
import type { SqliteResourceStore } from "../../cloudhub/store/sqlite-resource-store.ts";
import type { KubeObject } from "../../kubernetes/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { temporaryDirectory } from "../support/processes.ts";
import { keyOf, objectOf, openResources, type ResourceStoreLimits } from "../support/resource-store.ts";

const open = async (limits?: ResourceStoreLimits): Promise<SqliteResourceStore> => {
  const store = await openResources(limits);
  onTestFinished(() => store.close());
  return store;
};
const file = (): string => {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  return join(path, "resources.db");
};
const save = (store: SqliteResourceStore, name: string, value: unknown = 1, namespace?: string) =>
  store.put(keyOf(name, namespace), objectOf(name, value, namespace), "any");
const namesOf = (items: readonly KubeObject[]) => items.map((one) => one.metadata.name);
const dataOf = (object: KubeObject | undefined) => (object?.data as { value: unknown } | undefined)?.value;

/** The next changes of a type after a revision. */
async function changesAfter(
  store: SqliteResourceStore,
  after: number,
  count: number,
): Promise<ObjectChange[]> {
  const found: ObjectChange[] = [];
  if (count === 0) return found;
  for await (const change of store.follow("configmaps", after, new AbortController().signal)) {
    found.push(change);
    if (found.length === count) break;
  }
  return found;
}

describe("a write", () => {
  it("gives the object its resourceVersion, greater than all before", async () => {
    const store = await open();
    const one = await save(store, "a");
    const two = await save(store, "b");
    expect(two.revision).toBeGreaterThan(one.revision);
    expect(two.object.metadata.resourceVersion).toBe(String(two.revision));
    expect(store.get(keyOf("b"))).toEqual(two);
    expect(store.revision).toBe(two.revision);
  });

  it("is seen by nobody before it is on the disk", async () => {
    const store = await open();
    const write = save(store, "a");
    expect(store.get(keyOf("a"))).toBeUndefined();
    expect(store.list("configmaps").items).toEqual([]);
    await write;
    expect(store.get(keyOf("a"))).toBeDefined();
  });

  it("finds what it expects, or says what it found instead", async () => {
    const store = await open();
    const key = keyOf("a");
    await expect(store.put(key, objectOf("a"), 5)).rejects.toMatchObject({ reason: "NotFound" });
    await expect(store.remove(key, "any")).rejects.toMatchObject({ reason: "NotFound" });
    const { revision } = await store.put(key, objectOf("a"), "absent");
    await expect(store.put(key, objectOf("a"), "absent")).rejects.toMatchObject({ reason: "AlreadyExists" });
    await expect(store.put(key, objectOf("a"), revision - 1)).rejects.toMatchObject({ reason: "Conflict" });
    await expect(store.remove(key, revision - 1)).rejects.toMatchObject({ reason: "Conflict" });
    await store.put(key, objectOf("a", 2), revision);
    await store.remove(key, "any");
    expect(store.get(key)).toBeUndefined();
  });

  it("loses no update: of many that begin with one version, one is done", async () => {
    const store = await open();
    const { revision } = await save(store, "a");
    const writers = Array.from({ length: 20 }, (_, i) => store.put(keyOf("a"), objectOf("a", i), revision));
    const outcomes = await Promise.allSettled(writers);
    expect(outcomes.filter((one) => one.status === "fulfilled")).toHaveLength(1);
    expect(dataOf(store.get(keyOf("a"))?.object)).toBe(0);
    const creators = await Promise.allSettled(
      [1, 2, 3].map(() => store.put(keyOf("b"), objectOf("b"), "absent")),
    );
    expect(creators.filter((one) => one.status === "fulfilled")).toHaveLength(1);
  });

  it("is refused only when what it was refused for can be read", async () => {
    const store = await open();
    const { revision } = await save(store, "a", 1);
    const winner = store.put(keyOf("a"), objectOf("a", 2), revision);
    await expect(store.put(keyOf("a"), objectOf("a", 3), revision)).rejects.toMatchObject({
      reason: "Conflict",
    });
    expect(dataOf(store.get(keyOf("a"))?.object)).toBe(2);
    const removed = store.remove(keyOf("a"), (await winner).revision);
    await expect(store.remove(keyOf("a"), "any")).rejects.toMatchObject({ reason: "NotFound" });
    expect(store.get(keyOf("a"))).toBeUndefined();
    await removed;
  });

  it("is refused if the object is too large, and changes nothing", async () => {
    const store = await open({ maxObjectCharacters: 1_000 });
    const before = store.revision;
    await expect(save(store, "a", "x".repeat(1_000))).rejects.toMatchObject({ code: 413 });
    expect(store.revision).toBe(before);
  });

  it("keeps nothing of the writer's, and gives out what nobody can change", async () => {
    const store = await open();
    const mine = { ...objectOf("a"), data: { value: [1] } };
    const { object } = await store.put(keyOf("a"), mine, "absent");
    mine.data.value.push(2);
    expect(dataOf(object)).toEqual([1]);
    expect(() => (dataOf(object) as number[]).push(3)).toThrow(TypeError);
    expect(() => Object.assign(object.metadata, { name: "b" })).toThrow(TypeError);
  });

  it("fails when the disk is full, is not seen then, and what was decided on it fails too", async () => {
    const store = await open({ maxBytes: 100_000 });
    const big = "x".repeat(60_000);
    const first = await save(store, "a", big);
    const outcomes = await Promise.allSettled([
      store.put(keyOf("a"), objectOf("a", big), first.revision),
      store.put(keyOf("a"), objectOf("a", "small"), "any"),
      store.put(keyOf("c"), objectOf("c", "small"), "any"),
    ]);
    expect(outcomes.map((one) => one.status)).toEqual(["rejected", "rejected", "fulfilled"]);
    expect(outcomes[0]).toMatchObject({ reason: { code: "E_STORAGE_FULL" } });
    expect(store.get(keyOf("a"))).toEqual(first);
    const again = await store.put(keyOf("a"), objectOf("a", "small"), first.revision);
    expect(await changesAfter(store, first.revision, 2)).toMatchObject([
      { key: { name: "c" } },
      { revision: again.revision, previous: first.object },
    ]);
  });
});

describe("a list", () => {
  it("is sorted by namespace and name, of one namespace or all", async () => {
    const store = await open();
    for (const [namespace, name] of [
      ["b", "x"],
      ["a-b", "x"],
      ["a", "z"],
      ["a", "y"],
      ["", "n"],
    ] as const)
      await save(store, name, 1, namespace);
    const all = store.list("configmaps").items.map((one) => `${one.metadata.namespace}/${one.metadata.name}`);
    expect(all).toEqual(["/n", "a-b/x", "a/y", "a/z", "b/x"]);
    expect(namesOf(store.list("configmaps", { namespace: "a" }).items)).toEqual(["y", "z"]);
    expect(namesOf(store.list("configmaps", { namespace: "" }).items)).toEqual(["n"]);
    expect(store.list("secrets").items).toEqual([]);
  });

  it("goes on page by page as it was when it began, whatever happens meanwhile", async () => {
    const store = await open();
    for (const name of ["a", "b", "c", "d", "e"]) await save(store, name);
    const first = store.list("configmaps", { limit: 2 });
    expect(first).toMatchObject({ remaining: 3, revision: store.revision });
    await store.remove(keyOf("c"), "any");
    await save(store, "d", 2);
    await save(store, "bb");
    await save(store, "e", 2);
    await store.remove(keyOf("e"), "any");
    const second = store.list("configmaps", { limit: 2, continue: first.continue });
    const third = store.list("configmaps", { limit: 2, continue: second.continue });
    expect([first, second, third].map((page) => namesOf(page.items))).toEqual([
      ["a", "b"],
      ["c", "d"],
      ["e"],
    ]);
    expect(second.items.map(dataOf)).toEqual([1, 1]);
    expect([second.revision, third.revision]).toEqual([first.revision, first.revision]);
    expect(third.continue).toBeUndefined();
  });

  it("that began too long ago is to be begun anew", async () => {
    const store = await open({ changes: 3 });
    for (const name of ["a", "b", "c"]) await save(store, name);
    const page = store.list("configmaps", { limit: 1 });
    for (let i = 0; i < 4; i++) await save(store, "a", i);
    expect(() => store.list("configmaps", { limit: 1, continue: page.continue })).toThrow(/begin it anew/);
  });

  it("refuses a continue token that it has not given", async () => {
    const store = await open();
    for (const token of ["x", "e30", "a".repeat(5_000)])
      expect(() => store.list("configmaps", { continue: token })).toThrow(/continue is not a token/);
  });

  it("counts what it looks at, not what it finds, towards nothing but the page", async () => {
    const store = await open();
    for (let i = 0; i < 9; i++) await save(store, `n${i}`, i % 3);
    const matches = (object: KubeObject): boolean => dataOf(object) === 0;
    const first = store.list("configmaps", { limit: 2, matches });
    expect(namesOf(first.items)).toEqual(["n0", "n3"]);
    expect(first.remaining).toBeUndefined();
    expect(namesOf(store.list("configmaps", { limit: 2, matches, continue: first.continue }).items)).toEqual([
      "n6",
    ]);
  });
});

describe("following", () => {
  it("tells each change with what was before it", async () => {
    const store = await open();
    const start = store.revision;
    const created = await save(store, "a", 1);
    const changed = await save(store, "a", 2);
    const removed = await store.remove(keyOf("a"), changed.revision);
    expect(removed.object.metadata.resourceVersion).toBe(String(removed.revision));
    expect(await changesAfter(store, start, 3)).toEqual([
      {
        key: created.key,
        revision: created.revision,
        object: created.object,
        previous: undefined,
        deleted: false,
      },
      {
        key: created.key,
        revision: changed.revision,
        object: changed.object,
        previous: created.object,
        deleted: false,
      },
      {
        key: created.key,
        revision: removed.revision,
        object: removed.object,
        previous: changed.object,
        deleted: true,
      },
    ]);
  });

  it("ends a reader who is too slow, and refuses one who comes too late", async () => {
    const store = await open({ changes: 3 });
    const { revision } = await save(store, "a");
    const slow = store.follow("configmaps", revision, new AbortController().signal)[Symbol.asyncIterator]();
    for (let i = 0; i < 5; i++) await save(store, "a", i);
    await expect(slow.next()).rejects.toMatchObject({ reason: "Expired", code: 410 });
    expect(() => store.follow("configmaps", revision, new AbortController().signal)).toThrow(
      /too old resource version/,
    );
  });

  it("is bounded by size too, but always tells of the newest change", async () => {
    const store = await open({ characters: 500 });
    const start = store.revision;
    await save(store, "a", "x".repeat(1_000));
    expect(await changesAfter(store, start, 1)).toHaveLength(1);
    await save(store, "b");
    expect(() => store.follow("configmaps", start, new AbortController().signal)).toThrow(/too old/);
  });

  it("does not forget the changes of one type because of another", async () => {
    const store = await open({ changes: 3 });
    const { revision } = await save(store, "a");
    for (let i = 0; i < 20; i++) await store.put(keyOf("l", "x", "leases"), objectOf("l", i), "any");
    await save(store, "a", 2);
    expect(await changesAfter(store, revision, 1)).toMatchObject([{ key: { name: "a" } }]);
  });

  it("waits for what comes, and ends with its signal", async () => {
    const store = await open();
    const end = new AbortController();
    const changes = store.follow("configmaps", store.revision, end.signal)[Symbol.asyncIterator]();
    const next = changes.next();
    await save(store, "a");
    expect(await next).toMatchObject({ value: { key: { name: "a" } } });
    const last = changes.next();
    end.abort();
    expect(await last).toMatchObject({ done: true });
  });

  it("does not begin at a version that this store has not given", async () => {
    const store = await open();
    await save(store, "a");
    expect(() => store.follow("configmaps", store.revision + 1, new AbortController().signal)).toThrow(
      /not one that/,
    );
  });
});

describe("a restart", () => {
  it("finds all objects, and watches go on where they were", async () => {
    const path = file();
    const first = await openResources({ file: path });
    await save(first, "a", 1);
    const { revision } = await save(first, "b", 1);
    await save(first, "a", 2);
    await first.remove(keyOf("b"), "any");
    const [items, told] = [first.list("configmaps"), await changesAfter(first, revision, 2)];
    await first.close();
    const second = await open({ file: path, create: false });
    expect(second.list("configmaps")).toEqual(items);
    expect(await changesAfter(second, revision, 2)).toEqual(told);
    expect((await save(second, "c")).revision).toBeGreaterThan(items.revision);
  });

  it("never gives a version again, also after everything was removed and forgotten", async () => {
    const path = file();
    const first = await openResources({ file: path, changes: 1 });
    await save(first, "a");
    const { revision } = await first.remove(keyOf("a"), "any");
    await first.close();
    const second = await openResources({ file: path, create: false, changes: 1 }, new FakeClock(0));
    onTestFinished(() => second.close());
    expect(second.revision).toBeGreaterThanOrEqual(revision - 1);
    expect((await save(second, "b")).revision).toBeGreaterThan(revision);
  });

  it("keeps on disk only what is and what can be followed", async () => {
    const path = file();
    const first = await openResources({ file: path, changes: 10 });
    for (let i = 0; i < 1_000; i++) await save(first, `n${i % 7}`, i);
    const told = await changesAfter(first, first.list("configmaps").revision - 5, 5);
    const before = first.revision - 100;
    await first.close();
    const database = new Database(path, { readonly: true });
    const rows = database.prepare("SELECT count(*) FROM version").pluck().get();
    database.close();
    expect(rows).toBeLessThanOrEqual(7 + 10);
    const second = await open({ file: path, create: false, changes: 10 });
    expect(await changesAfter(second, second.revision - 5, 5)).toEqual(told);
    expect(() => second.follow("configmaps", before, new AbortController().signal)).toThrow(/too old/);
  });

  it("from an old backup gives greater versions than any before it, and refuses those of the lost time", async () => {
    const path = file();
    const clock = new FakeClock();
    const first = await openResources({ file: path }, clock);
    const { revision } = await save(first, "a");
    await first.close();
    // What was written after the backup is lost.
    await clock.advance(60_000);
    const second = await openResources({ file: path, create: false }, clock);
    onTestFinished(() => second.close());
    expect(() => second.follow("configmaps", revision + 5, new AbortController().signal)).toThrow(
      /not one that/,
    );
    expect((await save(second, "a")).revision).toBeGreaterThan(revision + 50_000);
    expect(() => second.follow("configmaps", revision + 5, new AbortController().signal)).toThrow(
      /not one that/,
    );
    expect(await changesAfter(second, revision, 1)).toHaveLength(1);
  });
});
