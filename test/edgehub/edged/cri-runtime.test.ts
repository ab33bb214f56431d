import { expect, it, onTestFinished } from "vitest";
import { type CriCall, criCalls } from "../../../edgehub/edged/cri/calls.ts";
import type { container, containerStatus, podSandbox } from "../../../edgehub/edged/cri/messages.ts";
import type { Draft } from "../../../edgehub/edged/cri/protobuf.ts";
import { CriRuntime } from "../../../edgehub/edged/cri-runtime.ts";
import { systemClock } from "../../../platform/clock.ts";
import { frame, listen, respond, socketPath } from "./grpc-server.ts";

/** What CriRuntime asks of a runtime, and what it makes of odd answers; test/system/containers.test.ts has a real one. */

type Failure = { readonly status: number; readonly words: string };

/** A runtime whose sandboxes and containers a test writes down. */
class ScriptedCri {
  sandboxes: Draft<typeof podSandbox>[] = [];
  containers: Draft<typeof container>[] = [];
  readonly statuses = new Map<string, Draft<typeof containerStatus> | Failure>();
  /** What was called, without the lists. */
  readonly asked: string[] = [];
  /** Answers to other calls, by path. */
  readonly answers = new Map<string, Uint8Array | Failure>();

  async start(): Promise<CriRuntime> {
    const path = socketPath();
    await listen(path, (stream, method, request) => {
      const answer = this.#answer(method, request);
      const [body, trailers] =
        answer instanceof Uint8Array
          ? [frame(answer), { "grpc-status": "0" }]
          : [Buffer.alloc(0), { "grpc-status": String(answer.status), "grpc-message": answer.words }];
      respond(body, 1, trailers)(stream, method, request);
    });
    const runtime = new CriRuntime(systemClock, { endpoint: `unix://${path}`, node: "edge-1" });
    onTestFinished(() => runtime.close());
    return runtime;
  }

  #answer(path: string, request: Buffer): Uint8Array | Failure {
    if (path === criCalls.listPodSandbox.path)
      return bytes(criCalls.listPodSandbox, { items: this.sandboxes });
    if (path === criCalls.listContainers.path)
      return bytes(criCalls.listContainers, { containers: this.containers });
    if (path === criCalls.containerStatus.path) {
      const { containerId } = read(criCalls.containerStatus, request) as { containerId: string };
      this.asked.push(`status ${containerId}`);
      const status = this.statuses.get(containerId) ?? { status: 5, words: "no such container" };
      return "words" in status
        ? status
        : bytes(criCalls.containerStatus, { status: { id: containerId, ...status } });
    }
    this.asked.push(path.slice(path.lastIndexOf("/") + 1));
    return this.answers.get(path) ?? { status: 5, words: "not found" };
  }
}

/** An answer as a runtime writes it. */
function bytes<Out>(call: CriCall<never, Out>, answer: unknown): Uint8Array {
  return call.response.encode(answer as never);
}

function read(call: CriCall<never, unknown>, request: Uint8Array): unknown {
  return call.request.decode(request);
}

const labels = {
  "io.kubernetes.pod.uid": "uid-1",
  "io.kubernetes.pod.name": "web",
  "io.kubernetes.pod.namespace": "default",
};
const pod = (cri: ScriptedCri, ...states: ("running" | "exited")[]): void => {
  cri.sandboxes = [{ id: "s1", state: "ready", labels }];
  cri.containers = states.map((state, i) => ({
    id: `c${i}`,
    podSandboxId: "s1",
    metadata: { name: `name-${i}` },
    state,
    createdAt: i + 1,
  }));
  cri.answers.set(
    criCalls.podSandboxStatus.path,
    bytes(criCalls.podSandboxStatus, { status: { state: "ready", network: { ip: "10.0.0.7" } } }),
  );
};

