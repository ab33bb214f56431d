import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import {
  ackRule,
  answerTtlMs,
  deliveryOf,
  event,
  type KubeEdgeLine,
  numberedState,
  state,
  volatile,
} from "../../protocol/delivery.ts";
import type { Message, MessageDraft } from "../../protocol/message.ts";
import { runs } from "./arbitraries.ts";
import { aMessage, messageOf } from "./messages.ts";
import { vectors } from "./vectors.ts";

const lines: readonly KubeEdgeLine[] = ["1.15", "master"];
const answer = { parentId: "q", operation: "response" };
const notFound = { ErrStatus: { metadata: {}, status: "Failure", code: 404 } };

describe("KubeEdge's rule for who waits for an ack", () => {
  type Case = [what: string, draft: Partial<MessageDraft>, oldRule: number, currentRule: number];

  // The number of the rule that decides in release-1.15 and on master; 14: an ack is waited for.
  const cases: Case[] = [
    ["a pod list", { resource: "default/podlist" }, 1, 1],
    ["a device list", { group: "twin", resource: "membership", source: "devicecontroller" }, 2, 2],
    ["the details of a device list", { group: "twin", resource: "membership/detail" }, 2, 2],
    ["a desired twin of 1.15", { group: "twin", resource: "device/d1/twin/cloud_updated" }, 3, 3],
    ["a desired twin of master", { group: "twin", resource: "device/default/d1/twin/cloud_updated" }, 3, 3],
    ["a service account token", { ...answer, resource: "default/serviceaccounttoken/t", content: {} }, 4, 4],
    ["the cluster's CA", { ...answer, source: "cloudhub", resource: "k8s/ca.crt", content: "PEM" }, 14, 5],
    ["createvolume", { operation: "createvolume", resource: "default/volume/v" }, 6, 6],
    ["deletevolume", { operation: "deletevolume", resource: "default/volume/v" }, 6, 6],
    ["controllerpublishvolume", { operation: "controllerpublishvolume", resource: "default/volume/v" }, 6, 6],
    [
      "controllerunpublishvolume",
      { operation: "controllerunpublishvolume", resource: "default/volume/v" },
      6,
      6,
    ],
    [
      "an application's answer",
      { operation: "applicationResponse", resource: "ignore/Application/ignore" },
      7,
      7,
    ],
    ["a watch list's answer", { operation: "applicationResponse", resource: "watchapp/sync" }, 7, 7],
    ["a rule's message", { group: "user", operation: "publish", resource: "default/topic" }, 8, 8],
    ["a node task", { source: "taskmanager", group: "taskmanager", operation: "upgrade" }, 14, 9],
    ["an upgrade", { source: "nodeupgradejobcontroller", operation: "upgrade" }, 10, 10],
    [
      "an OK",
      { ...answer, source: "devicecontroller", group: "twin", resource: "twin", content: "OK" },
      11,
      11,
    ],
    ["an API error", { ...answer, resource: "default/configmap/none", content: notFound }, 12, 12],
    ["any other Go error", { ...answer, resource: "default/configmap/none", content: {} }, 12, 12],
    ["a node's update", { resource: "null/node/edge-1" }, 13, 14],
    ["a node's deletion", { operation: "delete", resource: "null/node/edge-1" }, 13, 13],
    [
      "a node's registration",
      { ...answer, resource: "default/node/edge-1", content: { Object: {} } },
      13,
      13,
    ],
    ["a lease", { ...answer, resource: "kube-node-lease/lease/edge-1", content: { Object: {} } }, 13, 13],
    ["a node patch", { ...answer, resource: "default/nodepatch/edge-1", content: { Object: {} } }, 13, 13],
    ["a pod patch", { ...answer, resource: "default/podpatch/nginx", content: { Object: {} } }, 13, 13],
    ["a pod status", { ...answer, resource: "default/podstatus/nginx", content: "done" }, 13, 13],
    [
      "a certificate request",
      { ...answer, resource: "default/certificatesigningrequest/c", content: { Object: {} } },
      14,
      13,
    ],
    [
      "the answer to a pod's insert",
      { ...answer, resource: "default/pod/nginx", content: { Object: {} } },
      13,
      13,
    ],
    ["a pod", { operation: "insert" }, 14, 14],
    ["a pod's update", {}, 14, 14],
    ["a pod's deletion", { operation: "delete" }, 14, 14],
    ["a configmap", { resource: "default/configmap/cm" }, 14, 14],
    ["a secret", { resource: "default/secret/s" }, 14, 14],
    ["a device", { source: "devicecontroller", operation: "insert", resource: "default/device/d1" }, 14, 14],
    ["a device model", { source: "devicecontroller", resource: "default/devicemodel/m1" }, 14, 14],
    ["an access right", { source: "policycontroller", resource: "default/serviceaccountaccess/a" }, 14, 14],
    ["a watched object", { source: "dynamiccontroller", operation: "insert" }, 14, 14],
    ["a watched lease", { source: "dynamiccontroller", resource: "default/lease/l" }, 14, 14],
    [
      "a configmap asked for",
      { ...answer, resource: "default/configmap/cm", content: { kind: "ConfigMap" } },
      14,
      14,
    ],
    ["a secret asked for", { ...answer, resource: "default/secret/s", content: { kind: "Secret" } }, 14, 14],
    [
      "a volume asked for",
      { ...answer, resource: "null/persistentvolume/v", content: { kind: "PersistentVolume" } },
      14,
      14,
    ],
    [
      "a claim asked for",
      { ...answer, resource: "default/persistentvolumeclaim/c", content: { kind: "C" } },
      14,
      14,
    ],
    [
      "an attachment asked for",
      { ...answer, resource: "null/volumeattachment/a", content: { kind: "A" } },
      14,
      14,
    ],
    ["an object that says OK", { content: "OK" }, 14, 14],
    ["an empty object pushed", { content: {} }, 14, 14],
  ];

  test.each(cases)("%s", (_, draft, oldRule, currentRule) => {
    const message = aMessage(draft);
    expect(lines.map((line) => ackRule(message, line))).toEqual(
      [oldRule, currentRule].map((rule) => ({ rule, ack: rule === 14 })),
    );
  });

  it("is release-1.15's unless told otherwise", () => {
    const node = aMessage({ resource: "null/node/edge-1" });
    expect(ackRule(node)).toEqual(ackRule(node, "1.15"));
  });

  it("asks in order: the first rule that matches decides", () => {
    const all = { operation: "createvolume", group: "user", source: "nodeupgradejobcontroller" };
    expect(ackRule(aMessage({ ...all, resource: "default/podlist" })).rule).toBe(1);
    expect(ackRule(aMessage({ ...all, resource: "membership" })).rule).toBe(2);
    expect(ackRule(aMessage(all)).rule).toBe(6);
    expect(ackRule(aMessage({ ...all, operation: "update" })).rule).toBe(8);
    expect(ackRule(aMessage({ ...all, operation: "update", group: "resource" })).rule).toBe(10);
    expect(ackRule(aMessage({ ...answer, source: "edgecontroller", content: "OK" })).rule).toBe(11);
  });

  // Where we differ: KubeEdge looks for these words anywhere in the path.
  it.each([
    "default/pod/membership-db",
    "membership/pod/web",
    "default/configmap/podlist",
    "podlist/configmap/cm",
    "default/secret/serviceaccounttoken-x",
    "k8s/ca.crt-x/y",
  ])("keeps the ack of an object that is merely named after such a word: %s", (resource) => {
    for (const line of lines) expect(ackRule(aMessage({ resource }), line)).toEqual({ rule: 14, ack: true });
    expect(deliveryOf(aMessage({ resource }))).toEqual(state);
  });

  it("is KubeEdge's own, word by word, wherever such a word is in its place", () => {
    const types = [
      "podlist",
      "membership",
      "serviceaccounttoken",
      "node",
      "lease",
      "nodepatch",
      "podpatch",
      "podstatus",
    ];
    types.push(
      "certificatesigningrequest",
      "pod",
      "configmap",
      "secret",
      "volume",
      "device",
      "nodestatus",
      "event",
    );
    const objects = fc
      .tuple(
        fc.constantFrom("default", "kube-system", "null"),
        fc.constantFrom(...types),
        fc.constantFrom("", "/a", "/b-c"),
      )
      .map(([namespace, type, name]) => `${namespace}/${type}${name}`);
    const others = fc.constantFrom(
      "membership",
      "membership/detail",
      "twin",
      "device/d1/twin/cloud_updated",
      "device/default/d1/twin/cloud_updated",
      "device/d1/twin/edge_updated",
      "k8s/ca.crt",
      "watchapp/sync",
      "ignore/Application/ignore",
      "upgrade/u1/node/edge-1",
    );
    const drafts = fc.record({
      resource: fc.oneof(objects, others),
      operation: fc.constantFrom(
        "insert",
        "update",
        "delete",
        "response",
        "createvolume",
        "applicationResponse",
        "publish",
      ),
      source: fc.constantFrom(
        "edgecontroller",
        "devicecontroller",
        "taskmanager",
        "nodeupgradejobcontroller",
        "cloudhub",
      ),
      group: fc.constantFrom("resource", "func", "twin", "user", "taskmanager"),
      content: fc.constantFrom<unknown>("OK", {}, notFound, { kind: "Pod" }, null, "NO", [], '{"ErrStatus"'),
    });
    fc.assert(
      fc.property(drafts, fc.constantFrom(...lines), (draft, line) => {
        expect(ackRule(aMessage(draft), line)).toEqual(goRule(aMessage(draft), line));
      }),
      runs(5_000),
    );
  });

  /** The rule as KubeEdge's code has it: substrings of the full path, the type as its fourth part. */
  function goRule(message: Message, line: KubeEdgeLine): { rule: number; ack: boolean } {
    const full = message.resource.path.startsWith("upgrade/")
      ? message.resource.path
      : `node/edge-1/${message.resource.path}`;
    const type = full.split("/")[3];
    const { operation, source, group } = message;
    const master = line === "master";
    const content = message.content.length === 0 ? null : JSON.parse(Buffer.from(message.content).toString());
    const isError =
      typeof content === "object" &&
      content !== null &&
      !Array.isArray(content) &&
      ("ErrStatus" in content || Object.keys(content).length === 0);
    const volumes = ["createvolume", "deletevolume", "controllerpublishvolume", "controllerunpublishvolume"];
    const always = [
      "lease",
      "nodepatch",
      "podpatch",
      "podstatus",
      ...(master ? ["certificatesigningrequest"] : []),
    ];
    const rules: boolean[] = [
      full.includes("podlist"),
      full.includes("membership"),
      full.includes("twin/cloud_updated"),
      full.includes("serviceaccounttoken"),
      master && full.includes("k8s/ca.crt"),
      volumes.includes(operation),
      operation === "applicationResponse",
      group === "user",
      master && source === "taskmanager",
      source === "nodeupgradejobcontroller",
      operation === "response" && content === "OK",
      operation === "response" && isError,
      source === "edgecontroller" &&
        ((type === "node" && !(master && operation === "update")) ||
          always.includes(type as string) ||
          (type === "pod" && operation === "response")),
    ];
    const first = rules.indexOf(true) + 1 || 14;
    return { rule: first, ack: first === 14 };
  }
});

