import { describe, expect, it } from "vitest";
import { certificateSigningRequests, events, nodes, pods } from "../../controllers/runtime/kinds.ts";
import { ApiError, type KubeObject } from "../../kubernetes/index.ts";
import { EdgeWorld } from "./edge-world.ts";

/** What edges ask that the scripted edgecore does not, and what they may not. */

async function ask(
  world: EdgeWorld,
  operation: string,
  resource: string,
  content: unknown = null,
): Promise<{ outcome: string; answer: unknown; version: string | undefined }> {
  const { id, outcome } = world.hub.says({ node: "edge-1", operation, resource, content });
  await world.settle();
  const draft = world.hub.answerTo(id);
  const decided = await Promise.race([outcome, Promise.resolve("nothing")]);
  return { outcome: decided, answer: draft?.content, version: draft?.resourceVersion };
}

const failure = (reason: string, code: number) => ({
  ErrStatus: { status: "Failure", reason, code, metadata: {} },
});

async function started(): Promise<EdgeWorld> {
  const world = new EdgeWorld();
  await world.node("edge-1");
  await world.node("edge-2");
  await world.pod("mine", "edge-1", ["configmap/limits", "secret/login"]);
  await world.pod("theirs", "edge-2", ["secret/theirs"]);
  for (const name of ["login", "theirs"]) await world.secret(name);
  return await world.start();
}

describe("a node may not touch what is not its own", () => {
  it.each([
    ["another node", "patch", "default/nodepatch/edge-2", "{}"],
    ["another's lease", "query", "kube-node-lease/lease/edge-2", null],
    ["another's pod", "patch", "default/podpatch/theirs", '{"status":{}}'],
  ])("%s", async (_name, operation, resource, content) => {
    const world = await started();
    const { outcome, answer } = await ask(world, operation, resource, content);
    expect({ outcome, answer }).toMatchObject({
      outcome: "ack",
      answer: { Object: null, Err: failure("Forbidden", 403) },
    });
  });

  it.each([
    ["a Secret that no pod of its needs", "query", "default/secret/theirs", null],
    [
      "a token of a pod that is not there",
      "query",
      "default/serviceaccounttoken/default",
      { spec: { boundObjectRef: { name: "x" } } },
    ],
  ])("%s", async (_name, operation, resource, content) => {
    const world = await started();
    expect(await ask(world, operation, resource, content)).toMatchObject({
      outcome: "ack",
      answer: failure("Forbidden", 403),
    });
  });

  it("nor end another's pod: what it believes to have is taken from it", async () => {
    const world = await started();
    world.hub.news();
    expect(await ask(world, "delete", "default/pod/theirs", { preconditions: { uid: "u" } })).toMatchObject({
      answer: "OK",
    });
    expect(world.hub.news("edge-1")).toContain("delete default/pod/theirs");
    expect(await world.objects.get(pods, { namespace: "default", name: "theirs" })).toBeDefined();
  });
});

describe("a ConfigMap that is not there", () => {
  it("is not answered, since an edge takes an error for the object; it is sent when it is there", async () => {
    const world = await started();
    expect(await ask(world, "query", "default/configmap/limits")).toMatchObject({
      outcome: "ack",
      answer: undefined,
    });
    world.hub.news();
    await world.configMap("limits");
    await world.settle();
    expect(world.hub.news("edge-1")).toEqual(["insert default/configmap/limits"]);
  });

  it("is answered as missing where it is optional", async () => {
    const world = await started();
    const volumes = [{ name: "v", configMap: { name: "extras", optional: true } }];
    const pod = await world.pod("easy", "edge-1");
    await world.objects.update(pods, { ...pod, spec: { ...(pod.spec as object), volumes } });
    await world.settle();
    expect(await ask(world, "query", "default/configmap/extras")).toMatchObject({
      answer: failure("NotFound", 404),
    });
  });
});

