import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { podOf, TestNode } from "./node.ts";

const conditions = (status: { conditions: { type: string; status: string }[] }): Record<string, string> =>
  Object.fromEntries(status.conditions.map((one) => [one.type, one.status]));

describe("a pod", () => {
  it("runs once it is in the store, and its status goes up", async () => {
    const node = new TestNode();
    await node.start();
    await node.put("default/pod/web", podOf("web"));
    await node.pass(1_000);
    expect(node.runtime.calls).toEqual(["version", "runSandbox web 0", "create main 0", "start main"]);
    const status = await node.status("web");
    expect(status).toMatchObject({
      phase: "Running",
      podIP: "10.0.0.1",
      hostIP: "192.0.2.1",
      qosClass: "BestEffort",
    });
    expect(conditions(status)).toEqual({
      Initialized: "True",
      Ready: "True",
      ContainersReady: "True",
      PodScheduled: "True",
    });
    expect(status.containerStatuses[0]).toMatchObject({
      name: "main",
      ready: true,
      started: true,
      restartCount: 0,
      containerID: "containerd://c2",
    });
    const [message] = await node.upstream();
    expect(message).toMatchObject({ source: "edged", group: "meta", operation: "patch" });
  });

  it("of another node is left alone", async () => {
    const node = new TestNode();
    await node.start();
    await node.put("default/pod/web", podOf("web", { nodeName: "edge-2" }));
    await node.pass(1_000);
    expect(node.runtime.calls).toEqual(["version"]);
  });

  it("is known again by an agent that starts anew without a cloud, and is not started twice", async () => {
    const node = new TestNode();
    await node.start();
    await node.put("default/pod/web", podOf("web"));
    await node.pass(1_000);
    await node.stop();
    const calls = node.runtime.calls.length;
    node.edged = node.newEdged();
    await node.start();
    await node.pass(2_000);
    expect(node.runtime.calls.slice(calls)).toEqual(["version"]);
  });

  it("comes back from the store after the machine's restart, in a new sandbox", async () => {
    const node = new TestNode();
    await node.start();
    await node.put("default/pod/web", podOf("web"));
    await node.pass(1_000);
    await node.stop();
    for (const sandbox of node.runtime.sandboxes.values()) sandbox.ready = false;
    node.runtime.end("main", 255);
    node.edged = node.newEdged();
    await node.start();
    await node.pass(2_000);
    expect(node.runtime.calls).toContain("runSandbox web 1");
    const status = await node.status("web");
    expect(status).toMatchObject({ phase: "Running" });
    expect(status.containerStatuses[0]).toMatchObject({
      restartCount: 1,
      lastState: { terminated: { exitCode: 255 } },
    });
  });

  it("that crashes for ever is started again after growing pauses, and says CrashLoopBackOff", async () => {
    const node = new TestNode();
    node.runtime.exits.set("main", 1);
    await node.start();
    await node.put("default/pod/web", podOf("web"));
    await node.pass(5_000);
    const starts = (): number => node.runtime.calls.filter((call) => call === "start main").length;
    // The second start follows at once, the next ones 10 s, 20 s, 40 s later.
    expect(starts()).toBe(2);
    const status = await node.status("web");
    expect(status.phase).toBe("Running");
    expect(status.containerStatuses[0]).toMatchObject({
      ready: false,
      restartCount: 1,
      state: {
        waiting: {
          reason: "CrashLoopBackOff",
          message: "back-off 10s restarting failed container=main pod=web_default(uid-web)",
        },
      },
      lastState: { terminated: { exitCode: 1, reason: "Error" } },
    });
    await node.pass(9_000);
    expect(starts()).toBe(3);
    await node.pass(15_000);
    expect(starts()).toBe(3);
    await node.pass(8_000);
    expect(starts()).toBe(4);
    expect(node.runtime.all("main")).toHaveLength(2);
  });

  it("ends when it is deleted: stop, then delete upstream, then its rows and files go with the cloud's delete", async () => {
    const node = new TestNode();
    await node.start();
    await node.put("default/pod/web", podOf("web", { volumes: [{ name: "v", emptyDir: {} }] }));
    await node.pass(1_000);
    await node.put(
      "default/pod/web",
      podOf("web", {}, { deletionTimestamp: "2026-01-01T00:00:10Z", deletionGracePeriodSeconds: 7 }),
    );
    await node.pass(3_000);
    expect(node.runtime.calls).toContain("stop main 7");
    expect((await node.status("web")).containerStatuses[0]?.state).toMatchObject({
      terminated: { exitCode: 137 },
    });
    const deletes = (await node.upstream()).filter((one) => one.operation === "delete");
    expect(deletes).toHaveLength(1);
    expect(JSON.parse(Buffer.from(deletes[0]?.content ?? []).toString())).toEqual({
      gracePeriodSeconds: 0,
      preconditions: { uid: "uid-web" },
    });
    expect(node.runtime.sandboxes.size).toBe(1);
    await node.delete("default/pod/web");
    await node.pass(2_000);
    expect(node.runtime.sandboxes.size).toBe(0);
    const rows = node.store.database.prepare("SELECT count(*) FROM edged_pod").pluck();
    await node.until("its rows are gone", () => rows.get() === 0);
    expect(existsSync(join(node.directory, "pods", "uid-web"))).toBe(false);
  });

  it("that was deleted while the agent was away is ended with its own grace", async () => {
    const node = new TestNode();
    await node.start();
    await node.put("default/pod/web", podOf("web", { terminationGracePeriodSeconds: 3 }));
    await node.pass(1_000);
    await node.stop();
    await node.delete("default/pod/web");
    node.edged = node.newEdged();
    await node.start();
    await node.pass(2_000);
    expect(node.runtime.calls).toContain("stop main 3");
    expect(node.runtime.sandboxes.size).toBe(0);
  });

  it("that was deleted is another one when it comes back, whatever its uid", async () => {
    const node = new TestNode();
    const once = podOf("web", { restartPolicy: "Never" });
    node.runtime.exits.set("main", 0);
    await node.start();
    await node.put("default/pod/web", once);
    await node.pass(2_000);
    expect((await node.status("web")).phase).toBe("Succeeded");
    const removal = Promise.withResolvers<void>();
    node.runtime.removals = removal.promise;
    await node.delete("default/pod/web");
    node.runtime.exits.clear();
    await node.put("default/pod/web", once);
    await node.pass(2_000);
    removal.resolve();
    await node.until("it runs", () => node.runtime.all("main").some(({ state }) => state === "running"));
    expect(node.runtime.calls).toContain("removeSandbox");
  });

  it("waits for its end when one of the same name takes its place", async () => {
    const node = new TestNode();
    await node.start();
    await node.put("default/pod/web", podOf("web"));
    await node.pass(1_000);
    await node.put("default/pod/web", podOf("web", {}, { uid: "uid-2" }));
    await node.pass(3_000);
    const calls = node.runtime.calls.slice(4);
    expect(calls.indexOf("removeSandbox")).toBeGreaterThan(-1);
    expect(calls.indexOf("runSandbox web 0")).toBeGreaterThan(calls.indexOf("removeSandbox"));
    expect(node.runtime.sandboxes.size).toBe(1);
  });

  it("whose container's definition changes gets it restarted", async () => {
    const node = new TestNode();
    node.runtime.present.add("app:2");
    await node.start();
    await node.put("default/pod/web", podOf("web", { restartPolicy: "Never" }));
    await node.pass(1_000);
    await node.put(
      "default/pod/web",
      podOf("web", { restartPolicy: "Never", containers: [{ name: "main", image: "app:2" }] }),
    );
    await node.pass(3_000);
    expect(node.runtime.calls.slice(-3)).toEqual(["stop main 30", "create main 1", "start main"]);
    expect(node.runtime.container("main").image).toBe("app:2");
  });

  it("runs its init containers one after the other, then its containers", async () => {
    const node = new TestNode();
    node.runtime.exits.set("first", 0);
    await node.start();
    const initContainers = ["first", "second"].map((name) => ({ name, image: "app:1" }));
    await node.put("default/pod/web", podOf("web", { initContainers }));
    await node.pass(1_000);
    expect(node.runtime.calls.slice(2)).toEqual([
      "create first 0",
      "start first",
      "create second 0",
      "start second",
    ]);
    const waiting = await node.status("web");
    expect(waiting.phase).toBe("Pending");
    expect(waiting.conditions[0]).toMatchObject({
      type: "Initialized",
      status: "False",
      message: "containers with incomplete status: [second]",
    });
    expect(waiting.containerStatuses[0]?.state).toEqual({ waiting: { reason: "PodInitializing" } });
    node.runtime.end("second", 0);
    await node.pass(2_000);
    expect(node.runtime.calls.slice(-2)).toEqual(["create main 0", "start main"]);
    expect((await node.status("web")).phase).toBe("Running");
  });

  it("that is to run once succeeds, and its sandbox is stopped", async () => {
    const node = new TestNode();
    node.runtime.exits.set("main", 0);
    await node.start();
    await node.put("default/pod/job", podOf("job", { restartPolicy: "OnFailure" }));
    await node.pass(3_000);
    const status = await node.status("job");
    expect(status).toMatchObject({ phase: "Succeeded" });
    expect(status.conditions.find((one) => one.type === "Ready")).toMatchObject({
      status: "False",
      reason: "PodCompleted",
    });
    expect(node.runtime.calls.filter((call) => call.startsWith("start"))).toHaveLength(1);
    expect(node.runtime.calls.at(-1)).toBe("stopSandbox");
  });
});

