import { describe, expect, it } from "vitest";
import { type ImageUser, imageUserOf, needsImageUser } from "../../../edgehub/edged/cri/image-user.ts";
import { createContainerRequest, image, runPodSandboxRequest } from "../../../edgehub/edged/cri/messages.ts";
import {
  type ContainerPlace,
  configOf,
  sandboxConfig,
  sandboxSpec,
} from "../../../edgehub/edged/cri/pod-config.ts";
import type { ContainerSpec, SandboxSpec } from "../../../edgehub/edged/runtime.ts";
import { containerSpec, sandbox } from "../../support/pod-specs.ts";

const place = (pod: Partial<SandboxSpec> = {}, imageUser?: ImageUser): ContainerPlace => ({
  sandbox: sandbox(pod),
  owner: "edge-1",
  imageUser,
});

type Resources = ContainerSpec["resources"];
type Security = ContainerSpec["security"];

const resourcesOf = (resources: Partial<Resources>): object | undefined =>
  configOf(containerSpec({ resources: { ...containerSpec().resources, ...resources } }), place()).linux
    ?.resources;

const securityOf = (security: Partial<Security>, pod: Partial<SandboxSpec> = {}): object | undefined =>
  configOf(containerSpec({ security: { ...containerSpec().security, ...security } }), place(pod)).linux
    ?.securityContext;

describe("a sandbox", () => {
  it("carries the labels by which tools and a restarted agent know it", () => {
    const config = sandboxConfig(sandbox({ attempt: 2, labels: { app: "web" } }), "edge-1");
    expect(config.metadata).toEqual({ name: "web", namespace: "default", uid: "uid-1", attempt: 2 });
    expect(config.labels).toEqual({
      app: "web",
      "io.kubernetes.pod.name": "web",
      "io.kubernetes.pod.namespace": "default",
      "io.kubernetes.pod.uid": "uid-1",
      "cloud-edge-hub/node": "edge-1",
    });
  });

  it("does not let a pod's label replace one of these", () => {
    const labels = { "io.kubernetes.pod.uid": "other", "cloud-edge-hub/node": "edge-2" };
    expect(sandboxConfig(sandbox({ labels }), "edge-1").labels).toMatchObject({
      "io.kubernetes.pod.uid": "uid-1",
      "cloud-edge-hub/node": "edge-1",
    });
  });

  it("shares network and memory among its containers, not processes", () => {
    expect(sandboxConfig(sandbox(), "edge-1").linux?.securityContext?.namespaceOptions).toEqual({
      network: "pod",
      pid: "container",
      ipc: "pod",
    });
  });

  it("has the node's network and processes, and no name of its own, if it asks for them", () => {
    const config = sandboxConfig(sandbox({ hostNetwork: true, hostPid: true }), "edge-1");
    expect(config.linux?.securityContext?.namespaceOptions).toMatchObject({ network: "node", pid: "node" });
    expect(config.hostname).toBeUndefined();
  });

  it("is known again from what the runtime keeps", () => {
    const spec = sandbox({
      hostNetwork: true,
      dns: { servers: ["10.0.0.1"], searches: ["local"], options: ["ndots:2"] },
      ports: [{ protocol: "UDP", containerPort: 53, hostPort: 5353, hostIp: "127.0.0.1" }],
      annotations: { note: "kept" },
      cgroupParent: "/edged",
    });
    const sent = runPodSandboxRequest.decode(
      runPodSandboxRequest.encode({ config: sandboxConfig(spec, "edge-1") }),
    ).config;
    const again = sandboxSpec({
      id: "s1",
      labels: sent?.labels ?? {},
      annotations: sent?.annotations ?? {},
    });
    expect({ ...again, labels: {} }).toEqual({ ...spec, labels: {} });
    expect(sandboxConfig(again, "edge-1")).toEqual(sandboxConfig(spec, "edge-1"));
  });

  it("that is another's is refused", () => {
    expect(() => sandboxSpec({ id: "s1", labels: {}, annotations: {} })).toThrow("s1 is none of ours");
  });
});

