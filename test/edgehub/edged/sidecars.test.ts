import { describe, expect, it, test } from "vitest";
import { planPod } from "../../../edgehub/edged/plan.ts";
import { type Pod, parsePod } from "../../../edgehub/edged/pod.ts";
import type { Action, PodView } from "../../../edgehub/edged/pod-view.ts";
import type { RuntimeContainer, RuntimePod } from "../../../edgehub/edged/runtime.ts";
import { podOf, TestNode } from "./node.ts";

const sidecar = (name: string, more: object = {}): object => ({
  name,
  image: "app:1",
  restartPolicy: "Always",
  ...more,
});
const init = (name: string): object => ({ name, image: "app:1" });

describe("the plan of a pod with sidecars", () => {
  const ended = { exitCode: 0, startedAt: 1_000, finishedAt: 2_000 };

  function sandboxWith(states: Readonly<Record<string, RuntimeContainer["state"] | "failed">>): RuntimePod {
    const containers = Object.entries(states).map(([name, state]) => ({
      id: name,
      name,
      attempt: 0,
      image: "app:1",
      imageId: "i",
      createdAt: 1_000,
      startedAt: 1_000,
      finishedAt: undefined,
      exitCode: undefined,
      reason: "",
      message: "",
      logPath: "",
      ...(state === "exited" || state === "failed" ? ended : {}),
      ...(state === "failed" ? { exitCode: 1 } : {}),
      state: state === "failed" ? ("exited" as const) : state,
    }));
    const identity = { uid: "uid-web", namespace: "default", name: "web" };
    return { ...identity, sandboxId: "s", attempt: 0, ready: true, ip: "", createdAt: 0, containers };
  }

  /** @param started Names of sidecars that have started. */
  function planned(
    spec: object,
    states: Parameters<typeof sandboxWith>[0],
    started: string[] = [],
  ): string[] {
    const pod = parsePod(podOf("web", spec)) as Pod;
    const probes = started.map((id) => [id, { started: true, ready: true, dead: undefined }] as const);
    const view: PodView = {
      pod,
      running: [sandboxWith(states)],
      containers: {},
      failures: new Map(),
      probes: new Map(probes),
      failed: undefined,
      graceSeconds: 30,
      mustWait: false,
      now: 100_000,
    };
    return planPod(view).actions.map(brief);
  }

  function brief(action: Action): string {
    if (action.do === "startContainer") return `start ${action.container.name}`;
    if (action.do === "stopContainer") return `stop ${action.id} in turn ${action.turn}`;
    return action.do;
  }

  const initContainers = [sidecar("one"), init("two"), sidecar("three")];
  test.each<[string, Parameters<typeof sandboxWith>[0], string[], string[]]>([
    ["the first starts alone", {}, [], ["start one"]],
    ["the next waits until it has started", { one: "running" }, [], []],
    ["and follows then", { one: "running" }, ["one"], ["start two"]],
    ["an init container after it has to succeed", { one: "running", two: "running" }, ["one"], []],
    ["then the next sidecar starts", { one: "running", two: "exited" }, ["one"], ["start three"]],
    ["the containers wait for the last", { one: "running", two: "exited", three: "running" }, ["one"], []],
    ["and follow it", { one: "running", two: "exited", three: "running" }, ["one", "three"], ["start main"]],
    [
      "one that ends while others start is started again, and holds up nobody",
      { one: "exited", two: "exited" },
      [],
      ["start one", "start three"],
    ],
    [
      "one that ends beside the containers is started again",
      { one: "running", two: "exited", three: "exited", main: "running" },
      ["one"],
      ["start three"],
    ],
  ])("%s", (_what, states, started, expected) => {
    expect(planned({ initContainers }, states, started)).toEqual(expected);
  });

  it("starts a sidecar again whatever the pod's restart policy says", () => {
    const states = { one: "failed", two: "exited", three: "running", main: "running" } as const;
    expect(planned({ initContainers, restartPolicy: "Never" }, states, ["three"])).toEqual(["start one"]);
  });

  it("ends sidecars after the containers, the last one first, also when only they are left", () => {
    const spec = { initContainers, restartPolicy: "Never" };
    const done = { one: "running", two: "exited", three: "running", main: "failed" } as const;
    expect(planned(spec, done, ["one", "three"])).toEqual([
      "stop one in turn 2",
      "stop three in turn 1",
      "stopSandbox",
    ]);
    const ending = parsePod(podOf("web", spec, { deletionTimestamp: "2026-01-01T00:00:00Z" })) as Pod;
    const view = { pod: ending, running: [sandboxWith({ ...done, main: "running" })] } as unknown as PodView;
    expect(planPod(view).actions.map(brief)).toEqual([
      "stop one in turn 2",
      "stop three in turn 1",
      "stop main in turn 0",
      "stopSandbox",
    ]);
  });
});

