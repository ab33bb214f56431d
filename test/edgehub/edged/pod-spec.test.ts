import { describe, expect, it, test } from "vitest";
import { refusalOf } from "../../../edgehub/edged/admission.ts";
import { environmentOf, expand, type PodContext, type Problems } from "../../../edgehub/edged/environment.ts";
import type { Json } from "../../../edgehub/edged/fields.ts";
import { credentialsFor } from "../../../edgehub/edged/image-source.ts";
import { type BadPod, type Container, isBad, type Pod, parsePod } from "../../../edgehub/edged/pod.ts";
import { containerSpecOf, hostPortsOf, qosClassOf, sandboxSpecOf } from "../../../edgehub/edged/pod-spec.ts";
import { bytesOf, cpuMillisOf, parseQuantity } from "../../../edgehub/edged/quantity.ts";
import { filesOf } from "../../../edgehub/edged/volume-files.ts";
import { podOf } from "./node.ts";

const objects: Record<string, Json> = {
  "configmap settings": { data: { a: "1", "b.c": "2", "not allowed": "3" }, binaryData: { raw: "/w==" } },
  "secret keys": { data: { password: Buffer.from("hush").toString("base64") } },
};
const context: PodContext & { token(): string } = {
  find: (kind, name) => objects[`${kind} ${name}`],
  token: () => "tok",
  isAwaited: () => false,
  nodeName: "edge-1",
  hostIp: "192.0.2.1",
  podIp: "10.0.0.9",
  allocatable: { cpuMillis: 2_000, memoryBytes: 1_000_000 },
};

function podWith(main: object, spec: object = {}, metadata: object = {}): Pod {
  const containers = [{ name: "main", image: "app:1", ...main }];
  const pod = parsePod(podOf("web", { containers, ...spec }, { labels: { app: "web" }, ...metadata }));
  if (isBad(pod)) throw new Error(pod.problem);
  return pod;
}

function envOf(main: object): { env: Record<string, string>; problems: Problems } {
  const pod = podWith(main, { serviceAccountName: "robot" });
  const problems: Problems = [];
  return { env: environmentOf(pod, pod.containers[0] as Container, context, problems), problems };
}

describe("the environment", () => {
  it("comes from ConfigMaps and Secrets as a whole, and single values win", () => {
    const { env, problems } = envOf({
      envFrom: [{ configMapRef: { name: "settings" } }, { prefix: "S_", secretRef: { name: "keys" } }],
      env: [{ name: "a", value: "own" }],
    });
    expect(env).toEqual({ a: "own", "b.c": "2", raw: "\ufffd", S_password: "hush" });
    expect(problems).toEqual([]);
  });

  it("comes from single keys, fields and resources", () => {
    const from = (name: string, valueFrom: object) => ({ name, valueFrom });
    const field = (fieldPath: string) => ({ fieldRef: { fieldPath } });
    const { env, problems } = envOf({
      resources: { limits: { memory: "10M" }, requests: { cpu: "250m" } },
      env: [
        from("KEY", { secretKeyRef: { name: "keys", key: "password" } }),
        from("NONE", { configMapKeyRef: { name: "nowhere", key: "x", optional: true } }),
        from("POD", field("metadata.name")),
        from("LABEL", field("metadata.labels['app']")),
        from("NODE", field("spec.nodeName")),
        from("ACCOUNT", field("spec.serviceAccountName")),
        from("IP", field("status.podIP")),
        from("MEMORY", { resourceFieldRef: { resource: "limits.memory", divisor: "1M" } }),
        from("CPU", { resourceFieldRef: { resource: "limits.cpu" } }),
        from("REQUEST", { resourceFieldRef: { resource: "requests.cpu", divisor: "1m" } }),
      ],
    });
    expect(problems).toEqual([]);
    expect(env).toEqual({
      KEY: "hush",
      POD: "web",
      LABEL: "web",
      NODE: "edge-1",
      ACCOUNT: "robot",
      IP: "10.0.0.9",
      MEMORY: "10",
      CPU: "2",
      REQUEST: "250",
    });
  });

  test.each([
    [{ valueFrom: { configMapKeyRef: { name: "nowhere", key: "a" } } }, 'configmap "nowhere" not found'],
    [
      { valueFrom: { secretKeyRef: { name: "keys", key: "user" } } },
      "couldn't find key user in Secret default/keys",
    ],
    [{ valueFrom: { fieldRef: { fieldPath: "spec.unknown" } } }, "fieldRef spec.unknown is not supported"],
    [{ value: "a\0b" }, "a character that none can have"],
  ])("names what is missing or wrong: %j", (entry, text) => {
    expect(envOf({ env: [{ name: "X", ...entry }] }).problems[0]).toContain(text);
  });

  test.each([
    ["$(A)", "1"],
    ["x$(A)y$(B)", "x1y$(B)"],
    ["$$(A)", "$(A)"],
    ["$$$(A)", "$1"],
    ["$A $ $(", "$A $ $("],
  ])("expands %s to %s", (text, expected) => {
    expect(expand(text, (name) => ({ A: "1" })[name])).toBe(expected);
  });
});

