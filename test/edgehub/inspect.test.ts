import { join } from "node:path";
import { describe, expect, it, onTestFinished, test } from "vitest";
import type { Device } from "../../edgehub/devicetwin/device.ts";
import { DeviceTable } from "../../edgehub/devicetwin/device-table.ts";
import { PodMemories } from "../../edgehub/edged/pod-memory.ts";
import { isSimilar } from "../../edgehub/inspect/find.ts";
import { conditionOf } from "../../edgehub/inspect/pods.ts";
import { EdgeStore } from "../../edgehub/store/edge-store.ts";
import { systemClock } from "../../platform/clock.ts";
import { createMessage, event, type Message, type MessageDraft, state } from "../../protocol/index.ts";
import { temporaryDirectory } from "../support/processes.ts";
import { podOf } from "./edged/node.ts";
import { edgehub } from "./inspect-run.ts";

let count = 0;

function message(draft: MessageDraft): Message {
  return createMessage(
    { node: "edge-1", ...draft },
    { id: `m-${++count}`, timestamp: 0, delivery: () => state },
  );
}

const status = {
  phase: "Running",
  podIP: "10.1.2.3",
  startTime: "2026-01-01T00:00:00Z",
  conditions: [
    {
      type: "Ready",
      status: "False",
      lastTransitionTime: "2026-01-01T00:00:09Z",
      reason: "ContainersNotReady",
    },
  ],
  containerStatuses: [
    {
      name: "main",
      ready: false,
      restartCount: 4,
      image: "app:1",
      imageID: "",
      started: false,
      state: { waiting: { reason: "CrashLoopBackOff", message: "back-off 40s restarting failed container" } },
      lastState: {
        terminated: {
          exitCode: 3,
          reason: "Error",
          startedAt: "",
          finishedAt: "2026-01-01T00:00:09Z",
          containerID: "",
        },
      },
    },
  ],
  qosClass: "BestEffort",
};

/** As Edged tells it: a strategic merge patch. */
const patch = {
  ...status,
  message: null,
  "$setElementOrder/conditions": [{ type: "Ready" }],
  podIPs: [{ ip: "10.1.2.3" }, { $patch: "delete", ip: "10.1.2.2" }],
};

const press: Device = {
  id: "press",
  name: "press",
  description: "the big one",
  state: "online",
  lastOnline: "2026-01-01 00:00:00",
  attributes: new Map([["line", { value: "7" }]]),
  twins: new Map([
    ["speed", { expected: { value: "9" }, actual: { value: "5" }, expected_version: { cloud: 2, edge: 0 } }],
    ["heat", { actual: { value: "80", metadata: { timestamp: 0 } } }],
    ["old", { metadata: { type: "deleted" } }],
  ]),
};

/** An agent's directory with two pods, a device, and three messages on their way up; its store is still open. */
async function node(): Promise<{ argv: (...words: string[]) => string[]; store: EdgeStore }> {
  const { path: directory, remove } = temporaryDirectory();
  onTestFinished(remove);
  const store = new EdgeStore(
    {
      file: join(directory, "edge.db"),
      create: true,
      synchronous: "normal",
      maxBytes: 0,
      tombstoneMs: 1_000,
      outbox: { maxMessages: 10, maxBytes: 1 << 20, whenFull: "rejectNew" },
    },
    { clock: systemClock, onDrop: () => {} },
  );
  onTestFinished(() => store.close());
  const secret = { containers: [{ name: "main", image: "app:1", env: [{ name: "KEY", value: "hush" }] }] };
  const put = (resource: string, content: unknown) =>
    store.apply(message({ resource, operation: "update", resourceVersion: "7", content }), "store");
  await put("default/pod/camera", podOf("camera", secret));
  await put("plant/pod/camera-2", podOf("camera-2", {}, { namespace: "plant" }));
  await new PodMemories(store).save({
    uid: "uid-camera",
    namespace: "default",
    name: "camera",
    startTime: 0,
    graceSeconds: 30,
    containers: { main: { attempt: 4, hash: "", backoff: { delayMs: 40_000, at: 0 } } },
    conditions: [],
    ips: [],
    sent: JSON.stringify({ metadata: { uid: "uid-camera" }, status: patch }),
  });
  await store.write(() => {
    new DeviceTable(store.database).put(press);
    store.database.exec(
      "INSERT INTO twin_unconfirmed (device, property, id, waited) VALUES ('press', 'speed', 'x', 3)",
    );
  });
  const up = { operation: "update", source: "twin" };
  const content = { text: "\u001b[31mred" };
  for (const resource of [
    "device/press/twin/edge_updated",
    "default/podpatch/camera",
    "device/press/state/update",
  ])
    await store.outbox.put(message({ ...up, resource, content, delivery: event() }));
  return { argv: (...words) => [...words, "--data-dir", directory], store };
}

