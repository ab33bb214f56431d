import { describe, expect, it, test } from "vitest";
import {
  crashMaxMs,
  crashWaitMs,
  goDuration,
  nextCrashBackoff,
} from "../../../edgehub/edged/crash-backoff.ts";
import { planPod } from "../../../edgehub/edged/plan.ts";
import { type Pod, parsePod } from "../../../edgehub/edged/pod.ts";
import { type Phase, podStatusOf } from "../../../edgehub/edged/pod-status.ts";
import {
  type Action,
  type ContainerMemory,
  historyOf,
  type PodView,
  type StartFailure,
} from "../../../edgehub/edged/pod-view.ts";
import { noProbes } from "../../../edgehub/edged/probe.ts";
import type { RuntimeContainer, RuntimePod } from "../../../edgehub/edged/runtime.ts";
import { randomOf, seeds } from "../../support/seeds.ts";
import { podOf } from "./node.ts";

const pod = (spec: object = {}, metadata: object = {}): Pod => parsePod(podOf("web", spec, metadata)) as Pod;

function container(
  name: string,
  attempt: number,
  state: RuntimeContainer["state"],
  more: Partial<RuntimeContainer> = {},
): RuntimeContainer {
  const ended = state === "exited";
  return {
    id: `${name}-${attempt}`,
    name,
    attempt,
    state,
    image: "app:1",
    imageId: "i",
    createdAt: 1_000,
    startedAt: state === "created" ? undefined : 1_000,
    finishedAt: ended ? 2_000 : undefined,
    exitCode: ended ? 1 : undefined,
    reason: ended ? "Error" : "",
    message: "",
    logPath: "",
    ...more,
  };
}

function sandbox(attempt: number, ready: boolean, containers: readonly RuntimeContainer[] = []): RuntimePod {
  return {
    sandboxId: `s${attempt}`,
    uid: "uid-web",
    namespace: "default",
    name: "web",
    attempt,
    ready,
    ip: "10.0.0.1",
    createdAt: attempt,
    containers,
  };
}

function view(more: Partial<PodView>): PodView {
  return {
    pod: pod(),
    running: [],
    containers: {},
    failures: new Map(),
    probes: new Map(),
    failed: undefined,
    graceSeconds: 30,
    mustWait: false,
    now: 100_000,
    ...more,
  };
}

const brief = (actions: readonly Action[]): string[] =>
  actions.map((action) => {
    if (action.do === "startContainer") return `start ${action.container.name} ${action.attempt}`;
    if (action.do === "runSandbox") return `run sandbox ${action.attempt}`;
    return "id" in action ? `${action.do} ${action.id}` : action.do;
  });
const planned = (more: Partial<PodView>): string[] => brief(planPod(view(more)).actions);
const succeeded = { exitCode: 0, reason: "Completed" };

