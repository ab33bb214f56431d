import { describe, expect, it } from "vitest";
import { createContainerRequest, runPodSandboxRequest } from "../../../edgehub/edged/cri/messages.ts";
import { configOf, sandboxConfig, sandboxSpec } from "../../../edgehub/edged/cri/pod-config.ts";
import type { ContainerSpec, SandboxSpec } from "../../../edgehub/edged/runtime.ts";
import { containerSpec, sandbox } from "../../support/pod-specs.ts";

type Resources = ContainerSpec["resources"];
type Security = ContainerSpec["security"];

const resourcesOf = (resources: Partial<Resources>): object | undefined =>
  configOf(containerSpec({ resources: { ...containerSpec().resources, ...resources } }), sandbox(), "edge-1")
    .linux?.resources;

const securityOf = (security: Partial<Security>, pod: Partial<SandboxSpec> = {}): object | undefined =>
  configOf(containerSpec({ security: { ...containerSpec().security, ...security } }), sandbox(pod), "edge-1")
    .linux?.securityContext;

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
      dns: { servers: ["10.0.0.1"], searches: ["local"] },
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
    const config = configOf(spec, sandbox(), "edge-1");
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
      addCapabilities: ["NET_ADMIN"],
      dropCapabilities: ["ALL"],
    };
    expect(securityOf(restricted, { hostNetwork: true })).toMatchObject({
      readonlyRootfs: true,
      noNewPrivs: true,
      privileged: false,
      capabilities: { addCapabilities: ["NET_ADMIN"], dropCapabilities: ["ALL"] },
      namespaceOptions: { network: "node", pid: "container" },
    });
  });
});