describe("edgehub get", () => {
  it("shows pods as kubectl does", async () => {
    const { argv } = await node();
    const now = Date.parse("2026-01-01T00:00:41Z");
    const { out, err, code } = await edgehub(argv("get", "pods"), { now });
    expect([code, err]).toEqual([0, "2 pods on this node\n"]);
    expect(out).toMatch(/^NAMESPACE +NAME +READY +STATUS +RESTARTS +AGE\n/);
    expect(out).toMatch(/^default +camera +0\/1 +CrashLoopBackOff +4 \(32s ago\) +\d+\w$/m);
    expect(out).toMatch(/^plant +camera-2 +0\/1 +Waiting +0 /m);
    const wide = await edgehub(argv("get", "po", "-o", "wide", "-n", "default"), { now });
    expect(wide.out).toMatch(
      / AGE +IP +IMAGES +CHANGED +VERSION +UID\n.* 10\.1\.2\.3 +app:1 .* uid-camera\n$/,
    );
    expect(wide.err).toBe("1 pod on this node in default\n");
    const { out: json } = await edgehub(argv("get", "pod", "-o", "json"));
    expect(JSON.parse(json)[0]).toMatchObject({
      condition: "CrashLoopBackOff",
      status: { phase: "Running" },
    });
  });

  it("shows devices, and what differs", async () => {
    const { argv } = await node();
    expect((await edgehub(argv("get", "devices"))).out).toMatch(
      /^NAME +STATE .*\npress +online +2026-01-01 00:00:00 +2 +1$/m,
    );
    const { out } = await edgehub(argv("get", "device", "-o", "json"));
    expect(JSON.parse(out)).toMatchObject([{ id: "press", twins: { speed: { actual: { value: "5" } } } }]);
  });

  it("shows a pod that the cloud has deleted until all of it has ended", async () => {
    const { argv, store } = await node();
    const gone = { resource: "default/pod/camera", operation: "delete", resourceVersion: "8" };
    await store.apply(message(gone), "store");
    expect((await edgehub(argv("get", "pods"))).out).toMatch(/^default +camera +0\/1 +Terminating +4 /m);
    expect((await edgehub(argv("describe", "pod", "camera"))).out).toMatch(
      /^Deleted +at the cloud; it is here until/m,
    );
    const again = podOf("camera", {}, { uid: "uid-2" });
    const put = { resource: "default/pod/camera", operation: "update", resourceVersion: "9", content: again };
    await store.apply(message(put), "store");
    expect((await edgehub(argv("get", "pods"))).out).toMatch(
      /camera +0\/1 +Waiting[\s\S]*camera +0\/1 +Terminating/,
    );
    const { out } = await edgehub(argv("get", "pod", "camera", "-o", "json"));
    expect(JSON.parse(out)).toMatchObject({ uid: "uid-2", deleted: false });
    await new PodMemories(store).remove("uid-camera");
    expect((await edgehub(argv("get", "pods"))).out).not.toContain("Terminating");
  });

  it("lives with a damaged memory of a pod", async () => {
    const { argv, store } = await node();
    store.database.exec("UPDATE edged_pod SET state = '{'");
    expect((await edgehub(argv("get", "pods"))).out).toMatch(/^default +camera +0\/1 +Waiting /m);
  });

  test.each([
    [["pod", "camera", "-n", "default"], { uid: "uid-camera" }],
    [["device", "press"], { id: "press" }],
    [["message", "2"], { resource: "default/podpatch/camera" }],
    [["message", "default/podpatch/camera"], { position: 2 }],
  ])("gives the one that %j names", async (words, found) => {
    const { argv } = await node();
    const { out } = await edgehub(argv("get", ...words, "-o", "json"));
    expect(JSON.parse(out)).toMatchObject(found);
  });

  it("gives a pod's status as it is, not as the patch that told the cloud", async () => {
    const { argv } = await node();
    const { out } = await edgehub(argv("get", "pod", "camera", "-o", "json"));
    expect(JSON.parse(out).status).toEqual({ ...status, podIPs: [{ ip: "10.1.2.3" }] });
    expect((await edgehub(argv("describe", "pod", "camera"))).out).not.toMatch(/null|undefined/);
  });

  test.each([
    [["pod", "camrea"], /no pod camrea .*did you mean default\/camera\?/],
    [["device", "pres"], /no device pres .*did you mean press\?/],
    [["message", "99"], /no message 99/],
  ])("ends with 3 for %j", async (words, problem) => {
    const { argv } = await node();
    expect(await edgehub(argv("get", ...words))).toEqual({
      code: 3,
      out: "",
      err: expect.stringMatching(problem),
    });
  });

  it("shows messages", async () => {
    const { argv } = await node();
    expect((await edgehub(argv("get", "messages"))).err).toMatch(/^3 messages waiting/);
  });
});