describe("a plan", () => {
  const two = { containers: ["a", "b"].map((name) => ({ name, image: "app:1" })) };
  test.each<[string, Partial<PodView>, string[]]>([
    ["a new pod gets a sandbox", {}, ["run sandbox 0"]],
    ["a pod that must wait gets nothing", { mustWait: true }, []],
    [
      "in a new sandbox all containers start",
      { pod: pod(two), running: [sandbox(0, true)] },
      ["start a 0", "start b 0"],
    ],
    ["what runs is left alone", { running: [sandbox(0, true, [container("main", 0, "running")])] }, []],
    [
      "one that was made but not started is made anew",
      { running: [sandbox(0, true, [container("main", 0, "created")])] },
      ["removeContainer main-0", "start main 1"],
    ],
    [
      "an end is followed by a start",
      { running: [sandbox(0, true, [container("main", 0, "exited")])] },
      ["start main 1"],
    ],
    [
      "a success is final for OnFailure",
      {
        pod: pod({ restartPolicy: "OnFailure" }),
        running: [sandbox(0, true, [container("main", 0, "exited", succeeded)])],
      },
      ["stopSandbox s0"],
    ],
    [
      "a failure is not, for OnFailure",
      {
        pod: pod({ restartPolicy: "OnFailure" }),
        running: [sandbox(0, true, [container("main", 0, "exited")])],
      },
      ["start main 1"],
    ],
    [
      "any end is final for Never",
      { pod: pod({ restartPolicy: "Never" }), running: [sandbox(0, true, [container("main", 0, "exited")])] },
      ["stopSandbox s0"],
    ],
    [
      "a sandbox that has ended is replaced",
      { running: [sandbox(0, false, [container("main", 0, "exited")])] },
      ["stopSandbox s0", "run sandbox 1"],
    ],
    [
      "and what has done its work in it does not start again for OnFailure",
      {
        pod: pod({ ...two, restartPolicy: "OnFailure" }),
        running: [
          sandbox(0, false, [container("a", 0, "exited", succeeded), container("b", 0, "exited")]),
          sandbox(1, true),
        ],
      },
      ["start b 1"],
    ],
    [
      "but not for a pod that has done its work",
      {
        pod: pod({ restartPolicy: "OnFailure" }),
        running: [sandbox(0, false, [container("main", 0, "exited", succeeded)])],
      },
      [],
    ],
    [
      "nor for one that runs once and has begun",
      {
        pod: pod({ restartPolicy: "Never" }),
        running: [sandbox(0, false, [container("main", 0, "exited")])],
      },
      [],
    ],
    [
      "a container of unknown state is stopped first",
      { running: [sandbox(0, true, [container("main", 0, "unknown")])] },
      ["stopContainer main-0"],
    ],
    [
      "only two of the dead are kept",
      {
        running: [
          sandbox(
            0,
            true,
            [0, 1, 2, 3].map((n) => container("main", n, n === 3 ? "running" : "exited")),
          ),
        ],
      },
      ["removeContainer main-0", "removeContainer main-1"],
    ],
    [
      "an old sandbox goes when all in it was replaced twice",
      {
        running: [
          sandbox(0, false, [container("main", 0, "exited")]),
          sandbox(1, true, [container("main", 1, "exited"), container("main", 2, "running")]),
        ],
      },
      ["removeSandbox s0"],
    ],
    [
      "a pod that is not wanted is stopped and removed",
      { pod: undefined, running: [sandbox(0, true, [container("main", 0, "running")])] },
      ["stopContainer main-0", "stopSandbox s0", "removeSandbox s0"],
    ],
    ["and forgotten", { pod: undefined }, ["forget"]],
    [
      "a pod that is to end is stopped",
      {
        pod: pod({}, { deletionTimestamp: "2026-01-01T00:00:00Z" }),
        running: [sandbox(0, true, [container("main", 0, "running")])],
      },
      ["stopContainer main-0", "stopSandbox s0"],
    ],
    [
      "and that is told when nothing runs",
      {
        pod: pod({}, { deletionTimestamp: "2026-01-01T00:00:00Z" }),
        running: [sandbox(0, false, [container("main", 0, "exited")])],
      },
      ["reportEnd"],
    ],
    [
      "one that has failed for good is stopped, and nothing is told",
      {
        failed: { reason: "X", message: "" },
        running: [sandbox(0, true, [container("main", 0, "running")])],
      },
      ["stopContainer main-0", "stopSandbox s0"],
    ],
  ])("%s", (_what, more, expected) => {
    expect(planned(more)).toEqual(expected);
  });

  const init = pod({ initContainers: ["one", "two"].map((name) => ({ name, image: "app:1" })) });
  test.each<[string, readonly RuntimeContainer[], string[]]>([
    ["the first init container starts alone", [], ["start one 0"]],
    ["the next one waits for it", [container("one", 0, "running")], []],
    ["the next one follows its success", [container("one", 0, "exited", succeeded)], ["start two 0"]],
    ["a failure is tried again", [container("one", 0, "exited")], ["start one 1"]],
    [
      "the containers follow the last",
      [container("one", 0, "exited", succeeded), container("two", 0, "exited", succeeded)],
      ["start main 0"],
    ],
    [
      "no init container starts again beside them",
      [container("two", 0, "exited", succeeded), container("main", 0, "running")],
      [],
    ],
  ])("%s", (_what, containers, expected) => {
    expect(planned({ pod: init, running: [sandbox(0, true, containers)] })).toEqual(expected);
  });

  it("ends a pod that runs once when an init container fails", () => {
    const once = pod({ restartPolicy: "Never", initContainers: [{ name: "one", image: "app:1" }] });
    expect(planned({ pod: once, running: [sandbox(0, true, [container("one", 0, "exited")])] })).toEqual([
      "stopSandbox s0",
    ]);
    expect(planned({ pod: once, running: [sandbox(0, false, [container("one", 0, "exited")])] })).toEqual([]);
  });

  it("waits after crashes, and says so", () => {
    const hash = pod().containers[0]?.hash ?? "";
    const containers = { main: { attempt: 0, hash, backoff: { delayMs: 20_000, at: 1_000 } } };
    const running = [sandbox(0, true, [container("main", 0, "exited", { finishedAt: 90_000 })])];
    const plan = planPod(view({ containers, running }));
    expect(plan.actions).toEqual([]);
    expect(plan.waiting.get("main")?.reason).toBe("CrashLoopBackOff");
    expect(planned({ containers, running, now: 110_000 })).toEqual(["start main 1"]);
  });

  it("waits for neither crash nor failure of a definition that has changed", () => {
    const [main] = pod().containers;
    const backoff = { delayMs: 300_000, at: 1_000 };
    const running = [sandbox(0, true, [container("main", 0, "exited", { finishedAt: 99_000 })])];
    const crashed = (hash = "") => ({ running, containers: { main: { attempt: 0, hash, backoff } } });
    expect(planned(crashed(main?.hash))).toEqual([]);
    expect(planned(crashed("before"))).toEqual(["start main 1"]);
    const times = { at: 99_000, delayMs: 300_000, retryAt: 399_000 };
    const failed = (hash = "") => ({
      running: [sandbox(0, true)],
      failures: new Map([["main", { reason: "ErrImagePull", message: "no", hash, ...times }]]),
    });
    expect(planned(failed(main?.hash))).toEqual([]);
    expect(planned(failed("before"))).toEqual(["start main 0"]);
  });

  it("says why a container could not be started until it is", () => {
    const failure: StartFailure = {
      hash: pod().containers[0]?.hash ?? "",
      reason: "ErrImagePull",
      message: "no",
      at: 99_900,
      delayMs: 10_000,
      retryAt: 109_900,
    };
    const failures = new Map([["main", failure]]);
    const reasonAt = (now: number) =>
      planPod(view({ failures, running: [sandbox(0, true)], now })).waiting.get("main")?.reason;
    expect(reasonAt(100_000)).toBe("ErrImagePull");
    expect(reasonAt(105_000)).toBe("ImagePullBackOff");
    expect(planned({ failures, running: [sandbox(0, true)], now: 105_000 })).toEqual([]);
    expect(planned({ failures, running: [sandbox(0, true)], now: 109_900 })).toEqual(["start main 0"]);
    // The clock was set back.
    expect(planned({ failures, running: [sandbox(0, true)], now: 50_000 })).toEqual(["start main 0"]);
  });
});

