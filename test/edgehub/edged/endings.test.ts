import { describe, expect, it } from "vitest";
import { podOf, TestNode } from "./node.ts";

const ending = (graceSeconds: number): object => ({
  deletionTimestamp: "2026-01-01T00:00:10Z",
  deletionGracePeriodSeconds: graceSeconds,
});

describe("a pod that is to end at once", () => {
  it("is killed while a stop with more grace is under way, and the cloud is told", async () => {
    const node = new TestNode();
    node.runtime.stuck.add("main");
    await node.start();
    await node.put("default/pod/web", podOf("web"));
    await node.pass(1_000);
    await node.put("default/pod/web", podOf("web", {}, ending(600)));
    await node.pass(2_000);
    expect(node.runtime.container("main").state).toBe("running");
    await node.put("default/pod/web", podOf("web", {}, ending(0)));
    await node.pass(2_000);
    expect(node.runtime.calls).toContain("stop main 0");
    expect((await node.upstream()).map((one) => one.operation)).toContain("delete");
  });

  it("is removed though it is gone from the store while a stop is under way", async () => {
    const node = new TestNode();
    node.runtime.stuck.add("main");
    await node.start();
    await node.put("default/pod/web", podOf("web"));
    await node.pass(1_000);
    await node.put("default/pod/web", podOf("web", {}, ending(600)));
    await node.pass(1_000);
    await node.put("default/pod/web", podOf("web", {}, ending(0)));
    await node.delete("default/pod/web");
    await node.pass(2_000);
    expect(node.runtime.sandboxes.size).toBe(0);
  });

  it("waits for no hook", async () => {
    const node = new TestNode();
    const lifecycle = { preStop: { sleep: { seconds: 500 } } };
    const containers = [{ name: "main", image: "app:1", lifecycle }];
    await node.start();
    await node.put("default/pod/web", podOf("web", { containers }));
    await node.pass(1_000);
    await node.put("default/pod/web", podOf("web", { containers }, ending(600)));
    await node.pass(5_000);
    expect(node.runtime.calls.filter((call) => call.startsWith("stop"))).toEqual([]);
    await node.put("default/pod/web", podOf("web", { containers }, ending(0)));
    await node.pass(1_000);
    expect(node.runtime.calls).toContain("stop main 0");
  });
});

describe("a pod that is to end while it starts", () => {
  it.each(["deleted", "gone"])("waits for no image, and starts nothing any more: %s", async (how) => {
    const node = new TestNode();
    node.runtime.slowPulls = true;
    await node.start();
    const containers = ["main", "more"].map((name) => ({ name, image: "far:1" }));
    await node.put("default/pod/web", podOf("web", { containers }));
    await node.pass(1_000);
    if (how === "gone") await node.delete("default/pod/web");
    else await node.put("default/pod/web", podOf("web", { containers }, ending(30)));
    await node.pass(2_000);
    expect(node.runtime.calls.slice(1)).toEqual([
      "runSandbox web 0",
      "stopSandbox",
      ...(how === "gone" ? ["removeSandbox"] : []),
    ]);
  });

  it("waits for no hook, and stops what has started", async () => {
    const node = new TestNode();
    const lifecycle = { postStart: { sleep: { seconds: 500 } } };
    const containers = [{ name: "main", image: "app:1", lifecycle }];
    await node.start();
    await node.put("default/pod/web", podOf("web", { containers }));
    await node.pass(1_000);
    await node.put("default/pod/web", podOf("web", { containers }, ending(9)));
    await node.pass(1_000);
    expect(node.runtime.calls).toContain("stop main 9");
  });
});

describe("a sleep hook", () => {
  it("takes its time out of the grace", async () => {
    const node = new TestNode();
    const lifecycle = { preStop: { sleep: { seconds: 4 } } };
    const containers = [{ name: "main", image: "app:1", lifecycle }];
    await node.start();
    await node.put("default/pod/web", podOf("web", { containers }));
    await node.pass(1_000);
    await node.put("default/pod/web", podOf("web", { containers }, ending(10)));
    await node.pass(3_000);
    expect(node.runtime.calls.filter((call) => call.startsWith("stop"))).toEqual([]);
    await node.pass(3_000);
    expect(node.runtime.calls).toContain("stop main 6");
  });
});
