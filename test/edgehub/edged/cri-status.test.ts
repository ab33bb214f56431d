import { describe, expect, it } from "vitest";
import { ContainerStatuses } from "../../../edgehub/edged/cri/container-statuses.ts";
import { callError } from "../../../edgehub/edged/cri/failure.ts";
import { CallFailure } from "../../../edgehub/edged/cri/grpc.ts";
import { container, containerStatus, image, podSandbox } from "../../../edgehub/edged/cri/messages.ts";
import {
  type ContainerStatus,
  containerOf,
  imageOf,
  type ListedContainer,
  neededByOthers,
  podOf,
} from "../../../edgehub/edged/cri/pod-status.ts";
import type { Draft } from "../../../edgehub/edged/cri/protobuf.ts";

const listed = (draft: Draft<typeof container>): ListedContainer => container.decode(container.encode(draft));
const statusOf = (draft: Draft<typeof containerStatus>): ContainerStatus =>
  containerStatus.decode(containerStatus.encode(draft));
const second = 1_000_000_000;

describe("a pod", () => {
  const sandbox = podSandbox.decode(
    podSandbox.encode({
      id: "s1",
      metadata: { attempt: 4 },
      createdAt: 12 * second,
      labels: {
        "io.kubernetes.pod.uid": "uid-1",
        "io.kubernetes.pod.name": "web",
        "io.kubernetes.pod.namespace": "default",
      },
    }),
  );

  it("is a sandbox with its labels, containers oldest first", () => {
    const containers = [3, 1, 2].map((at) =>
      containerOf(listed({ id: `c${at}`, createdAt: at * second }), statusOf({})),
    );
    expect(podOf(sandbox, "10.0.0.7", containers)).toMatchObject({
      uid: "uid-1",
      name: "web",
      namespace: "default",
      sandboxId: "s1",
      attempt: 4,
      ready: true,
      ip: "10.0.0.7",
      createdAt: 12_000,
      containers: [{ id: "c1" }, { id: "c2" }, { id: "c3" }],
    });
  });

  it("is not ready when its sandbox has ended", () => {
    expect(podOf({ ...sandbox, state: "notReady" }, undefined, []).ready).toBe(false);
  });
});

describe("a container", () => {
  const line = listed({
    id: "c1",
    metadata: { name: "main", attempt: 2 },
    image: { image: "sha256:1" },
    imageRef: "sha256:1",
    createdAt: second,
  });

  it("that was made has no start and no end", () => {
    expect(containerOf(line, statusOf({ state: "created", finishedAt: 0 }))).toMatchObject({
      id: "c1",
      name: "main",
      attempt: 2,
      state: "created",
      startedAt: undefined,
      finishedAt: undefined,
      exitCode: undefined,
      imageId: "sha256:1",
    });
  });

  it("that ended well has exit code 0", () => {
    const ended = statusOf({
      state: "exited",
      startedAt: 2 * second,
      finishedAt: 3 * second,
      reason: "Completed",
      image: { image: "localhost/app:test" },
      imageRef: "localhost/app@sha256:2",
      logPath: "/logs/main/2.log",
    });
    expect(containerOf(line, ended)).toMatchObject({
      state: "exited",
      startedAt: 2_000,
      finishedAt: 3_000,
      exitCode: 0,
      reason: "Completed",
      image: "localhost/app:test",
      imageRef: "localhost/app@sha256:2",
      logPath: "/logs/main/2.log",
    });
  });

  it("that ended sooner than the runtime wrote down its start ended when it started", () => {
    const ended = statusOf({ state: "exited", startedAt: 2 * second, finishedAt: 2 * second - 5_000_000 });
    expect(containerOf(line, ended)).toMatchObject({ startedAt: 2_000, finishedAt: 2_000 });
  });

  it("that was killed has the code of its signal", () => {
    const killed = statusOf({ state: "exited", exitCode: 137, reason: "OOMKilled", message: "memory" });
    expect(containerOf(line, killed)).toMatchObject({
      exitCode: 137,
      reason: "OOMKilled",
      message: "memory",
    });
  });

  it("whose runtime names the image's id apart from its reference has that id", () => {
    expect(containerOf({ ...line, imageId: "sha256:9" }, statusOf({})).imageId).toBe("sha256:9");
  });
});