describe("a container", () => {
  it("is told its image, command, environment and mounts", () => {
    const spec = containerSpec({
      attempt: 3,
      command: ["/bin/server"],
      args: ["--port=80"],
      workingDir: "/srv",
      env: { A: "1", EMPTY: "" },
      mounts: [{ hostPath: "/data", containerPath: "/var/data", readOnly: true }],
      logPath: "main/3.log",
    });
    const config = configOf(spec, place());
    const bytes = createContainerRequest.encode({ podSandboxId: "s1", config });
    expect(createContainerRequest.decode(bytes).config).toMatchObject({
      metadata: { name: "main", attempt: 3 },
      image: { image: "localhost/app:test" },
      command: ["/bin/server"],
      args: ["--port=80"],
      workingDir: "/srv",
      envs: [
        { key: "A", value: "1" },
        { key: "EMPTY", value: "" },
      ],
      mounts: [{ hostPath: "/data", containerPath: "/var/data", readonly: true }],
      labels: {
        "io.kubernetes.container.name": "main",
        "io.kubernetes.pod.uid": "uid-1",
        "cloud-edge-hub/node": "edge-1",
      },
      annotations: { "io.kubernetes.container.restartCount": "3" },
      logPath: "main/3.log",
    });
  });

  it.each<[Partial<Resources>, object]>([
    [{}, { cpuShares: 2 }],
    [{ cpuRequestMillis: 500 }, { cpuShares: 512 }],
    [{ cpuRequestMillis: 1 }, { cpuShares: 2 }],
    [{ cpuRequestMillis: 1_000_000 }, { cpuShares: 262_144 }],
    [{ cpuMillis: 250 }, { cpuShares: 256, cpuPeriod: 100_000, cpuQuota: 25_000 }],
    [
      { cpuMillis: 1, cpuRequestMillis: 1 },
      { cpuShares: 2, cpuPeriod: 100_000, cpuQuota: 1_000 },
    ],
    [
      { cpuMillis: 2_000, cpuRequestMillis: 0 },
      { cpuShares: 2, cpuPeriod: 100_000, cpuQuota: 200_000 },
    ],
    [{ cpuMillis: 0 }, { cpuShares: 2 }],
    [{ memoryBytes: 64 << 20 }, { cpuShares: 2, memoryLimitInBytes: 64 << 20 }],
    [{ oomScoreAdj: -997 }, { cpuShares: 2, oomScoreAdj: -997 }],
  ])("with resources %j gets %j", (resources, expected) => {
    const told = { oomScoreAdj: 0, memoryLimitInBytes: undefined, ...expected };
    expect(resourcesOf(resources)).toEqual(told);
  });

  it("may make any system call unless its pod says otherwise", () => {
    expect(securityOf({})).toMatchObject({ seccomp: { profileType: "unconfined" } });
  });

  it("runs as root only where the pod or the image says so", () => {
    expect(securityOf({})).toMatchObject({ runAsUser: undefined, runAsGroup: undefined });
    expect(securityOf({ runAsUser: 0, runAsGroup: 7 })).toMatchObject({
      runAsUser: { value: 0 },
      runAsGroup: { value: 7 },
    });
  });

  it("is restricted as its pod says", () => {
    const restricted = {
      readOnlyRootFilesystem: true,
      noNewPrivileges: true,
      seccompDefault: true,
      addCapabilities: ["NET_ADMIN"],
      dropCapabilities: ["ALL"],
    };
    expect(securityOf(restricted, { hostNetwork: true })).toMatchObject({
      readonlyRootfs: true,
      noNewPrivs: true,
      seccomp: { profileType: "runtimeDefault" },
      privileged: false,
      capabilities: { addCapabilities: ["NET_ADMIN"], dropCapabilities: ["ALL"] },
      namespaceOptions: { network: "node", pid: "container" },
    });
  });
});

describe("the user of a container", () => {
  const withSecurity = (security: Partial<Security>): ContainerSpec =>
    containerSpec({ security: { ...containerSpec().security, ...security } });
  const root = image.decode(image.encode({ id: "sha256:1" }));
  const numbered = { ...root, uid: { value: 65_532 } };
  const named = { ...root, username: "nobody" };

  it.each<[Partial<Security>, boolean]>([
    [{}, false],
    [{ runAsUser: 0, runAsGroup: 0 }, false],
    [{ runAsUser: 7, nonRoot: true }, false],
    [{ runAsGroup: 0 }, true],
    [{ nonRoot: true }, true],
  ])("of %j is looked up in the image: %s", (security, expected) => {
    expect(needsImageUser(withSecurity(security))).toBe(expected);
  });

  it("is the image's beside a group", () => {
    const spec = withSecurity({ runAsGroup: 5 });
    const told = (found: typeof root | undefined) =>
      configOf(spec, place({}, imageUserOf(found, spec))).linux?.securityContext;
    expect(told(root)).toMatchObject({ runAsUser: { value: 0 }, runAsGroup: { value: 5 } });
    expect(told(numbered)).toMatchObject({ runAsUser: { value: 65_532 }, runAsUsername: "" });
    expect(told(named)).toMatchObject({ runAsUser: undefined, runAsUsername: "nobody" });
  });

  it("is refused if it must not be root and is, or may be", () => {
    const spec = withSecurity({ nonRoot: true });
    expect(imageUserOf(numbered, spec)).toEqual({ uid: 65_532, name: "" });
    for (const found of [root, undefined, { ...root, uid: { value: 0 } }])
      expect(() => imageUserOf(found, spec)).toThrow("image will run as root");
    expect(() => imageUserOf(named, spec)).toThrow("non-numeric user (nobody)");
  });
});