describe("of a pod", () => {
  it("what has ended stays so, though the runtime has forgotten it", async () => {
    const node = new TestNode();
    node.runtime.exits.set("main", 0);
    await node.start();
    await node.put("default/pod/job", podOf("job", { restartPolicy: "Never" }));
    await node.pass(2_000);
    expect((await node.status("job")).phase).toBe("Succeeded");
    node.runtime.sandboxes.clear();
    await node.pass(2_000);
    expect((await node.status("job")).phase).toBe("Succeeded");
    expect(node.runtime.calls.filter((call) => call.startsWith("runSandbox"))).toHaveLength(1);
  });

  it("the last words of a container are in its status", async () => {
    const node = new TestNode();
    await node.start();
    await node.put("default/pod/web", podOf("web", { restartPolicy: "Never" }));
    await node.pass(1_000);
    const mounts = node.runtime.container("main").spec.mounts;
    const file = mounts.find(({ containerPath }) => containerPath === "/dev/termination-log")?.hostPath ?? "";
    writeFileSync(file, "no more coffee");
    node.runtime.end("main", 2);
    await node.pass(2_000);
    const status = await node.status("web");
    expect(status.phase).toBe("Failed");
    expect(status.containerStatuses[0]?.state).toMatchObject({
      terminated: { exitCode: 2, message: "no more coffee" },
    });
  });

  it("the time limit ends it for good", async () => {
    const node = new TestNode();
    await node.start();
    await node.put("default/pod/web", podOf("web", { activeDeadlineSeconds: 60 }));
    await node.pass(50_000);
    expect((await node.status("web")).phase).toBe("Running");
    await node.pass(15_000);
    expect(await node.status("web")).toMatchObject({ phase: "Failed", reason: "DeadlineExceeded" });
    expect(node.runtime.calls).toContain("stop main 30");
    expect(node.runtime.calls.filter((call) => call === "start main")).toHaveLength(1);
  });

  it("programs on the node learn its status, its log, and what a command in it says", async () => {
    const node = new TestNode();
    node.runtime.execResult = () => 5;
    await node.start();
    await node.put("default/pod/web", podOf("web"));
    await node.pass(2_000);
    expect(node.edged.pods()).toMatchObject([
      { namespace: "default", name: "web", isEnding: false, status: { phase: "Running" } },
    ]);
    const place = { namespace: "default", pod: "web", container: "main" };
    expect(await node.edged.logPath(place)).toBe("main/0.log");
    expect(await node.edged.exec(place, ["true"], 1_000)).toMatchObject({ exitCode: 5 });
    await expect(node.edged.logPath({ ...place, container: "none" })).rejects.toMatchObject({
      code: "E_NOT_FOUND",
    });
  });
});