describe("edgehub describe", () => {
  it("tells all of a pod, but no values of its environment", async () => {
    const { argv } = await node();
    const { out, code } = await edgehub(argv("describe", "pod", "camera"));
    expect(code).toBe(0);
    for (const line of [
      /^Status +CrashLoopBackOff$/m,
      /^Restarts +4$/m,
      /^Address +10\.1\.2\.3$/m,
      /^ {2}State +waiting, CrashLoopBackOff: back-off 40s/m,
      /^ {2}Last state +ended with exit code 3 at 2026/m,
      /^ {2}Next start .*after a wait of 40s$/m,
      /^ {2}Environment +KEY$/m,
      /^ {2}Ready +False +\S+ +ContainersNotReady$/m,
      /default\/podpatch\/camera/,
    ])
      expect(out).toMatch(line);
    expect(out).not.toContain("hush");
  });

  it("says that nobody runs a pod", async () => {
    const { argv } = await node();
    const { out } = await edgehub(argv("describe", "pod", "camera-2", "-n", "plant"));
    expect(out).toMatch(/Edged has not begun with it/);
  });

  it("tells all of a device", async () => {
    const { argv } = await node();
    const { out } = await edgehub(argv("describe", "device", "press"));
    expect(out).toMatch(/^Properties +2, of which 1 differ$/m);
    expect(out).toMatch(/^ {2}speed +9 +5 +- +yes +expected 2\/0$/m);
    expect(out).toMatch(/^ {2}speed +2$/m);
    expect(out).toMatch(/device\/press\/twin\/edge_updated[\s\S]*device\/press\/state\/update/);
    expect(out).not.toMatch(/podpatch|old/);
  });

  it("tells all of a message, and does not let it paint", async () => {
    const { argv } = await node();
    const { out } = await edgehub(argv("describe", "message", "2"));
    expect(out).toMatch(/^Before it +1 message \(/m);
    expect(out).toMatch(/^Resource +default\/podpatch\/camera$/m);
    expect(out).not.toContain("\u001b");
    const byPath = await edgehub(argv("describe", "message", "default/podpatch/camera"));
    expect(byPath.out).toBe(out);
  });

  test.each([
    [["pod", "camrea"], 3, /no pod camrea .*did you mean default\/camera\?/],
    [["pod", "zzz"], 3, /here: default\/camera, plant\/camera-2/],
    [["pod", "camera", "-n", "plant"], 3, /did you mean/],
    [["device", "pres"], 3, /did you mean press\?/],
    [["message", "device/*"], 2, /2 messages fit device\/\*; name one by its position: 1, 3/],
    [["message", "99"], 3, /no message 99/],
    [["secret", "x"], 2, /describe knows pod, device and message, got "secret"/],
    [["pod"], 2, /too few words/],
  ])("%j ends with %i", async (words, code, problem) => {
    const { argv } = await node();
    expect(await edgehub(argv("describe", ...words))).toEqual({
      code,
      out: "",
      err: expect.stringMatching(problem),
    });
  });
});

describe("the word for a pod's condition", () => {
  const running = { ...status.containerStatuses[0], state: { running: { startedAt: "" } } };
  const isUp = { ...running, ready: true };
  const ready = { type: "Ready", status: "True" };
  const started = { ...isUp, started: true };
  const failed = { ...running, state: { terminated: { exitCode: 1, reason: "Error" } } };
  const initialized = { type: "Initialized", status: "True" };
  const withSidecar = { spec: { initContainers: [{ name: "side", restartPolicy: "Always" }] } };
  const ended = { ...running, state: { terminated: { exitCode: 0, reason: "Completed" } } };
  test.each([
    ["Terminating", { metadata: { deletionTimestamp: "2026" } }, status],
    ["Running", {}, { phase: "Running", containerStatuses: [running] }],
    ["Running", {}, { phase: "Running", conditions: [ready], containerStatuses: [isUp, ended] }],
    ["NotReady", {}, { phase: "Running", containerStatuses: [isUp, ended] }],
    ["Completed", {}, { phase: "Running", containerStatuses: [running, ended] }],
    ["Init:1/2", {}, { phase: "Pending", initContainerStatuses: [ended, isUp] }],
    [
      "Running",
      withSidecar,
      { phase: "Running", initContainerStatuses: [started], containerStatuses: [isUp] },
    ],
    [
      "Error",
      withSidecar,
      {
        phase: "Failed",
        conditions: [initialized],
        initContainerStatuses: [failed],
        containerStatuses: [failed],
      },
    ],
    ["Init:0/1", withSidecar, { phase: "Pending", initContainerStatuses: [isUp] }],
    ["Completed", {}, { phase: "Succeeded", containerStatuses: [ended] }],
    ["Evicted", {}, { phase: "Failed", reason: "Evicted" }],
    ["Init:CrashLoopBackOff", {}, { phase: "Pending", initContainerStatuses: status.containerStatuses }],
    ["Waiting", {}, undefined],
  ])("%s", (word, object, is) => {
    expect(conditionOf({ object, status: is as never })).toBe(word);
  });
});

test.each([
  ["camera", "default/camera", true],
  ["camrea", "camera", true],
  ["cam", "camera", true],
  ["press", "camera", false],
  ["", "camera", false],
])("%s is similar to %s: %s", (a, b, similar) => {
  expect(isSimilar(a, b)).toBe(similar);
});

test.each(["get", "describe", "outbox"])("%s has help of its own", async (name) => {
  const { code, out } = await edgehub([name, "--help"]);
  expect([code, out]).toEqual([
    0,
    expect.stringMatching(/^edgehub \w+[\s\S]*Options:[\s\S]*--data-dir DIR[\s\S]*Exit codes/),
  ]);
});