describe("a container", () => {
  const specOf = (main: object, spec: object = {}) => {
    const pod = podWith(main, spec);
    const problems: Problems = [];
    const made = containerSpecOf(
      pod,
      pod.containers[0] as Container,
      { attempt: 0, image: "id", mounts: [] },
      context,
      problems,
    );
    return { ...made, problems };
  };

  it("has its command and arguments with the environment in them", () => {
    const env = [{ name: "PORT", value: "80" }];
    expect(specOf({ command: ["serve"], args: ["--port=$(PORT)", "$(NO)"], env })).toMatchObject({
      command: ["serve"],
      args: ["--port=80", "$(NO)"],
    });
  });

  it("has the limits of its resources, and a score for when memory runs out", () => {
    const resources = { limits: { cpu: "1500m", memory: "64Mi" }, requests: { cpu: "0.5", memory: "500k" } };
    expect(specOf({ resources }).resources).toEqual({
      cpuMillis: 1_500,
      cpuRequestMillis: 500,
      memoryBytes: 64 << 20,
      oomScoreAdj: 500,
    });
    expect(specOf({}).resources.oomScoreAdj).toBe(1_000);
  });

  it("has its own security settings before those of the pod", () => {
    const { security } = specOf(
      {
        securityContext: {
          runAsUser: 5,
          allowPrivilegeEscalation: false,
          capabilities: { add: ["NET_ADMIN"], drop: ["ALL"] },
        },
      },
      { securityContext: { runAsUser: 1, runAsGroup: 2 } },
    );
    expect(security).toMatchObject({
      runAsUser: 5,
      runAsGroup: 2,
      noNewPrivileges: true,
      addCapabilities: ["NET_ADMIN"],
      dropCapabilities: ["ALL"],
    });
  });

  it("is the same one whatever order its members come in, and another one when its image changes", () => {
    const hashOf = (main: object): string | undefined => podWith(main).containers[0]?.hash;
    const first = hashOf({ env: [{ name: "A", value: "1" }], resources: {} });
    expect(hashOf({ env: [{ value: "1", name: "A" }], imagePullPolicy: "IfNotPresent" })).toBe(first);
    expect(hashOf({ env: [{ name: "A", value: "1" }], image: "app:2" })).not.toBe(first);
  });

  it("that must not be root is refused as root", () => {
    expect(specOf({ securityContext: { runAsNonRoot: true, runAsUser: 0 } }).problems).toEqual([
      "container's runAsUser breaks non-root policy",
    ]);
  });

  test.each([
    ["app", "Always"],
    ["app:latest", "Always"],
    ["app:1", "IfNotPresent"],
    ["host:5000/app", "Always"],
    ["app@sha256:00", "IfNotPresent"],
  ])("of image %s is pulled %s", (image, policy) => {
    expect(podWith({ image }).containers[0]?.pullPolicy).toBe(policy);
  });
});

