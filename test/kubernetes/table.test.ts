import { describe, expect, it } from "vitest";
import {
  builtInKinds,
  type Kind,
  type KubeObject,
  tableCells,
  tableColumns,
} from "../../kubernetes/index.ts";
import { shownDuration } from "../../kubernetes/table/age.ts";
import { valuesAt } from "../../kubernetes/table/json-path.ts";

const kinds = builtInKinds();
const now = Date.parse("2026-01-01T01:00:00Z");

function kindOf(name: string): Kind {
  const found = kinds.find(({ type }) => type.kind === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

/** Column → cell, of those that are always shown, or of all. */
function rowOf(kind: Kind, fields: object, wide = false): Record<string, unknown> {
  const metadata = { name: "one", creationTimestamp: "2026-01-01T00:00:00Z" };
  const object = { apiVersion: "v1", kind: kind.type.kind, metadata, ...fields } as KubeObject;
  const cells = tableCells(kind, object, now);
  const columns = tableColumns(kind);
  expect(cells).toHaveLength(columns.length);
  return Object.fromEntries(
    columns.flatMap(({ name, priority }, index) => (wide || priority === 0 ? [[name, cells[index]]] : [])),
  );
}

it("every kind has columns, and cells for the emptiest of objects", () => {
  for (const kind of kinds) {
    const row = rowOf(kind, {}, true);
    expect(row.Name).toBe("one");
    for (const cell of Object.values(row)) expect(cell).not.toBeUndefined();
  }
});

it("a kind of which only the name is known has its objects' age", () => {
  for (const resource of ["widgets", "constructor"])
    expect(tableColumns({ type: { group: "", resource } }).map(({ name }) => name)).toEqual(["Name", "Age"]);
});

describe("pods", () => {
  const pod = kindOf("Pod");
  const running = { name: "c", ready: true, restartCount: 0, state: { running: {} } };
  const spec = { containers: [{ name: "c" }], nodeName: "n" };

  it.each([
    ["waiting for a node", { phase: "Pending" }, "0/1", "Pending", "0"],
    ["running", { phase: "Running", containerStatuses: [running] }, "1/1", "Running", "0"],
    [
      "crashing",
      {
        phase: "Running",
        containerStatuses: [
          {
            name: "c",
            ready: false,
            restartCount: 3,
            state: { waiting: { reason: "CrashLoopBackOff" } },
            lastState: { terminated: { finishedAt: "2026-01-01T00:55:00Z" } },
          },
        ],
      },
      "0/1",
      "CrashLoopBackOff",
      "3 (5m ago)",
    ],
    [
      "done",
      {
        phase: "Succeeded",
        containerStatuses: [{ ...running, ready: false, state: { terminated: { reason: "Completed" } } }],
      },
      "0/1",
      "Completed",
      "0",
    ],
    [
      "killed",
      {
        phase: "Failed",
        containerStatuses: [
          { ...running, ready: false, state: { terminated: { exitCode: 137, signal: 9 } } },
        ],
      },
      "0/1",
      "Signal:9",
      "0",
    ],
    ["evicted", { phase: "Failed", reason: "Evicted" }, "0/1", "Evicted", "0"],
  ])("%s", (_, status, ready, text, restarts) => {
    expect(rowOf(pod, { spec, status })).toEqual({
      Name: "one",
      Ready: ready,
      Status: text,
      Restarts: restarts,
      Age: "60m",
    });
  });

  it("starting, and on their way out", () => {
    const two = { ...spec, initContainers: [{ name: "a" }, { name: "b" }] };
    const status = {
      phase: "Pending",
      initContainerStatuses: [
        { name: "a", restartCount: 0, state: { terminated: { exitCode: 0 } } },
        { name: "b", restartCount: 0, state: { waiting: { reason: "PodInitializing" } } },
      ],
      containerStatuses: [{ name: "c", restartCount: 0, state: { waiting: { reason: "PodInitializing" } } }],
    };
    expect(rowOf(pod, { spec: two, status }).Status).toBe("Init:1/2");
    const metadata = { name: "one", deletionTimestamp: "2026-01-01T00:59:00Z" };
    expect(rowOf(pod, { spec, metadata }).Status).toBe("Terminating");
  });

  it("say more when asked", () => {
    const row = rowOf(pod, { spec, status: { phase: "Running", podIP: "10.0.0.9" } }, true);
    expect(row).toMatchObject({ IP: "10.0.0.9", Node: "n", "Nominated Node": "<none>" });
  });
});

it("nodes say whether they are ready, and what they are", () => {
  const fields = {
    metadata: {
      name: "edge",
      creationTimestamp: "2025-12-20T00:00:00Z",
      labels: { "node-role.kubernetes.io/edge": "", "node-role.kubernetes.io/agent": "" },
    },
    spec: { unschedulable: true },
    status: {
      conditions: [{ type: "Ready", status: "Unknown" }],
      addresses: [{ type: "InternalIP", address: "10.0.0.1" }],
      nodeInfo: { kubeletVersion: "v1.26.7-kubeedge-v1.15.0" },
    },
  };
  expect(rowOf(kindOf("Node"), fields)).toEqual({
    Name: "edge",
    Status: "NotReady,SchedulingDisabled",
    Roles: "agent,edge",
    Age: "12d",
    Version: "v1.26.7-kubeedge-v1.15.0",
  });
  expect(rowOf(kindOf("Node"), fields, true)).toMatchObject({
    "Internal-IP": "10.0.0.1",
    "External-IP": "<none>",
    "OS-Image": "<unknown>",
  });
});

it("services, deployments, secrets, events", () => {
  const ports = [{ port: 80 }, { port: 53, nodePort: 30_053, protocol: "UDP" }];
  const service = rowOf(kindOf("Service"), { spec: { type: "NodePort", clusterIP: "10.9.0.1", ports } });
  expect(service).toMatchObject({
    Type: "NodePort",
    "Port(s)": "80/TCP,53:30053/UDP",
    "External-IP": "<none>",
  });
  const deployment = { spec: { replicas: 3 }, status: { readyReplicas: 1, updatedReplicas: 2 } };
  expect(rowOf(kindOf("Deployment"), deployment)).toMatchObject({
    Ready: "1/3",
    "Up-to-date": 2,
    Available: 0,
  });
  expect(rowOf(kindOf("Secret"), { type: "Opaque", data: { a: "", b: "" } })).toMatchObject({
    Type: "Opaque",
    Data: 2,
  });
  const event = {
    lastTimestamp: "2026-01-01T00:59:00Z",
    type: "Normal",
    reason: "Pulled",
    involvedObject: { kind: "Pod", name: "p" },
    message: "done\n",
  };
  expect(Object.values(rowOf(kindOf("Event"), event))).toEqual(["60s", "Normal", "Pulled", "pod/p", "done"]);
});

it("columns of CustomResourceDefinitions", () => {
  const columns = [
    { name: "Size", type: "integer", jsonPath: ".spec.size" },
    { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
    { name: "Since", type: "date", jsonPath: ".status.since", priority: 1 },
    { name: "Wrong", type: "integer", jsonPath: ".spec.text" },
  ] as const;
  const kind: Kind = { ...kindOf("Device"), columns };
  const fields = {
    spec: { size: 3, text: "x" },
    status: {
      conditions: [
        { type: "Other", status: "False" },
        { type: "Ready", status: "True" },
      ],
      since: "2026-01-01T00:59:30Z",
    },
  };
  expect(rowOf(kind, fields, true)).toEqual({
    Name: "one",
    Size: 3,
    Ready: "True",
    Since: "30s",
    Wrong: null,
  });
  expect(rowOf({ ...kind, columns: [] }, {})).toEqual({ Name: "one", Age: "60m" });
});

describe("JSON paths", () => {
  const object = {
    a: {
      "b.c/d": 1,
      list: [
        { n: 1, t: "x" },
        { n: 2, t: "y" },
      ],
    },
    list: ["p", "q"],
  };

  it.each([
    [".a.list[0].n", [1]],
    [".a.list[*].n", [1, 2]],
    [".a.list[-1].t", ["y"]],
    [".a['b.c/d']", [1]],
    [".a.b\\.c/d", [1]],
    ["{.list[1]}", ["q"]],
    ["$.list[0]", ["p"]],
    [".a.list[?(@.n>1)].t", ["y"]],
    [".a.list[?(@.t=='x')].n", [1]],
    [".toString", []],
    [".a.nothing.more", []],
    ["not a path", []],
    [".a[", []],
    [".a[?(@.list==1)]", []],
    [`.${"a".repeat(2_000)}`, []],
  ])("%s", (path, values) => {
    expect(valuesAt(object, path)).toEqual(values);
  });
});

it.each([
  [0, "0s"],
  [119_999, "119s"],
  [120_000, "2m"],
  [330_000, "5m30s"],
  [600_000, "10m"],
  [3 * 3_600_000, "3h"],
  [4 * 3_600_000 + 60_000, "4h1m"],
  [9 * 3_600_000, "9h"],
  [3 * 86_400_000 + 3_600_000, "3d1h"],
  [100 * 86_400_000, "100d"],
  [3 * 365 * 86_400_000, "3y"],
  [-5_000, "<invalid>"],
])("%d ms are shown as %s", (ms, text) => {
  expect(shownDuration(ms)).toBe(text);
});