describe("old messages of edges", () => {
  it("bring the status of a node", async () => {
    const world = await started();
    const { uid } = (await world.objects.get(nodes, { name: "edge-1" })).metadata;
    const Status = { phase: "Running" };
    const { answer, version } = await ask(world, "update", "default/nodestatus/edge-1", { UID: uid, Status });
    const node = await world.objects.get(nodes, { name: "edge-1" });
    expect({ answer, version, status: node.status }).toEqual({
      answer: "OK",
      version: node.metadata.resourceVersion,
      status: Status,
    });
    expect(world.hub.published.at(-1)?.resource).toBe("default/node/edge-1");
  });

  it("bring statuses of pods, and take away one that is another by now", async () => {
    const world = await started();
    const { uid } = (await world.objects.get(pods, { namespace: "default", name: "mine" })).metadata;
    world.hub.news();
    const told = [
      { UID: uid, Name: "mine", Status: { phase: "Running" } },
      { UID: "old", Name: "unknown", Status: {} },
    ];
    expect(await ask(world, "update", "default/podstatus", told)).toMatchObject({
      outcome: "ack",
      answer: "OK",
    });
    expect(world.hub.news()).toContain("delete default/pod/unknown");
    const mine = await world.objects.get(pods, { namespace: "default", name: "mine" });
    expect(mine.status).toEqual({ phase: "Running" });
  });
});

it("takes no pod away that others have published", async () => {
  const world = await started();
  const draft = {
    node: "edge-1",
    operation: "update",
    resource: "default/pod/foreign",
    resourceVersion: "7",
  };
  await world.hub.publish({ ...draft, delivery: { kind: "state" } });
  world.hub.news();
  const told = { UID: "u", Name: "foreign", Status: {} };
  expect(await ask(world, "update", "default/podstatus/foreign", told)).toMatchObject({ answer: "OK" });
  expect(world.hub.news()).toEqual(["response default/podstatus/foreign"]);
});

it("does not let a pod's status go to another pod of the same name", async () => {
  const world = await started();
  const patch = JSON.stringify({ metadata: { uid: "another" }, status: { phase: "Failed" } });
  const { answer } = await ask(world, "patch", "default/podpatch/mine", patch);
  expect(answer).toMatchObject({ Object: null, Err: failure("Conflict", 409) });
});

it("keeps events, and answers none", async () => {
  const world = await started();
  const event: KubeObject = { apiVersion: "v1", kind: "Event", metadata: { name: "e" }, count: 1 };
  expect(await ask(world, "insert", "default/event/e", event)).toMatchObject({
    outcome: "ack",
    answer: undefined,
  });
  const patch = { event, patchData: JSON.stringify({ count: 2 }) };
  expect(await ask(world, "patch", "default/event/e", patch)).toMatchObject({
    outcome: "ack",
    answer: undefined,
  });
  expect(await world.objects.get(events, { namespace: "default", name: "e" })).toMatchObject({ count: 2 });
  await ask(world, "patch", "default/event/forgotten", patch);
  expect((await world.objects.list(events)).items).toHaveLength(2);
});

it("answers with the CA", async () => {
  const world = await started();
  const { id } = world.hub.says({
    node: "edge-1",
    operation: "query",
    resource: "k8s/ca.crt",
    content: null,
  });
  await world.settle();
  expect(world.hub.answerTo(id)).toMatchObject({
    content: "the CA",
    source: "cloudhub",
    resource: "k8s/ca.crt",
  });
});

it.each([
  ["no JSON", "default/podpatch/mine", "patch", "{"],
  ["no status", "default/podpatch/mine", "patch", [1]],
  ["a lease that is a number", "kube-node-lease/lease/edge-1", "update", 7],
  ["a node that is null", "default/node/edge-1", "insert", null],
])("answers %s with an error", async (_name, resource, operation, content) => {
  const world = await started();
  const { outcome, answer } = await ask(world, operation, resource, content);
  expect(outcome).toBe("ack");
  expect(answer).toHaveProperty("Err");
});

it("lets a request come again that the API cannot take now, and acks what nobody knows", async () => {
  const world = await started();
  world.objects.patch = () => Promise.reject(new ApiError("ServiceUnavailable", "later"));
  expect(await ask(world, "patch", "default/podpatch/mine", "{}")).toMatchObject({
    outcome: "nack",
    answer: undefined,
  });
  expect(await ask(world, "query", "default/unheardof/x")).toMatchObject({
    outcome: "ack",
    answer: undefined,
  });
});

it("gives a node that registers the labels of its join token, whatever it says itself", async () => {
  const world = await new EdgeWorld().start();
  const node = {
    metadata: { name: "edge-1", labels: { site: "forged", os: "linux" } },
    spec: {},
    status: {},
  };
  expect(await ask(world, "insert", "default/node/edge-1", node)).toMatchObject({ outcome: "ack" });
  const { metadata } = await world.objects.get(nodes, { name: "edge-1" });
  expect(metadata.labels).toEqual({ site: "plant-2", os: "linux" });
});