it("asks about a pod once while nothing changes", async () => {
  const cri = new ScriptedCri();
  pod(cri, "running", "running");
  for (const id of ["c0", "c1"]) cri.statuses.set(id, { state: "running", startedAt: 2_000_000 });
  const runtime = await cri.start();
  const first = await runtime.pods();
  expect(first).toMatchObject([
    { uid: "uid-1", ip: "10.0.0.7", containers: [{ startedAt: 2 }, { startedAt: 2 }] },
  ]);
  cri.asked.length = 0;
  expect(await runtime.pods()).toEqual(first);
  expect(cri.asked).toEqual([]);

  pod(cri, "running", "exited");
  cri.statuses.set("c1", { state: "exited", exitCode: 1, reason: "Error" });
  expect(await runtime.pods()).toMatchObject([{ containers: [{}, { exitCode: 1, reason: "Error" }] }]);
  expect(cri.asked).toEqual(["status c1"]);
});

it("leaves out a container that went between two questions", async () => {
  const cri = new ScriptedCri();
  pod(cri, "running", "running");
  cri.statuses.set("c0", { state: "running" });
  expect(await (await cri.start()).pods()).toMatchObject([{ containers: [{ id: "c0" }] }]);
});

it("shows all pods although the runtime cannot tell of one container and one address", async () => {
  const cri = new ScriptedCri();
  pod(cri, "running", "running", "exited");
  const failure = { status: 2, words: "its image is damaged" };
  cri.statuses.set("c0", { state: "running" });
  for (const id of ["c1", "c2"]) cri.statuses.set(id, failure);
  cri.answers.set(criCalls.podSandboxStatus.path, failure);
  const [found] = await (await cri.start()).pods();
  expect(found?.ip).toBeUndefined();
  expect(found?.containers).toMatchObject([
    { id: "c0", state: "running" },
    { id: "c1", state: "running", message: expect.stringContaining("its image is damaged") },
    { id: "c2", state: "unknown", exitCode: undefined },
  ]);
});

it("rejects as a whole when the runtime goes away meanwhile", async () => {
  const cri = new ScriptedCri();
  pod(cri, "running");
  cri.statuses.set("c0", { status: 14, words: "going down" });
  await expect((await cri.start()).pods()).rejects.toMatchObject({ code: "E_NO_MODULE", retryable: true });
});

it("ends and removes what is gone already", async () => {
  const cri = new ScriptedCri();
  const runtime = await cri.start();
  await runtime.stopContainer("c0", 5);
  await runtime.removeContainer("c0");
  await runtime.stopSandbox("s1");
  await runtime.removeSandbox("s1");
  await runtime.removeImage("sha256:1");
  expect(cri.asked).toEqual([
    "StopContainer",
    "RemoveContainer",
    "StopPodSandbox",
    "RemovePodSandbox",
    "RemoveImage",
  ]);
  await expect(runtime.startContainer("c0")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  await expect(runtime.exec("c0", ["true"], 10)).rejects.toMatchObject({ code: "E_NOT_FOUND" });
});

it("is clear about a runtime that speaks another version", async () => {
  const cri = new ScriptedCri();
  cri.answers.set(criCalls.version.path, { status: 12, words: "unknown service runtime.v1.RuntimeService" });
  await expect((await cri.start()).version()).rejects.toMatchObject({
    code: "E_REFUSED",
    retryable: false,
    message: expect.stringContaining("CRI v1"),
  });
});

it("is clear about an answer that makes no sense", async () => {
  const cri = new ScriptedCri();
  cri.answers.set(criCalls.listImages.path, Buffer.from("0a05", "hex"));
  cri.answers.set(criCalls.status.path, new Uint8Array(0));
  await expect((await cri.start()).images()).rejects.toMatchObject({
    code: "E_REFUSED",
    message: expect.stringContaining("ListImages"),
  });
});

it("takes sockets for endpoints, and nothing else", () => {
  for (const endpoint of ["", "tcp://127.0.0.1:1", "unix://relative.sock", "http://x/y"]) {
    expect(() => new CriRuntime(systemClock, { endpoint, node: "edge-1" })).toThrow("remoteRuntimeEndpoint");
  }
});
