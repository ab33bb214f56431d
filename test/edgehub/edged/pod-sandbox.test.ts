import { describe, expect, it } from "vitest";
import { refusalOf } from "../../../edgehub/edged/admission.ts";
import { createContainerRequest } from "../../../edgehub/edged/cri/messages.ts";
import { configOf, sandboxConfig } from "../../../edgehub/edged/cri/pod-config.ts";
import { hostsText } from "../../../edgehub/edged/hosts-file.ts";
import { type Pod, parsePod } from "../../../edgehub/edged/pod.ts";
import { sandboxSpecOf } from "../../../edgehub/edged/pod-spec.ts";
import type { SandboxSpec } from "../../../edgehub/edged/runtime.ts";
import { containerSpec, sandbox } from "../../support/pod-specs.ts";
import { podOf } from "./node.ts";

const podWith = (spec: object): Pod => parsePod(podOf("web", spec)) as Pod;
const sandboxOf = (spec: object, resolvConf = ""): SandboxSpec =>
  sandboxSpecOf(podWith(spec), 0, { logDirectory: "/logs", resolvConf });
const namespacesOf = (spec: object): object | undefined =>
  sandboxConfig(sandboxOf(spec), "edge-1").linux?.securityContext?.namespaceOptions;

describe("the namespaces of a pod", () => {
  it.each([
    [{}, { pid: "container", ipc: "pod" }],
    [{ hostIPC: true }, { ipc: "node" }],
    [{ shareProcessNamespace: true }, { pid: "pod" }],
    [{ shareProcessNamespace: true, hostPID: true }, { pid: "node" }],
  ])("with %j are %j", (spec, expected) => {
    expect(namespacesOf(spec)).toMatchObject(expected);
  });
});

describe("sysctls", () => {
  const withSysctl = (name: string, more: object = {}): Pod =>
    podWith({ securityContext: { sysctls: [{ name, value: "1" }] }, ...more });

  it("that are harmless are the sandbox's", () => {
    const sysctls = [{ name: "net/ipv4/tcp_syncookies", value: "0" }];
    const spec = sandboxOf({ securityContext: { sysctls } });
    expect(sandboxConfig(spec, "edge-1").linux?.sysctls).toEqual({ "net.ipv4.tcp_syncookies": "0" });
    expect(refusalOf(withSysctl("net.ipv4.tcp_syncookies"), [], 10)).toBeUndefined();
  });

  it.each<[string, object]>([
    ["kernel.core_pattern", {}],
    ["net.ipv4.tcp_syncookies", { hostNetwork: true }],
    ["kernel.shm_rmid_forced", { hostIPC: true }],
  ])("such as %s with %j are refused", (name, more) => {
    expect(refusalOf(withSysctl(name, more), [], 10)).toMatchObject({ reason: "SysctlForbidden" });
  });
});

describe("the resolver of a pod", () => {
  const resolvConf = "# node\nnameserver 192.0.2.1\nsearch example.org\noptions ndots:1 rotate\n";
  it.each<[object, SandboxSpec["dns"]]>([
    [{}, undefined],
    [
      { dnsPolicy: "None", dnsConfig: { nameservers: ["192.0.2.9"], options: [{ name: "edns0" }] } },
      { servers: ["192.0.2.9"], searches: [], options: ["edns0"] },
    ],
    [
      { dnsConfig: { searches: ["more.org"], options: [{ name: "ndots", value: "5" }] } },
      { servers: ["192.0.2.1"], searches: ["example.org", "more.org"], options: ["rotate", "ndots:5"] },
    ],
  ])("with %j is %j", (spec, expected) => {
    expect(sandboxOf(spec, resolvConf).dns).toEqual(expected);
  });
});

describe("the hosts file of a pod", () => {
  const hostAliases = [{ ip: "192.0.2.7", hostnames: ["plc", "plc.line"] }];

  it("names the pod, and what it asks for", () => {
    const text = hostsText(podWith({ hostname: "lamp", hostAliases }), "10.0.0.3", "not used");
    expect(text.split("\n")).toEqual([
      "# Kubernetes-managed hosts file.",
      "127.0.0.1\tlocalhost",
      "::1\tlocalhost ip6-localhost ip6-loopback",
      "fe00::0\tip6-localnet",
      "fe00::0\tip6-mcastprefix",
      "fe00::1\tip6-allnodes",
      "fe00::2\tip6-allrouters",
      "10.0.0.3\tlamp",
      "",
      "# Entries added by HostAliases.",
      "192.0.2.7\tplc\tplc.line",
      "",
    ]);
  });

  it("is the node's for a pod in the node's network", () => {
    const text = hostsText(podWith({ hostNetwork: true, hostAliases }), "192.0.2.1", "192.0.2.1\tedge-1\n");
    expect(text).toBe(
      "# Kubernetes-managed hosts file (host network).\n192.0.2.1\tedge-1\n\n" +
        "# Entries added by HostAliases.\n192.0.2.7\tplc\tplc.line\n",
    );
  });
});

it("groups and mounts of a container reach the runtime as they are", () => {
  const spec = containerSpec({
    security: { ...containerSpec().security, supplementalGroups: [1_000, 70_000] },
    mounts: [{ hostPath: "/a", containerPath: "/b", readOnly: false, propagation: "bidirectional" }],
  });
  const config = configOf(spec, { sandbox: sandbox(), owner: "edge-1", imageUser: undefined });
  const sent = createContainerRequest.decode(createContainerRequest.encode({ config })).config;
  expect(sent?.linux?.securityContext?.supplementalGroups).toEqual([1_000, 70_000]);
  expect(sent?.mounts).toMatchObject([{ propagation: "bidirectional" }]);
});