describe("back-off after crashes", () => {
  it("begins with 10 s, doubles up to 5 min, and is forgotten after 10 min of running", () => {
    let backoff = nextCrashBackoff(undefined, 0, 0);
    const delays = [backoff.delayMs];
    let now = 0;
    for (let i = 0; i < 7; i++) {
      now += crashWaitMs(backoff, now, now);
      backoff = nextCrashBackoff(backoff, now, now);
      delays.push(backoff.delayMs);
    }
    expect(delays.map((ms) => ms / 1_000)).toEqual([10, 20, 40, 80, 160, 300, 300, 300]);
    expect(crashWaitMs(backoff, now + 2 * crashMaxMs + 1, now + 2 * crashMaxMs + 1)).toBe(0);
    expect(nextCrashBackoff(backoff, now + 2 * crashMaxMs + 1, now + 2 * crashMaxMs + 1).delayMs).toBe(
      10_000,
    );
  });

  it("does not wait for a clock that was set back", () => {
    expect(crashWaitMs({ delayMs: 10_000, at: 0 }, 500_000, 499_999)).toBe(0);
    expect(crashWaitMs({ delayMs: 10_000, at: 0 }, 500_000, 0)).toBe(0);
  });

  it("is written as Go writes durations", () => {
    expect([10_000, 80_000, 300_000].map(goDuration)).toEqual(["10s", "1m20s", "5m0s"]);
  });
});