describe("the delivery of a message whose publisher did not say", () => {
  it("is volatile where KubeEdge waits for no ack", () => {
    expect(deliveryOf(aMessage({ group: "user", operation: "publish" }))).toBe(volatile);
    expect(deliveryOf(aMessage({ ...answer, content: "OK" }))).toBe(volatile);
  });

  it.each(["insert", "update", "delete"])("is state for an object's %s", (operation) => {
    for (const group of ["resource", "func"]) expect(deliveryOf(aMessage({ operation, group }))).toBe(state);
  });

  it("is an event that lives as long as the edge waits for it, for the answer to a query", () => {
    const draft = { ...answer, resource: "default/configmap/cm", content: { kind: "ConfigMap" } };
    expect(deliveryOf(aMessage(draft))).toEqual({ kind: "event", priority: 0, ttlMs: answerTtlMs });
    expect(answerTtlMs).toBe(60_000);
  });

  it("is an event for what changes no object, or is of another group", () => {
    expect(deliveryOf(aMessage({ operation: "upload" })).kind).toBe("event");
    expect(deliveryOf(aMessage({ group: "twin", source: "devicecontroller" })).kind).toBe("event");
  });

  it("depends on the line of KubeEdge", () => {
    const node = aMessage({ resource: "null/node/edge-1" });
    expect(lines.map((line) => deliveryOf(node, line).kind)).toEqual(["volatile", "state"]);
  });

  // Every message that cloudcore sent down while we listened, and whether edgecore then acked it.
  const acked = new Set(
    vectors.websocket.captures
      .map(({ text }) => JSON.parse(text))
      .filter(({ route }) => route.operation === "response")
      .map(({ header }) => header.parent_msg_id),
  );
  const pushed = vectors.websocket.captures.filter(
    ({ direction, text }) =>
      direction === "cloud->edge" && JSON.parse(text).header.parent_msg_id === undefined,
  );

  test.each(pushed.filter(({ name }) => !/^csi-|^podstatus-/.test(name)))(
    "agrees with what edgecore did on the recorded $name",
    ({ text }) => {
      expect(deliveryOf(messageOf(text)).kind === "state").toBe(acked.has(messageOf(text).id));
    },
  );
});

describe("an event's delivery", () => {
  it("has priority 0 and lives for ever by default", () => {
    expect(event()).toEqual({ kind: "event", priority: 0, ttlMs: undefined });
  });

  it.each([-100, -1, 0, 100])("takes the priority %d", (priority) => {
    expect(event({ priority })).toMatchObject({ priority });
  });

  it.each([-101, 101, 0.5, Number.NaN, Number.POSITIVE_INFINITY])(
    "refuses the priority %d by its value",
    (priority) => {
      expect(() => event({ priority })).toThrow(
        `priority must be a whole number from -100 to 100, got ${JSON.stringify(priority)}`,
      );
    },
  );

  it("rounds a time to live up to whole milliseconds", () => {
    expect(event({ ttlMs: 0.1 })).toMatchObject({ ttlMs: 1 });
    for (const ttlMs of [1_000, Number.MAX_SAFE_INTEGER]) expect(event({ ttlMs })).toMatchObject({ ttlMs });
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])("refuses the time to live %d", (ttlMs) => {
    expect(() => event({ ttlMs })).toThrow("ttlMs must be positive");
  });
});

it("a state that the hub numbers is a state", () => {
  expect(numberedState).toEqual({ kind: "state", numbered: true });
});