describe("a pod", () => {
  it("on the node's network has all its ports there, and maps none", () => {
    const pod = podWith({ ports: [{ containerPort: 80 }] }, { hostNetwork: true });
    expect(hostPortsOf(pod)).toMatchObject([{ hostPort: 80 }]);
    expect(sandboxSpecOf(pod, 0, { logDirectory: "/logs", resolvConf: "" }).ports).toEqual([]);
  });

  test.each([
    [{}, "BestEffort"],
    [{ resources: { requests: { cpu: "1" } } }, "Burstable"],
    [{ resources: { limits: { cpu: "1", memory: "1Mi" } } }, "Guaranteed"],
    [{ resources: { limits: { cpu: "1", memory: "1Mi" }, requests: { cpu: "0.5" } } }, "Burstable"],
  ])("with %j is of quality %s", (main, quality) => {
    expect(qosClassOf(podWith(main))).toBe(quality);
  });

  test.each([
    ["no containers", podOf("a", { containers: [] }), "spec.containers is empty"],
    [
      "a name that leaves its folder",
      podOf("a", { containers: [{ name: "../x", image: "i" }] }),
      "no DNS label",
    ],
    [
      "two containers of one name",
      podOf("a", {
        containers: [
          { name: "x", image: "i" },
          { name: "x", image: "i" },
        ],
      }),
      "two containers",
    ],
    ["no image", podOf("a", { containers: [{ name: "x" }] }), "image is missing"],
    [
      "a port that is none",
      podOf("a", { containers: [{ name: "x", image: "i", ports: [{ containerPort: 70_000 }] }] }),
      "0..65535",
    ],
    [
      "a mount of no volume",
      podOf("a", { containers: [{ name: "x", image: "i", volumeMounts: [{ name: "v", mountPath: "/v" }] }] }),
      "not there",
    ],
    [
      "a subPath that leaves the volume",
      podOf("a", {
        volumes: [{ name: "v" }],
        containers: [
          { name: "x", image: "i", volumeMounts: [{ name: "v", mountPath: "/v", subPath: "../.." }] },
        ],
      }),
      "leaves the volume",
    ],
    [
      "too many containers",
      podOf("a", { containers: Array.from({ length: 101 }, (_, i) => ({ name: `c${i}`, image: "i" })) }),
      "at most 100",
    ],
    [
      "members nested too deep",
      podOf("a", {
        containers: [
          { name: "x", image: "i", env: [JSON.parse(`${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`)] },
        ],
      }),
      "cannot be read",
    ],
    ["a uid that is a path", podOf("a", {}, { uid: "../../root" }), "metadata needs"],
    ["nothing at all", null, "metadata needs"],
    ["fields of wrong types", { metadata: { name: 1 }, spec: "x" }, "metadata needs"],
  ])("with %s is refused", (_what, object, text) => {
    const pod = parsePod(object) as BadPod;
    expect(pod.problem).toContain(text);
  });

  it("waits for a host port whose pod is ending, and is refused one that stays", () => {
    const ports = { ports: [{ containerPort: 80, hostPort: 80 }] };
    const ending = podWith(ports, {}, { uid: "u2", deletionTimestamp: "2026-01-01T00:00:00Z" });
    expect(refusalOf(podWith(ports), [ending], 10)).toBe("wait");
    expect(refusalOf(podWith(ports), [podWith(ports, {}, { uid: "u2" })], 10)).toMatchObject({
      reason: "NodePorts",
    });
    expect(refusalOf(podWith({}), [podWith({}, {}, { uid: "u2" })], 1)).toMatchObject({
      reason: "OutOfpods",
    });
    const local = { ports: [{ containerPort: 80, hostPort: 80, hostIP: "127.0.0.1" }] };
    const other = { ports: [{ containerPort: 80, hostPort: 80, hostIP: "127.0.0.2" }] };
    expect(refusalOf(podWith(local), [podWith(other, {}, { uid: "u2" })], 10)).toBeUndefined();
  });
});

