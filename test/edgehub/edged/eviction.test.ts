import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { shortageOf, victimOf } from "../../../edgehub/edged/eviction.ts";
import { type Pod, parsePod } from "../../../edgehub/edged/pod.ts";
import { podOf, TestNode } from "./node.ts";

const gibibyte = 2 ** 30;
const plenty = { memoryBytes: gibibyte, diskBytes: 50 * gibibyte, diskTotalBytes: 100 * gibibyte };

describe("a node", () => {
  it("is short of what a kubelet's hard thresholds say", () => {
    expect(shortageOf(plenty, plenty)).toBeUndefined();
    expect(shortageOf({ ...plenty, memoryBytes: (100 << 20) - 1 }, plenty)?.resource).toBe("memory");
    expect(shortageOf({ ...plenty, diskBytes: 9.9 * gibibyte }, plenty)?.resource).toBe("ephemeral-storage");
    expect(shortageOf(plenty, { ...plenty, diskBytes: 14.9 * gibibyte })?.resource).toBe("ephemeral-storage");
    const nothing = { memoryBytes: undefined, diskBytes: undefined, diskTotalBytes: undefined };
    expect(shortageOf(nothing, undefined)).toBeUndefined();
  });

  it("parts with the lowest priority first, then with what has no requests, then with the newest", () => {
    const pod = (name: string, spec: object, minute = 0): Pod =>
      parsePod(podOf(name, spec, { creationTimestamp: `2026-01-01T00:0${minute}:00Z` })) as Pod;
    const requests = { name: "main", image: "app:1", resources: { requests: { memory: "1Mi" } } };
    const pods = [
      pod("critical", { priority: 2_000_000_000 }),
      pod("high", { priority: 10 }),
      pod("asks", { containers: [requests] }),
      pod("old", {}, 1),
      pod("new", {}, 2),
      pod("low", { priority: -5, containers: [requests] }),
    ];
    const order: string[] = [];
    for (let left = pods; ; left = left.filter(({ name }) => !order.includes(name))) {
      const victim = victimOf(left);
      if (victim === undefined) break;
      order.push(victim.name);
    }
    expect(order).toEqual(["low", "new", "old", "asks", "high"]);
  });
});

describe("pods of a node that is short", () => {
  it("of memory go one at a time, at once, until there is enough; none without requests comes in", async () => {
    const node = new TestNode();
    await node.start();
    for (const [name, priority] of [
      ["low", 1],
      ["mid", 2],
      ["high", 3],
    ] as const)
      await node.put(`default/pod/${name}`, podOf(name, { priority }));
    await node.pass(2_000);
    node.free.memoryBytes = 50 << 20;
    await node.pass(12_000);
    expect(await node.status("low")).toMatchObject({
      phase: "Failed",
      reason: "Evicted",
      message: "The node was low on resource: memory. Threshold quantity: 104857600, available: 51200Ki. ",
    });
    expect(node.runtime.calls.filter((call) => call.startsWith("stop "))).toEqual(["stop main 0"]);
    expect((await node.status("mid")).phase).toBe("Running");
    // It keeps no room.
    expect(node.runtime.sandboxes.size).toBe(2);
    await node.until("its files go", () => !existsSync(join(node.directory, "pods", "uid-low")));
    await node.until("the next one goes", () => node.runtime.sandboxes.size === 1);
    expect((await node.status("mid")).phase).toBe("Failed");
    node.free.memoryBytes = gibibyte;
    await node.pass(30_000);
    expect((await node.status("high")).phase).toBe("Running");
    await node.put("default/pod/late", podOf("late"));
    await node.pass(1_000);
    expect(await node.status("late")).toMatchObject({
      phase: "Failed",
      reason: "Evicted",
      message: "The node had condition: [MemoryPressure]. ",
    });
    await node.pass(300_000);
    await node.put("default/pod/later", podOf("later"));
    await node.pass(1_000);
    expect((await node.status("later")).phase).toBe("Running");
    // What was evicted stays so, after a restart too.
    await node.stop();
    node.edged = node.newEdged();
    await node.start();
    await node.pass(2_000);
    expect((await node.status("low")).phase).toBe("Failed");
  });

  it("of disk stay if unused images are enough", async () => {
    const node = new TestNode();
    node.runtime.imagePath = node.directory;
    await node.start();
    await node.put("default/pod/web", podOf("web"));
    node.runtime.present.add("old:1");
    await node.pass(400_000);
    node.free.diskBytes = gibibyte;
    await node.until("the image goes", () => node.runtime.calls.includes("removeImage sha256:old:1"));
    node.free.diskBytes = 50 * gibibyte;
    await node.pass(30_000);
    expect((await node.status("web")).phase).toBe("Running");
    expect(node.runtime.present.has("app:1")).toBe(true);
  });

  it("go though they wait for an image", async () => {
    const node = new TestNode();
    node.runtime.slowPulls = true;
    await node.start();
    await node.put("default/pod/web", podOf("web", { containers: [{ name: "main", image: "far:1" }] }));
    await node.pass(2_000);
    node.free.memoryBytes = 0;
    await node.pass(15_000);
    expect(await node.status("web")).toMatchObject({ phase: "Failed", reason: "Evicted" });
    expect(node.runtime.sandboxes.size).toBe(0);
  });

  it("stay if eviction is switched off", async () => {
    const node = new TestNode({ eviction: false });
    node.free = { memoryBytes: 0, diskBytes: 0 };
    await node.start();
    await node.put("default/pod/web", podOf("web"));
    await node.pass(30_000);
    expect((await node.status("web")).phase).toBe("Running");
  });
});