describe.each(seeds(60))("a pod in a world that does as it is told, seed %i", (seed) => {
  const random = randomOf(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const restartPolicy = pick(["Always", "OnFailure", "Never"]);
  const names = (prefix: string, max: number) =>
    Array.from({ length: Math.floor(random() * (max + 1)) }, (_, i) => ({
      name: `${prefix}${i}`,
      image: "app:1",
    }));
  const containers = [{ name: "main", image: "app:1" }, ...names("more", 2)];
  const sidecars = names("side", 2).map((one) => ({ ...one, restartPolicy: "Always" }));
  const initContainers = [...names("init", 2), ...sidecars].sort(() => random() - 0.5);
  const spec = { restartPolicy, containers, initContainers };

  it("never runs a container twice at once, nor before its init containers, and ends as its policy says", () => {
    const world = new World(pod(spec), random);
    for (let i = 0; i < 200; i++) world.step(i > 150);
    expect(world.faults).toEqual([]);
    const phase = world.phase();
    if (restartPolicy === "Always") expect(phase).toBe("Running");
    else expect(["Succeeded", "Failed"]).toContain(phase);
    if (restartPolicy === "OnFailure") expect(phase).toBe("Succeeded");
    world.pod = undefined;
    for (let i = 0; i < 5; i++) world.step(true);
    expect(world.running).toEqual([]);
    expect(world.forgotten).toBe(true);
  });
});

/** Sandboxes and containers that start, and end by chance. */
class World {
  pod: Pod | undefined;
  running: RuntimePod[] = [];
  forgotten = false;
  readonly faults: string[] = [];
  readonly #random: () => number;
  readonly #containers: Record<string, ContainerMemory> = {};
  #now = 0;

  constructor(wanted: Pod, random: () => number) {
    this.pod = wanted;
    this.#random = random;
  }

  /** @param calm Init containers succeed, and nothing else ends but work that succeeds. */
  step(calm: boolean): void {
    this.#now += crashMaxMs;
    this.#chance(calm);
    const { actions } = planPod(this.#view());
    for (const action of actions) this.#do(action);
    this.#check();
  }

  phase(): Phase {
    const parts = {
      waiting: new Map(),
      hostIp: "h",
      startTime: 0,
      before: [],
      idScheme: "c",
      usesHostAddress: false,
      lastWords: () => "",
    };
    return podStatusOf(this.pod as Pod, { view: this.#view(), ...parts }).phase;
  }

  #view(): PodView {
    const probes = new Map(
      this.running.flatMap((one) => one.containers.map(({ id }) => [id, noProbes] as const)),
    );
    return view({
      pod: this.pod,
      running: this.running,
      containers: this.#containers,
      probes,
      now: this.#now,
    });
  }

  #chance(calm: boolean): void {
    const once = this.pod?.restartPolicy !== "Always";
    this.running = this.running.map((one) => {
      const dies = !calm && this.#random() < 0.05;
      const containers = one.containers.map((each) => {
        if (each.state !== "running") return each;
        const isInit = each.name.startsWith("init");
        const mayEnd = once && !each.name.startsWith("side");
        const ends = dies || isInit || (calm ? mayEnd : this.#random() < 0.2);
        if (!ends) return each;
        const exitCode =
          calm || (isInit && this.#random() < 0.8) ? 0 : dies ? 255 : Math.floor(this.#random() * 2);
        return { ...each, state: "exited" as const, exitCode, finishedAt: this.#now };
      });
      return { ...one, ready: one.ready && !dies, containers };
    });
  }

  #do(action: Action): void {
    const change = (id: string, how: (one: RuntimePod) => RuntimePod | undefined): void => {
      this.running = this.running.flatMap((one) => (one.sandboxId === id ? (how(one) ?? []) : one));
    };
    const ofAll = (how: (one: RuntimeContainer) => RuntimeContainer[]): void => {
      this.running = this.running.map((one) => ({ ...one, containers: one.containers.flatMap(how) }));
    };
    switch (action.do) {
      case "runSandbox":
        if (this.running.some((one) => one.ready)) this.faults.push("two sandboxes");
        this.running.push(sandbox(action.attempt, true));
        return;
      case "stopSandbox":
        change(action.id, (one) => ({ ...one, ready: false }));
        return;
      case "removeSandbox":
        change(action.id, () => undefined);
        return;
      case "stopContainer":
        ofAll((one) =>
          one.id === action.id ? [{ ...one, state: "exited", exitCode: 137, finishedAt: this.#now }] : [one],
        );
        return;
      case "removeContainer":
        ofAll((one) => (one.id === action.id ? [] : [one]));
        return;
      case "startContainer": {
        const { container: wanted, attempt } = action;
        if (historyOf(this.running, wanted.name).some((one) => one.attempt >= attempt))
          this.faults.push("an attempt twice");
        this.#containers[wanted.name] = { attempt, hash: wanted.hash };
        change(action.sandbox.sandboxId, (one) => ({
          ...one,
          containers: [...one.containers, container(wanted.name, attempt, "running")],
        }));
        return;
      }
      case "forget":
        this.forgotten = true;
        return;
      case "reportEnd":
        return;
      default:
        action satisfies never;
    }
  }

  #check(): void {
    for (const one of this.running) {
      const up = one.containers.filter(({ state }) => state === "running").map(({ name }) => name);
      if (new Set(up).size < up.length) this.faults.push("one container twice");
      const isInit = (name: string): boolean => name.startsWith("init");
      const isMain = (name: string): boolean => !isInit(name) && !name.startsWith("side");
      if (up.some(isInit) && up.some(isMain)) this.faults.push("init beside main");
      if (!one.ready && up.length > 0) this.faults.push("outlives its sandbox");
      if (one.containers.length > 20) this.faults.push("the dead pile up");
    }
  }
}