it("shows an image by its tags, or else by its digests", () => {
  const digests = { id: "sha256:1", repoDigests: ["app@sha256:2"], size: 7, pinned: true };
  const read = (draft: Draft<typeof image>) => imageOf(image.decode(image.encode(draft)), new Set());
  expect(read(digests)).toEqual({ id: "sha256:1", tags: ["app@sha256:2"], sizeBytes: 7, pinned: true });
  expect(read({ ...digests, repoTags: ["app:1"] }).tags).toEqual(["app:1"]);
});

it("takes the image of sandboxes for one that must stay, where the runtime does not say so itself", () => {
  const pinned = (tag: string, info: Record<string, string>): boolean =>
    imageOf(image.decode(image.encode({ repoTags: [tag] })), neededByOthers([], "edge-1", info)).pinned;
  const config = JSON.stringify({ sandboxImage: "pause:3.9" });
  expect(pinned("pause:3.9", { config })).toBe(true);
  expect(pinned("app:1", { config })).toBe(false);
  for (const other of ["", "{", "[]", "null", '{"sandboxImage":7}'])
    expect(pinned("app:1", { config: other })).toBe(false);
  expect(pinned("app:1", {})).toBe(false);
});

it("takes images of containers that others made for ones that must stay", () => {
  const containers = [
    listed({ imageRef: "sha256:ours", labels: { "cloud-edge-hub/node": "edge-1" } }),
    listed({ imageRef: "sha256:another-agent", labels: { "cloud-edge-hub/node": "edge-2" } }),
    listed({ imageRef: "docker.io/library/x", imageId: "sha256:kubelet" }),
  ];
  const needed = neededByOthers(containers, "edge-1", {});
  expect([...needed].sort()).toEqual(["sha256:another-agent", "sha256:kubelet"]);
  const pinned = (id: string): boolean => imageOf(image.decode(image.encode({ id })), needed).pinned;
  expect(["sha256:ours", "sha256:kubelet"].map(pinned)).toEqual([false, true]);
});

describe("what is known of containers", () => {
  const running = listed({ id: "c1", state: "running" });
  const exited = listed({ id: "c1", state: "exited" });

  it("is asked once while a container keeps running", () => {
    const statuses = new ContainerStatuses();
    expect(statuses.find(running)).toBeUndefined();
    statuses.keep(statusOf({ id: "c1", state: "running", startedAt: 5 }));
    expect(statuses.find(running)?.startedAt).toBe(5);
  });

  it("is asked twice after its end, for a reason that comes late", () => {
    const statuses = new ContainerStatuses();
    statuses.keep(statusOf({ id: "c1", state: "running" }));
    expect(statuses.find(exited)).toBeUndefined();
    statuses.keep(statusOf({ id: "c1", state: "exited", reason: "Error" }));
    expect(statuses.find(exited)).toBeUndefined();
    statuses.keep(statusOf({ id: "c1", state: "exited", reason: "OOMKilled" }));
    expect(statuses.find(exited)?.reason).toBe("OOMKilled");
  });

  it("is forgotten with the container", () => {
    const statuses = new ContainerStatuses();
    statuses.keep(statusOf({ id: "c1", state: "running" }));
    statuses.retain([listed({ id: "c2" })]);
    expect(statuses.find(running)).toBeUndefined();
  });
});

describe("a failed call", () => {
  it.each([
    [14, "E_NO_MODULE", true],
    [4, "E_TIMEOUT", true],
    [5, "E_NOT_FOUND", false],
    [3, "E_REFUSED", false],
    [12, "E_REFUSED", false],
    [2, "E_REFUSED", true],
    [13, "E_REFUSED", true],
    [8, "E_REFUSED", true],
  ])("with gRPC status %i is %s, again: %s", (code, expected, retryable) => {
    const error = callError("StartContainer", new CallFailure(code, "the runtime's words"), "unix:///x.sock");
    expect(error).toMatchObject({ code: expected, retryable });
    expect(error.message).toContain("the runtime's words");
  });

  it("names the socket when nobody listens", () => {
    const error = callError("Version", new CallFailure(14, "connection refused"), "unix:///x.sock");
    expect(error.message).toContain("unix:///x.sock");
  });

  it("keeps what a runtime says within bounds", () => {
    expect(callError("ExecSync", new CallFailure(2, "x".repeat(1e6)), "").message.length).toBeLessThan(1_100);
  });
});
