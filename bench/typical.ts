import type { PublishDraft } from "../sdk/index.ts";

/** Objects as a cluster has them, for figures about bytes. No two have the same names, ids or values. */

const hex = (seed: number, digits: number): string =>
  Array.from(
    { length: digits },
    (_, i) => (Math.imul(seed + 1, 2_654_435_761 + i * 40_503) >>> (i % 24)) & 15,
  )
    .map((digit) => digit.toString(16))
    .join("");
const uid = (seed: number): string =>
  `${hex(seed, 8)}-${hex(seed + 7, 4)}-4${hex(seed + 11, 3)}-8${hex(seed + 13, 3)}-${hex(seed + 17, 12)}`;

function metadata(name: string, seed: number, version: number): object {
  return {
    name,
    namespace: "factory",
    uid: uid(seed),
    resourceVersion: String(version),
    creationTimestamp: `2026-03-${String((seed % 28) + 1).padStart(2, "0")}T08:${String(seed % 60).padStart(2, "0")}:11Z`,
    labels: { app: name, line: `line-${seed % 9}` },
  };
}

function draft(type: string, name: string, version: number, content: object): Omit<PublishDraft, "node"> {
  return {
    resource: `factory/${type}/${name}`,
    operation: "update",
    resourceVersion: String(version),
    content,
  };
}

/** A ConfigMap of 2 KB: the thresholds of some sensors, one of which is new in each version. */
export function thresholds(seed: number, version: number): Omit<PublishDraft, "node"> {
  const name = `thresholds-${seed}`;
  const value = (i: number): string =>
    (((Math.imul(i * 7 + seed, 48_271) >>> 0) % 90_000) / 1_000).toFixed(3);
  const data = Object.fromEntries(
    Array.from({ length: 58 }, (_, i) => [`sensor-${hex(i + seed, 4)}.limit-${i}`, value(i)]),
  );
  const [changed] = Object.keys(data).slice(version % 58);
  return draft("configmap", name, version, {
    kind: "ConfigMap",
    apiVersion: "v1",
    metadata: metadata(name, seed, version),
    data: { ...data, [changed as string]: value(version + 1_000) },
  });
}

export function secret(seed: number, version: number): Omit<PublishDraft, "node"> {
  const name = `login-${seed}`;
  const data = { username: btoa(`robot-${seed}`), password: btoa(hex(seed * 31, 24)) };
  return draft("secret", name, version, {
    kind: "Secret",
    apiVersion: "v1",
    metadata: metadata(name, seed, version),
    type: "Opaque",
    data,
  });
}

export function pod(seed: number, version: number): Omit<PublishDraft, "node"> {
  const name = `inspector-${seed}`;
  const token = `kube-api-access-${hex(seed, 5)}`;
  const mount = { name: token, readOnly: true, mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" };
  return draft("pod", name, version, {
    kind: "Pod",
    apiVersion: "v1",
    metadata: metadata(name, seed, version),
    spec: {
      volumes: [
        { name: "settings", configMap: { name: `thresholds-${seed}`, defaultMode: 420 } },
        {
          name: token,
          projected: {
            sources: [
              { serviceAccountToken: { expirationSeconds: 3607, path: "token" } },
              { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
            ],
            defaultMode: 420,
          },
        },
      ],
      containers: [
        {
          name: "inspector",
          image: `registry.factory.example/vision/inspector:2.${seed % 17}`,
          args: ["--camera", `/dev/video${seed % 4}`, "--threshold", `0.${hex(seed, 2)}`],
          env: [
            { name: "LINE", value: `line-${seed % 9}` },
            { name: "TOKEN", valueFrom: { secretKeyRef: { name: `login-${seed}`, key: "password" } } },
          ],
          resources: { limits: { cpu: "2", memory: "512Mi" }, requests: { cpu: "250m", memory: "128Mi" } },
          volumeMounts: [{ name: "settings", mountPath: "/etc/inspector" }, mount],
          terminationMessagePath: "/dev/termination-log",
          terminationMessagePolicy: "File",
          imagePullPolicy: "IfNotPresent",
        },
      ],
      restartPolicy: "Always",
      terminationGracePeriodSeconds: 30,
      dnsPolicy: "ClusterFirst",
      serviceAccountName: "default",
      serviceAccount: "default",
      nodeName: "edge-1",
      securityContext: {},
      schedulerName: "default-scheduler",
      priority: 0,
      enableServiceLinks: true,
      preemptionPolicy: "PreemptLowerPriority",
    },
    status: { phase: "Pending", qosClass: "Burstable" },
  });
}

/** A ConfigMap with a program's configuration file, about so many bytes. */
export function settings(seed: number, version: number, bytes: number): Omit<PublishDraft, "node"> {
  const name = `settings-${seed}`;
  const lines = Array.from(
    { length: Math.ceil(bytes / 62) },
    (_, i) =>
      `  - { id: ${i}, name: zone-${hex(i + seed, 5)}, gain: 0.${hex(i * 3 + seed, 3)}, on: ${i % 3 > 0} }`,
  );
  return draft("configmap", name, version, {
    kind: "ConfigMap",
    apiVersion: "v1",
    metadata: metadata(name, seed, version),
    data: { "settings.yaml": `# line ${seed % 9}\nzones:\n${lines.join("\n")}\n` },
  });
}