describe("hooks", () => {
  const hooked = (lifecycle: object, metadata: object = {}): object =>
    podOf("web", { containers: [{ name: "main", image: "app:1", lifecycle }] }, metadata);
  const exec = (command: string): object => ({ exec: { command: [command] } });

  it("run after the start and before the stop of a container", async () => {
    const node = new TestNode();
    const run: string[] = [];
    node.runtime.execResult = (_id, [command]) => {
      run.push(`${command} after ${node.runtime.calls.at(-1)}`);
      return 0;
    };
    const lifecycle = { postStart: exec("hello"), preStop: exec("bye") };
    await node.start();
    await node.put("default/pod/web", hooked(lifecycle));
    await node.pass(1_000);
    await node.put("default/pod/web", hooked(lifecycle, { deletionTimestamp: "2026-01-01T00:00:10Z" }));
    await node.pass(1_000);
    expect(run).toEqual(["hello after start main", "bye after start main"]);
    expect(node.runtime.calls).toContain("stop main 30");
  });

  it("that fail after the start end the container, and say so", async () => {
    const node = new TestNode();
    node.runtime.execResult = () => 1;
    await node.start();
    await node.put("default/pod/web", hooked({ postStart: exec("hello") }));
    await node.pass(2_000);
    expect(node.runtime.calls.at(-1)).toBe("stop main 30");
    expect((await node.status("web")).containerStatuses[0]).toMatchObject({
      state: { waiting: { reason: "PostStartHookError" } },
      lastState: { terminated: { exitCode: 137 } },
    });
  });
});