describe("a pod with sidecars", () => {
  const probe = { exec: { command: ["check"] }, periodSeconds: 1, failureThreshold: 100 };

  it("starts them first, and counts their probes in its status", async () => {
    const node = new TestNode();
    let startup = 1;
    let readiness = 1;
    node.runtime.execResult = (_id, [command]) => (command === "check" ? startup : readiness);
    await node.start();
    const probes = { startupProbe: probe, readinessProbe: { ...probe, exec: { command: ["ready"] } } };
    await node.put("default/pod/web", podOf("web", { initContainers: [sidecar("proxy", probes)] }));
    await node.pass(3_000);
    let status = await node.status("web");
    expect(status).toMatchObject({ phase: "Pending" });
    expect(status.conditions[0]).toMatchObject({
      type: "Initialized",
      status: "False",
      message: "containers with incomplete status: [proxy]",
    });
    expect(status.initContainerStatuses?.[0]).toMatchObject({ started: false, ready: false });
    startup = 0;
    await node.pass(3_000);
    status = await node.status("web");
    expect(status).toMatchObject({ phase: "Running" });
    expect(status.initContainerStatuses?.[0]).toMatchObject({ started: true, ready: false });
    expect(status.conditions.find((one) => one.type === "ContainersReady")).toMatchObject({
      status: "False",
      message: "containers with unready status: [proxy]",
    });
    readiness = 0;
    await node.pass(3_000);
    expect((await node.status("web")).conditions.map((one) => one.status)).toEqual(Array(4).fill("True"));
  });

  it("that has done its work ends, with success, whatever its sidecars end with", async () => {
    const node = new TestNode();
    await node.start();
    const spec = { restartPolicy: "OnFailure", initContainers: [sidecar("a"), sidecar("b")] };
    await node.put("default/pod/job", podOf("job", spec));
    await node.pass(2_000);
    expect((await node.status("job")).phase).toBe("Running");
    node.runtime.end("main", 0);
    await node.pass(3_000);
    expect(node.runtime.calls.slice(-3)).toEqual(["stop b 30", "stop a 30", "stopSandbox"]);
    const status = await node.status("job");
    expect(status.phase).toBe("Succeeded");
    expect(status.initContainerStatuses?.[0]?.state).toMatchObject({ terminated: { exitCode: 137 } });
  });

  it("gives a sidecar what is left of the grace once the containers have ended", async () => {
    const node = new TestNode();
    node.runtime.stuck.add("main");
    await node.start();
    await node.put("default/pod/web", podOf("web", { initContainers: [sidecar("proxy")] }));
    await node.pass(1_000);
    const metadata = { deletionTimestamp: "2026-01-01T00:00:10Z", deletionGracePeriodSeconds: 10 };
    await node.put("default/pod/web", podOf("web", { initContainers: [sidecar("proxy")] }, metadata));
    await node.pass(5_000);
    expect(node.runtime.container("proxy").state).toBe("running");
    await node.pass(6_000);
    expect(node.runtime.calls).toContain("stop proxy 2");
  });
});
