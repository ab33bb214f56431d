import { describe, expect, it } from "vitest";
import { configMaps, pods } from "../../../controllers/runtime/kinds.ts";
import { HubError } from "../../../protocol/index.ts";
import { DynamicWorld, watchOf } from "./world.ts";

const minute = 60_000;

describe("a watch of a node", () => {
  it("is fed with what there is and what changes, once", async () => {
    const world = await new DynamicWorld().start();
    await world.configMap("a", { room: "hall" });
    await world.configMap("b");
    expect(await world.watch("edge-1", "room=hall")).toMatchObject({ Status: "Approved" });
    expect(world.hub.news("edge-1")).toContain("insert default/configmap/a");
    expect(await world.held("edge-1")).toEqual(["default/configmap/a"]);
    await world.watch("edge-1", "room=hall");
    world.hub.link("edge-1", true);
    await world.settle();
    expect(world.hub.news("edge-1")).toEqual(["applicationResponse ignore/Application/ignore"]);
    await world.objects.patch(configMaps, { namespace: "default", name: "b" }, "merge", {
      metadata: { labels: { room: "hall" } },
    });
    await world.settle();
    expect(world.hub.news("edge-1")).toEqual(["insert default/configmap/b"]);
    expect(await world.held("edge-2")).toEqual([]);
  });

  it("stays for a while after its end, and is gone with all it brought then", async () => {
    const world = await new DynamicWorld({ keepMs: 10 * minute }).start();
    await world.configMap("a");
    await world.watch("edge-1");
    await world.sync("edge-1", []);
    await world.clock.advance(5 * minute);
    await world.configMap("b");
    await world.settle();
    expect(await world.held("edge-1")).toEqual(["default/configmap/a", "default/configmap/b"]);
    await world.sync("edge-1", [""]);
    await world.clock.advance(30 * minute);
    await world.settle();
    expect(await world.held("edge-1")).toHaveLength(2);
    await world.sync("edge-1", []);
    await world.clock.advance(11 * minute);
    await world.settle();
    expect(await world.held("edge-1")).toEqual([]);
    const kept = await world.objects.list(configMaps, { namespace: "kubeedge" });
    expect(kept.items).toEqual([]);
  });

  it("is gone on with by the next controller, which takes away what has ended meanwhile", async () => {
    const world = await new DynamicWorld().start();
    await world.configMap("a");
    await world.configMap("b");
    await world.watch("edge-1");
    world.hub.news();
    await world.stop();
    await world.objects.delete(configMaps, { namespace: "default", name: "a" });
    await world.configMap("c");
    await world.start();
    expect(world.hub.news("edge-1").sort()).toEqual([
      "delete default/configmap/a",
      "insert default/configmap/c",
    ]);
    expect(world.hub.published).toEqual([]);
    await world.stop();
    await world.start();
    expect(world.hub.news("edge-1")).toEqual([]);
  });

  it("ends when the node may not watch any more, and is not begun by one that may not", async () => {
    const world = await new DynamicWorld().start();
    await world.configMap("a");
    await world.watch("edge-1");
    world.allowed = false;
    expect(await world.watch("edge-2")).toMatchObject({
      Status: "Rejected",
      Error: { ErrStatus: { reason: "Forbidden" } },
    });
    await world.clock.advance(11 * minute);
    await world.settle();
    expect(await world.held("edge-1")).toEqual([]);
    expect(await world.held("edge-2")).toEqual([]);
  });

  it("is the same after restarts of its node, which give it another id", async () => {
    const world = await new DynamicWorld({ maxWatches: 2 }).start();
    await world.configMap("a", { room: "hall" });
    for (let life = 0; life < 10; life++) {
      world.hub.link("edge-1", true);
      for (const selector of ["", "room=hall"]) {
        const request = { resourceVersion: String(life), timeoutSeconds: 300 + life };
        expect(await world.watch("edge-1", selector, request)).toMatchObject({ Status: "Approved" });
      }
      expect(await world.kept()).toBe(2);
    }
    expect(await world.sync("edge-1", [""])).toEqual({});
    await world.clock.advance(11 * minute);
    await world.settle();
    expect(await world.kept()).toBe(1);
  });

  it("of two programs ends with the later one", async () => {
    const world = await new DynamicWorld({ keepMs: minute }).start();
    await world.configMap("a");
    const [one, other] = [1, 2].map((timeoutSeconds) => watchOf("edge-1", "", { timeoutSeconds }));
    for (const watch of [one, other]) await world.ask("edge-1", "null", watch);
    await world.ask("edge-1", "watchapp/sync", { [other?.ID ?? ""]: other });
    await world.clock.advance(5 * minute);
    expect(await world.held("edge-1")).toEqual(["default/configmap/a"]);
    await world.sync("edge-1", []);
    await world.clock.advance(5 * minute);
    await world.settle();
    expect(await world.held("edge-1")).toEqual([]);
    expect(await world.kept()).toBe(0);
  });

  it("is one of so many, and brings so much", async () => {
    const world = await new DynamicWorld({ maxWatches: 2, maxObjects: 3 }).start();
    for (const name of ["a", "b", "c", "d"]) await world.configMap(name, { name });
    await world.watch("edge-1", "name=a");
    await world.watch("edge-1");
    expect(await world.watch("edge-1", "name=c")).toMatchObject({
      Status: "Rejected",
      Error: { ErrStatus: { reason: "TooManyRequests" } },
    });
    expect(await world.held("edge-1")).toHaveLength(3);
    expect(world.log.lines.map(({ event }) => event)).toContain("a node watches more objects than it may");
    const [first = ""] = await world.held("edge-1");
    await world.objects.delete(configMaps, { namespace: "default", name: first.split("/")[2] ?? "" });
    await world.settle();
    expect(await world.held("edge-1")).toHaveLength(3);
    expect(await world.held("edge-1")).not.toContain(first);
  });

  it("has no more bytes than it may", async () => {
    const world = await new DynamicWorld({ maxBytes: 5_000 }).start();
    await world.configMap("a", {}, "x".repeat(3_000));
    await world.configMap("b", {}, "x".repeat(3_000));
    await world.watch("edge-1");
    expect(await world.held("edge-1")).toHaveLength(1);
  });

  it("waits where a node's queue is full, and is forgotten with the node", async () => {
    const world = await new DynamicWorld().start();
    await world.watch("edge-1");
    world.hub.failure = new HubError("E_BACKLOG_FULL", "full");
    await world.configMap("a");
    await world.settle();
    world.hub.failure = undefined;
    await world.clock.advance(minute);
    await world.settle();
    expect(await world.held("edge-1")).toEqual(["default/configmap/a"]);
    world.hub.failure = new HubError("E_UNKNOWN_NODE", "gone");
    await world.configMap("b");
    await world.settle();
    const kept = await world.objects.list(configMaps, { namespace: "kubeedge" });
    expect(kept.items).toEqual([]);
  });
});

describe("beside an edge-controller", () => {
  it("leaves to it what pods of the node need, and brings it on when they are gone", async () => {
    const world = await new DynamicWorld({}, ["edge", "dynamic"]).start();
    await world.configMap("a");
    await world.watch("edge-1");
    await world.pod("reader", "edge-1", "a");
    await world.clock.advance(6_000);
    await world.settle();
    await world.sync("edge-1", []);
    await world.clock.advance(11 * minute);
    await world.settle();
    // The pod still needs it.
    expect(await world.held("edge-1")).toEqual(["default/configmap/a"]);
    await world.watch("edge-1");
    await world.objects.delete(pods, { namespace: "default", name: "reader" }, { gracePeriodSeconds: 0 });
    await world.clock.advance(6_000);
    await world.settle();
    expect(await world.held("edge-1", "pod")).toEqual([]);
    expect(await world.held("edge-1")).toEqual(["default/configmap/a"]);
  });
});