describe("what goes wrong", () => {
  it("an image that is missing is asked for after growing pauses, and starts once it is there", async () => {
    const node = new TestNode();
    await node.start();
    await node.put("default/pod/web", podOf("web", { containers: [{ name: "main", image: "far:1" }] }));
    await node.pass(3_000);
    const state = (await node.status("web")).containerStatuses[0]?.state;
    expect(state).toEqual({
      waiting: { reason: "ImagePullBackOff", message: 'Back-off pulling image "far:1": far:1: not found' },
    });
    expect(node.runtime.calls.filter((call) => call === "pull far:1")).toHaveLength(1);
    node.runtime.registry.add("far:1");
    await node.pass(10_000);
    expect((await node.status("web")).phase).toBe("Running");
  });

  it("an image that is to be pulled always, and cannot be, is used as it is here", async () => {
    const node = new TestNode();
    node.runtime.present.add("app:latest");
    await node.start();
    await node.put("default/pod/web", podOf("web", { containers: [{ name: "main", image: "app:latest" }] }));
    await node.pass(1_000);
    expect(node.runtime.calls).toContain("pull app:latest");
    expect((await node.status("web")).phase).toBe("Running");
  });

  it("a pod that wants a host port another has is refused, and the other is not touched", async () => {
    const node = new TestNode();
    await node.start();
    const containers = [{ name: "main", image: "app:1", ports: [{ containerPort: 80, hostPort: 8080 }] }];
    await node.put("default/pod/a", podOf("a", { containers }));
    await node.pass(1_000);
    const calls = node.runtime.calls.length;
    await node.put("default/pod/b", podOf("b", { containers }));
    await node.pass(2_000);
    const status = await node.status("b");
    expect(status).toMatchObject({ phase: "Failed", reason: "NodePorts" });
    expect(status.message).toContain("host port 8080/TCP is taken by pod default/a");
    expect(node.runtime.calls).toHaveLength(calls);
    expect((await node.status("a")).phase).toBe("Running");
    // Still refused after a restart, whoever comes first then.
    await node.stop();
    node.edged = node.newEdged();
    await node.start();
    expect((await node.status("b")).phase).toBe("Failed");
  });

  it("a pod that has done its work holds no host port, after a restart either", async () => {
    const node = new TestNode();
    node.runtime.exits.set("main", 0);
    const containers = [{ name: "main", image: "app:1", ports: [{ containerPort: 80, hostPort: 8080 }] }];
    await node.start();
    await node.put("default/pod/job", podOf("job", { restartPolicy: "Never", containers }));
    await node.pass(2_000);
    await node.stop();
    await node.put("default/pod/next", podOf("next", { containers }));
    node.edged = node.newEdged();
    await node.start();
    await node.pass(1_000);
    expect((await node.status("next")).reason).toBeNull();
  });

  it("a pod spec that no node can run is refused with the reason, and can be deleted", async () => {
    const node = new TestNode();
    await node.start();
    await node.put("default/pod/bad", podOf("bad", { containers: [{ name: "../../etc", image: "app:1" }] }));
    expect(await node.status("bad")).toMatchObject({ phase: "Failed", reason: "InvalidPodSpec" });
    await node.put(
      "default/pod/bad",
      podOf("bad", { containers: [] }, { deletionTimestamp: "2026-01-01T00:00:10Z" }),
    );
    await node.pass(1_000);
    expect((await node.upstream()).map((one) => one.operation)).toContain("delete");
  });

  it("a runtime that is down is tried again after growing pauses, and what ran before is found", async () => {
    const node = new TestNode();
    await node.start();
    await node.put("default/pod/web", podOf("web"));
    await node.pass(1_000);
    node.runtime.down = true;
    await node.pass(5_000);
    expect(node.edged.runtimeProblem).toBe("container runtime is down: connection refused");
    await node.put("default/pod/next", podOf("next"));
    node.runtime.down = false;
    await node.pass(31_000);
    expect(node.edged.runtimeProblem).toBeUndefined();
    expect((await node.status("next")).phase).toBe("Running");
    expect(node.runtime.calls.filter((call) => call === "start main")).toHaveLength(2);
  });

  it("a pod whose container does not end holds up no other", async () => {
    const node = new TestNode();
    node.runtime.stuck.add("main");
    await node.start();
    await node.put("default/pod/slow", podOf("slow"));
    await node.pass(1_000);
    await node.put("default/pod/slow", podOf("slow", {}, { deletionTimestamp: "2026-01-01T00:00:10Z" }));
    await node.put("default/pod/other", podOf("other", { containers: [{ name: "quick", image: "app:1" }] }));
    await node.pass(2_000);
    expect((await node.status("other")).phase).toBe("Running");
  });

  it("a full outbox keeps no pod from running", async () => {
    const node = new TestNode();
    await node.start();
    node.store.outbox.counts.messages = 1_000;
    await node.put("default/pod/web", podOf("web"));
    await node.pass(1_000);
    expect(node.runtime.calls).toContain("start main");
    node.store.outbox.recount();
    await node.pass(2_000);
    expect((await node.status("web")).phase).toBe("Running");
  });
});