describe("a pod that a node runs by itself", () => {
  const mirror = { metadata: { name: "m", annotations: { "kubernetes.io/config.mirror": "x" } } };
  const containers = [{ name: "c", image: "i" }];
  const spec = { nodeName: "edge-1", containers, volumes: [{ name: "h", hostPath: { path: "/" } }] };
  const pod = (metadata: object, more: object) => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...mirror.metadata, ...metadata },
    spec: { ...spec, ...more },
  });

  it("is told of, and has no tokens", async () => {
    const world = await started();
    expect(await ask(world, "insert", "default/pod/m", pod({}, {}))).toMatchObject({
      outcome: "ack",
      answer: { Err: null },
    });
    const { metadata } = await world.objects.get(pods, { namespace: "default", name: "m" });
    const boundObjectRef = { kind: "Pod", name: "m", uid: metadata.uid };
    const asked = await ask(world, "query", "default/serviceaccounttoken/default", {
      spec: { boundObjectRef },
    });
    expect(JSON.stringify(asked.answer)).not.toContain('"token":');
    expect(asked.answer).toMatchObject({ ErrStatus: { reason: "Forbidden" } });
  });

  it.each([
    ["is none without its annotation", { annotations: {} }, {}],
    ["is another node's", {}, { nodeName: "edge-2" }],
    ["has a Secret", {}, { volumes: [{ name: "s", secret: { secretName: "theirs" } }] }],
    [
      "has a Secret in its environment",
      {},
      { containers: [{ ...containers[0], envFrom: [{ secretRef: { name: "theirs" } }] }] },
    ],
    ["has a service account", {}, { serviceAccountName: "admin" }],
    ["has a token", {}, { volumes: [{ name: "t", projected: { sources: [{ serviceAccountToken: {} }] } }] }],
    ["belongs to others", { ownerReferences: [{ kind: "Deployment", name: "web", uid: "u" }] }, {}],
  ])("is refused if it %s", async (_why, metadata, more) => {
    const world = await started();
    expect(await ask(world, "insert", "default/pod/m", pod(metadata, more))).toMatchObject({
      outcome: "ack",
      answer: { Object: null, Err: failure("Forbidden", 403) },
    });
    expect((await world.objects.list(pods)).items).toHaveLength(2);
  });
});

it("says itself which node asks for a certificate, whatever that node says", async () => {
  const world = await new EdgeWorld().start();
  const spec = { request: "eA==", signerName: "example.com/s", usages: ["client auth"] };
  const forged = {
    username: "system:node:edge-2",
    groups: ["system:masters"],
    uid: "1",
    extra: { a: ["b"] },
  };
  const metadata = { name: "c" };
  const content = { apiVersion: "certificates.k8s.io/v1", kind: "CertificateSigningRequest", metadata };
  const asked = { ...content, spec: { ...spec, ...forged } };
  expect(await ask(world, "insert", "default/certificatesigningrequest/c", asked)).toMatchObject({
    outcome: "ack",
  });
  const made = await world.objects.get(certificateSigningRequests, { name: "c" });
  const groups = ["system:nodes", "system:authenticated"];
  expect(made.spec).toEqual({ ...spec, username: "system:node:edge-1", groups });
});

it.each([
  ["patch", "nodepatch", (metadata: object) => JSON.stringify({ metadata })],
  ["update", "node", (metadata: object) => ({ metadata })],
])("does not let a node change those labels later with %s of a %s", async (operation, resource, content) => {
  const world = await new EdgeWorld().start();
  const node = { metadata: { name: "edge-1", labels: { os: "linux" } }, spec: {}, status: {} };
  await ask(world, "insert", "default/node/edge-1", node);
  const labelsAfter = async (labels: object | null) => {
    const asked = await ask(world, operation, `default/${resource}/edge-1`, content({ labels }));
    expect(asked).toMatchObject({ outcome: "ack" });
    return (await world.objects.get(nodes, { name: "edge-1" })).metadata.labels;
  };
  expect(await labelsAfter({ site: "forged", floor: "2" })).toEqual({
    site: "plant-2",
    os: "linux",
    floor: "2",
  });
  expect(await labelsAfter({ site: null, os: null })).toEqual({ site: "plant-2", floor: "2" });
  expect(await labelsAfter({ $patch: "replace" })).toMatchObject({ site: "plant-2" });
  expect(await labelsAfter(null)).toMatchObject({ site: "plant-2" });
});