describe("the files of a volume", () => {
  const filesIn = (volume: object) => {
    const pod = podWith({}, { volumes: [{ name: "v", ...volume }] });
    const problems: Problems = [];
    const made = pod.volumes[0];
    if (made?.kind !== "files") throw new Error("no files");
    const files = [...filesOf(pod, made, context, problems)];
    return {
      files: Object.fromEntries(
        files.map(([path, one]) => [path, [Buffer.from(one.content).toString(), one.mode]]),
      ),
      problems,
    };
  };

  it("are the keys of a ConfigMap, or some of them elsewhere with modes of their own", () => {
    expect(filesIn({ configMap: { name: "settings" } }).files).toMatchObject({
      a: ["1", 0o644],
      "b.c": ["2", 0o644],
    });
    const items = [{ key: "a", path: "deep/er", mode: 0o400 }];
    expect(filesIn({ configMap: { name: "settings", defaultMode: 0o600, items } }).files).toEqual({
      "deep/er": ["1", 0o400],
    });
  });

  it("of a projected volume come from all its sources", () => {
    const sources = [
      { serviceAccountToken: { path: "token" } },
      { secret: { name: "keys" } },
      { downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] } },
    ];
    expect(filesIn({ projected: { sources } }).files).toEqual({
      token: ["tok", 0o644],
      password: ["hush", 0o644],
      labels: ['app="web"', 0o644],
    });
  });

  test.each([
    [{ secret: { secretName: "nowhere" } }, 'secret "nowhere" not found'],
    [{ configMap: { name: "settings", items: [{ key: "z", path: "z" }] } }, "has no key z"],
    [
      { configMap: { name: "settings", items: [{ key: "a", path: "../../etc/passwd" }] } },
      "leaves the volume",
    ],
    [{ configMap: { name: "settings", items: [{ key: "a", path: "/etc/passwd" }] } }, "leaves the volume"],
  ])("say what is missing or wrong: %j", (volume, text) => {
    expect(filesIn(volume).problems[0]).toContain(text);
  });

  it("that are optional may be missing", () => {
    expect(filesIn({ secret: { secretName: "nowhere", optional: true } })).toEqual({
      files: {},
      problems: [],
    });
  });
});

describe("quantities and credentials", () => {
  test.each([
    ["100m", 0.1],
    ["1.5", 1.5],
    ["2Ki", 2_048],
    ["1e3", 1_000],
    ["3M", 3_000_000],
    [5, 5],
    ["", undefined],
    ["-1", undefined],
    ["1x", undefined],
    [null, undefined],
  ])("reads %j as %j", (text, expected) => {
    if (expected === undefined) expect(parseQuantity(text)).toBeUndefined();
    else expect(parseQuantity(text)).toBeCloseTo(expected, 9);
  });

  it("rounds up to whole thousandths and bytes", () => {
    expect([cpuMillisOf("0.0001"), cpuMillisOf("0.3"), bytesOf("1.5")]).toEqual([1, 300, 2]);
  });

  test.each([
    ["registry.example:5000/app:1", { username: "a", password: "b:c" }],
    ["app:1", { username: "hub", password: "x" }],
    ["quay.io/app", undefined],
  ])("finds those for %s", (image, expected) => {
    const auth = Buffer.from("a:b:c").toString("base64");
    const config = {
      auths: {
        "registry.example:5000": { auth },
        "https://index.docker.io/v1/": { username: "hub", password: "x" },
      },
    };
    expect(credentialsFor(image, [config])).toEqual(expected);
  });
});
