import { afterEach, describe, expect, it } from "vitest";
import { openEdgeStore } from "../support/edge-store.ts";
import { messageOf, put } from "../support/hub-store.ts";

const key = "default/configmap/limits";
const hub = "store-of-the-hub";
type World = ReturnType<typeof openEdgeStore>;
const open: World[] = [];
const world = (): World => {
  const made = openEdgeStore();
  open.push(made);
  return made;
};
afterEach(() => {
  for (const { store } of open.splice(0)) store.close();
});

const apply = (w: World, message: ReturnType<typeof put>, origin = hub) =>
  w.committed(w.store.apply(message, origin));
const object = (uid: string) => ({ kind: "ConfigMap", metadata: { uid } });

describe("applying", () => {
  it("stores an update of something it has never seen", async () => {
    const w = world();
    expect(await apply(w, put("5"))).toBe("stored");
    expect(w.store.meta.get(key)).toMatchObject({
      version: "5",
      type: "configmap",
      namespace: "default",
      name: "limits",
    });
  });

  it("is changed by nothing it has already, and by nothing older", async () => {
    const w = world();
    await apply(w, put("5", "limits", { content: { data: "new" } }));
    expect(await apply(w, put("5", "limits", { content: { data: "other" } }))).toBe("unchanged");
    expect(await apply(w, put("4", "limits", { content: { data: "old" } }))).toBe("unchanged");
    expect(new TextDecoder().decode(w.store.meta.get(key)?.value)).toBe('{"data":"new"}');
  });

  it("keeps the content's text as it came", async () => {
    const w = world();
    const text = '{"data":{"big":12345678901234567890},"note":"<&>"}';
    await apply(w, put("1", "limits", { content: new TextEncoder().encode(text) }));
    expect(new TextDecoder().decode(w.store.meta.get(key)?.value)).toBe(text);
  });

  it("keeps a resource without a namespace apart from one of the same name", async () => {
    const w = world();
    await apply(w, messageOf({ resource: "null/node/edge-1", resourceVersion: "1" }));
    expect(w.store.meta.get("null/node/edge-1")).toMatchObject({ namespace: undefined, type: "node" });
  });

  it("takes any version of another store as newer: numbering has begun anew", async () => {
    const w = world();
    await apply(w, put("900"));
    expect(await apply(w, put("3"), "store-of-another-hub")).toBe("stored");
    expect(w.store.meta.get(key)?.version).toBe("3");
    expect(await apply(w, put("2"), "store-of-another-hub")).toBe("unchanged");
  });
});

describe("deleting", () => {
  const remove = (draft: Parameters<typeof messageOf>[0] = {}) =>
    messageOf({ operation: "delete", ...draft });

  it("deletes with a version, and remembers it", async () => {
    const w = world();
    await apply(w, put("5"));
    expect(await apply(w, remove({ resourceVersion: "6" }))).toBe("deleted");
    expect(w.store.meta.get(key)).toBeUndefined();
    expect(await apply(w, put("5"))).toBe("unchanged");
    expect(await apply(w, put("7"))).toBe("stored");
  });

  it("deletes without a version, as a KubeEdge cloud does", async () => {
    const w = world();
    await apply(w, put("5"));
    expect(await apply(w, remove())).toBe("deleted");
    expect(await apply(w, put("5"))).toBe("unchanged");
    expect(await apply(w, put("6"))).toBe("stored");
  });

  it("does not let an old deletion remove a newer object", async () => {
    const w = world();
    await apply(w, put("8"));
    expect(await apply(w, remove({ resourceVersion: "6" }))).toBe("unchanged");
    expect(w.store.meta.get(key)?.version).toBe("8");
  });

  it("does not let the deletion of another object of the same name remove this one", async () => {
    const w = world();
    await apply(w, put("8", "limits", { content: object("second") }));
    expect(await apply(w, remove({ content: object("first") }))).toBe("unchanged");
    expect(await apply(w, remove({ content: object("second") }))).toBe("deleted");
  });

  it("takes the deletion of something it never had, so that an older put stays out", async () => {
    const w = world();
    expect(await apply(w, remove({ resourceVersion: "6" }))).toBe("unchanged");
    expect(await apply(w, put("5"))).toBe("unchanged");
  });
});

describe("telling", () => {
  it("tells of every change after its commit, in order, and of nothing else", async () => {
    const w = world();
    const told: unknown[] = [];
    w.store.onChange(({ key: changed, applied }) =>
      told.push([changed, applied, w.store.meta.get(key)?.version]),
    );
    await apply(w, put("5"));
    await apply(w, put("5"));
    await apply(w, put("6"));
    await apply(w, messageOf({ operation: "delete", resourceVersion: "7" }));
    expect(told).toEqual([
      [key, "stored", "5"],
      [key, "stored", "6"],
      [key, "deleted", undefined],
    ]);
  });

  it("tells all listeners, also when one of them throws", async () => {
    const w = world();
    const told: string[] = [];
    w.store.onChange(() => {
      throw new Error("cannot bear it");
    });
    w.store.onChange(({ key: changed }) => told.push(changed));
    await expect(apply(w, put("5"))).rejects.toThrow("cannot bear it");
    expect([told, w.store.meta.get(key)?.version]).toEqual([[key], "5"]);
  });
});
