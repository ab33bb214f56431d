import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { KubeObject } from "../../../kubernetes/index.ts";
import { ApiClient } from "../../support/api-client.ts";
import { startWorld, type World } from "../../support/world.ts";

/** The Kubernetes API as bytes on a connection. */

let world: World;
let api: ApiClient;
beforeEach(async () => {
  world = await startWorld();
  api = new ApiClient(world);
});

const maps = "/api/v1/namespaces/default/configmaps";
const map = (name: string, more: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name },
  ...more,
});
const nodeNamed = (name: string): KubeObject => ({ apiVersion: "v1", kind: "Node", metadata: { name } });
const post = (body: unknown, path = maps, headers = {}) => api.send(path, { method: "POST", body, headers });

describe("what is asked for", () => {
  it("is found by discovery, in one document too", async () => {
    const plain = await api.send("/apis/apps/v1");
    expect(plain.body).toMatchObject({ kind: "APIResourceList", groupVersion: "apps/v1" });
    const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    const all = await api.send("/apis", { headers: { accept } });
    expect(all.headers["content-type"]).toContain("as=APIGroupDiscoveryList");
    expect(all.body).toMatchObject({ kind: "APIGroupDiscoveryList" });
    expect((await api.send("/version", { token: undefined })).body).toMatchObject({ major: "1" });
  });

  it("comes whole, as rows of a table or as its metadata", async () => {
    await post(map("a", { data: { k: "v" } }));
    const one = `${maps}/a`;
    const table = await api.send(one, {
      headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" },
    });
    expect(table.body).toMatchObject({ kind: "Table", rows: [{ cells: ["a", 1, expect.any(String)] }] });
    const accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    const metadata = await api.send(one, { headers: { accept } });
    expect(metadata.body).toMatchObject({ kind: "PartialObjectMetadata", metadata: { name: "a" } });
    expect(metadata.body).not.toHaveProperty("data");
  });

  it("is refused in forms that are not spoken here", async () => {
    const accept = "application/vnd.kubernetes.protobuf";
    expect(await api.send(maps, { headers: { accept } })).toMatchObject({
      status: 406,
      body: { kind: "Status", reason: "NotAcceptable" },
    });
    expect(await api.send(maps, { headers: { accept: `${accept},application/json` } })).toMatchObject({
      status: 200,
    });
    expect(await post("x", maps, { "content-type": "text/csv" })).toMatchObject({
      status: 415,
      body: { reason: "UnsupportedMediaType" },
    });
    const patch = { method: "PATCH", body: {}, headers: { "content-type": "application/json" } };
    expect(await api.send(`${maps}/a`, patch)).toMatchObject({ status: 415 });
  });

  it("is told that it is not there, or not to be done", async () => {
    expect(await api.send(`${maps}/none`)).toMatchObject({
      status: 404,
      body: { reason: "NotFound", message: 'configmaps "none" not found', details: { name: "none" } },
    });
    expect(await api.send("/apis/example.com/v1/nothings")).toMatchObject({
      status: 404,
      body: { message: "the server could not find the requested resource", details: {} },
    });
    expect(await api.send(maps, { method: "PUT", body: map("a") })).toMatchObject({ status: 405 });
  });

  it("comes compressed when it is large", async () => {
    const data = { k: "x".repeat(200_000) };
    await post(map("big", { data }));
    const packed = await api.send(`${maps}/big`, { headers: { "accept-encoding": "gzip" } });
    expect(packed.headers).toMatchObject({ "content-encoding": "gzip" });
    expect(packed.body.data).toEqual(data);
    expect((await api.send(`${maps}/big`)).headers).not.toHaveProperty("content-encoding");
  });
});

describe("what is written", () => {
  it("is answered with warnings of fields that nobody knows, or refused for them", async () => {
    const odd = map("a", { datta: {} });
    expect((await post(odd)).headers.warning).toBe('299 - "unknown field \\"datta\\""');
    expect(await post(map("b", { datta: {} }), `${maps}?fieldValidation=Strict`)).toMatchObject({
      status: 400,
      body: { reason: "BadRequest", message: expect.stringContaining('unknown field "datta"') },
    });
    expect(
      (await post(map("c", { datta: {} }), `${maps}?fieldValidation=Ignore`)).headers.warning,
    ).toBeUndefined();
  });

  it("is refused when it is no object, another one, too large or of another version", async () => {
    expect(await post("{")).toMatchObject({ status: 400, body: { reason: "BadRequest" } });
    expect(await post([])).toMatchObject({ status: 400 });
    expect(await post({ ...map("a"), kind: "Secret" })).toMatchObject({ status: 400 });
    expect(await post({ ...map("a"), metadata: { name: "a", namespace: "other" } })).toMatchObject({
      status: 400,
    });
    const huge = await post(map("a", { data: { k: "x".repeat(4 << 20) } })).catch((error: unknown) => error);
    if (!(huge instanceof Error)) expect(huge).toMatchObject({ status: 413 });
    expect(await post(map("a", { data: { k: "x".repeat(2 << 20) } }))).toMatchObject({
      status: expect.toSatisfy((code: number) => code === 413 || code === 422),
    });
    const made = (await post(map("a"))).body as unknown as KubeObject;
    await api.send(`${maps}/a`, { method: "PUT", body: { ...made, data: { k: "1" } } });
    expect(await api.send(`${maps}/a`, { method: "PUT", body: made })).toMatchObject({
      status: 409,
      body: { reason: "Conflict" },
    });
    expect(await post(map("a"))).toMatchObject({ status: 409, body: { reason: "AlreadyExists" } });
    expect(await api.send("/healthz")).toMatchObject({ status: 200 });
  });

  it("is only tried with dryRun", async () => {
    expect(await post(map("a"), `${maps}?dryRun=All`)).toMatchObject({ status: 201 });
    expect(await api.send(`${maps}/a`)).toMatchObject({ status: 404 });
    expect(await post(map("a"), `${maps}?dryRun=Some`)).toMatchObject({ status: 400 });
  });

  it("may be YAML", async () => {
    const text = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: y }\n";
    expect(await post(text, maps, { "content-type": "application/yaml" })).toMatchObject({ status: 201 });
  });

  it("is JSON quickly, whatever it is called; YAML of another form has a limit of its own", async () => {
    const headers = { "content-type": "application/apply-patch+yaml" };
    const apply = (name: string, body: string) =>
      api.send(`${maps}/${name}?fieldManager=me`, { method: "PATCH", headers, body });
    const data = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`k${i}`, `value ${i}`]));
    const object = JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "j" }, data });
    // The same once as JSON, once not: reading YAML takes a hundred times as long.
    const timed = async (text: string) => {
      const from = performance.now();
      expect(await apply("j", text)).toMatchObject({ status: expect.any(Number) });
      return performance.now() - from;
    };
    await timed(object);
    expect(await timed(object)).toBeLessThan(await timed(`# not JSON\n${object}`));
    const large = `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: y }\ndata: { k: ${"x".repeat(600_000)} }`;
    expect(await apply("y", large)).toMatchObject({ status: 413, body: { reason: "RequestEntityTooLarge" } });
    expect(await apply("j", JSON.stringify(map("j", { data: { k: "x".repeat(900_000) } })))).toMatchObject({
      status: 200,
    });
  });

  it("may be a Node that has pods: it goes, and they are left to its controller", async () => {
    await post({ metadata: { name: "edge" } }, "/api/v1/nodes");
    const pod = {
      metadata: { name: "p" },
      spec: { nodeName: "edge", containers: [{ name: "c", image: "i" }] },
    };
    await post(pod, "/api/v1/namespaces/default/pods");
    expect(await api.send("/api/v1/nodes/edge", { method: "DELETE" })).toMatchObject({ status: 200 });
    expect(await api.send("/api/v1/nodes/edge")).toMatchObject({ status: 404 });
    expect(await api.send("/api/v1/namespaces/default/pods/p")).toMatchObject({ status: 200 });
  });

  it("may be an eviction, whose terms are read like those of a deletion", async () => {
    const pods = "/api/v1/namespaces/default/pods";
    await post(
      { metadata: { name: "p" }, spec: { nodeName: "n", containers: [{ name: "c", image: "i" }] } },
      pods,
    );
    const evict = (deleteOptions: unknown, query = "") =>
      post({ metadata: { name: "p" }, deleteOptions }, `${pods}/p/eviction${query}`);
    for (const bad of [{ propagationPolicy: "x" }, { gracePeriodSeconds: "soon" }, { dryRun: ["Some"] }, 5])
      expect(await evict(bad)).toMatchObject({ status: 400, body: { reason: "BadRequest" } });
    expect(await evict({ dryRun: ["All"] })).toMatchObject({ status: 201 });
    expect(await evict(undefined, "?dryRun=All")).toMatchObject({ status: 201 });
    expect((await api.send(`${pods}/p`)).body.metadata).not.toHaveProperty("deletionTimestamp");
    expect(await evict({ gracePeriodSeconds: 5 })).toMatchObject({ status: 201 });
    expect((await api.send(`${pods}/p`)).body.metadata).toMatchObject({ deletionGracePeriodSeconds: 5 });
  });

  it("may be a scale, which says who has set the replicas", async () => {
    const template = { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "i" }] } };
    const spec = { replicas: 1, selector: { matchLabels: { a: "b" } }, template };
    const deployments = "/apis/apps/v1/namespaces/default/deployments";
    await post({ metadata: { name: "d" }, spec }, `${deployments}?fieldManager=maker`);
    const put = (body: unknown) =>
      api.send(`${deployments}/d/scale?fieldManager=scaler`, { method: "PUT", body });
    for (const bad of ["null", [], "5"]) expect(await put(bad)).toMatchObject({ status: 400 });
    expect(await put({ metadata: { name: "d" }, spec: { replicas: 3 } })).toMatchObject({ status: 200 });
    const { managedFields } = (await api.send(`${deployments}/d`)).body.metadata as {
      managedFields: object[];
    };
    const scaler = managedFields.find((entry) => "manager" in entry && entry.manager === "scaler");
    expect(scaler).toMatchObject({ operation: "Update", fieldsV1: { "f:spec": { "f:replicas": {} } } });
  });

  it("is answered for a question that makes no sense", async () => {
    const reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    expect(await post({ spec: { user: "u", resourceAttributes: null } }, reviews)).toMatchObject({
      status: 400,
    });
    const attributes = { verb: "get", resource: "pods" };
    const odd = { spec: { user: "u", groups: 5, resourceAttributes: attributes } };
    expect((await post(odd, reviews)).status).toBeLessThan(500);
    expect(await api.send(`${maps}?watch=1&timeoutSeconds=soon`)).toMatchObject({ status: 400 });
    const deep = `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`;
    expect(await post(deep, "/apis/authentication.k8s.io/v1/selfsubjectreviews")).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining("exceeded max depth") },
    });
  });

  it("is deleted with the terms of the body or the query", async () => {
    await post(map("a"));
    const options = { kind: "DeleteOptions", apiVersion: "v1", preconditions: { uid: "another" } };
    expect(await api.send(`${maps}/a`, { method: "DELETE", body: options })).toMatchObject({ status: 409 });
    expect(await api.send(`${maps}/a?dryRun=All`, { method: "DELETE" })).toMatchObject({ status: 200 });
    expect(await api.send(`${maps}/a`, { method: "DELETE" })).toMatchObject({
      body: { kind: "Status", status: "Success", details: { name: "a", kind: "configmaps" } },
    });
    expect(await api.send(`${maps}?labelSelector=a%3Db`, { method: "DELETE" })).toMatchObject({
      status: 200,
    });
  });
});

describe("a watch", () => {
  /** Its events as they come. */
  async function watch(query: string): Promise<Record<string, unknown>[]> {
    const response = await api.open(`${maps}?watch=true&${query}`);
    response.on("error", () => undefined);
    const events: Record<string, unknown>[] = [];
    const lines = createInterface({ input: response });
    lines.on("error", () => undefined).on("line", (line) => events.push(JSON.parse(line)));
    return events;
  }

  it("tells of changes, and of a version that is too old", async () => {
    const events = await watch("fieldSelector=metadata.name%3Da");
    await post(map("a"));
    await vi.waitFor(() =>
      expect(events).toMatchObject([{ type: "ADDED", object: { metadata: { name: "a" } } }]),
    );
    const expired = await watch("resourceVersion=1");
    await vi.waitFor(() =>
      expect(expired).toMatchObject([
        { type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } },
      ]),
    );
    expect(await api.send(`${maps}?watch=true&labelSelector=%21%21`)).toMatchObject({ status: 400 });
  });

  it("shows in tables how old things are when they change, not when it began", async () => {
    const accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    const watch = await api.open(`${maps}?watch=1&fieldSelector=metadata.name=a`, { headers: { accept } });
    const lines = createInterface({ input: watch })[Symbol.asyncIterator]();
    const age = async (): Promise<string> => {
      const { value } = await lines.next();
      const { object } = JSON.parse(String(value)) as { object: { rows: [{ cells: string[] }] } };
      return object.rows[0].cells[2] ?? "";
    };
    await post(map("a"));
    expect(await age()).toBe("0s");
    await pause(2_100);
    const headers = { "content-type": "application/merge-patch+json" };
    await api.send(`${maps}/a`, { method: "PATCH", headers, body: { data: { a: "b" } } });
    expect(await age()).not.toBe("0s");
    watch.destroy();
  });

  it("ends when its time is over", async () => {
    const { text } = await api.send(`${maps}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Dnone`);
    expect(text).toBe("");
  });
});

describe("who asks", () => {
  it("must be known", async () => {
    for (const token of [undefined, "nobody.x", "eyJhbGciOiJub25lIn0.e30.", "eyJ"]) {
      expect(await api.send(maps, { token })).toMatchObject({
        status: 401,
        body: { reason: "Unauthorized" },
      });
    }
  });

  it("gives no rights that he does not have", async () => {
    const rbac = "/apis/rbac.authorization.k8s.io/v1";
    const token = await world.hub.admin.createController("clerk", { nodes: [], groups: [], verbs: ["read"] });
    const subjects = [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "clerk" }];
    const binding = (name: string, role: string) => ({
      metadata: { name },
      subjects,
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
    });
    const here = `${rbac}/namespaces/default/rolebindings`;
    expect(await post(binding("a", "admin"), here)).toMatchObject({ status: 201 });
    const asClerk = (body: unknown) => api.send(here, { method: "POST", body, token });
    expect(await asClerk(binding("b", "view"))).toMatchObject({ status: 201 });
    expect(await asClerk(binding("c", "cluster-admin"))).toMatchObject({
      status: 403,
      body: { reason: "Forbidden", message: expect.stringContaining("not currently held") },
    });
  });

  it("makes nothing with a patch that he may not make", async () => {
    const token = await world.hub.admin.createController("clerk", { nodes: [], groups: [], verbs: ["read"] });
    const rbac = "/apis/rbac.authorization.k8s.io/v1";
    const rules = [{ apiGroups: [""], resources: ["configmaps"], verbs: ["patch"] }];
    await post({ metadata: { name: "patches" }, rules }, `${rbac}/clusterroles`);
    const subjects = [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "clerk" }];
    const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "patches" };
    await post({ metadata: { name: "patches" }, subjects, roleRef }, `${rbac}/clusterrolebindings`);
    const apply = (name: string) =>
      api.send(`${maps}/${name}?fieldManager=clerk`, {
        method: "PATCH",
        token,
        headers: { "content-type": "application/apply-patch+yaml" },
        body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { a: "1" } },
      });
    expect(await apply("new")).toMatchObject({
      status: 403,
      body: { message: expect.stringContaining("cannot create") },
    });
    await post({ metadata: { name: "old" } });
    expect(await apply("old")).toMatchObject({ status: 200 });
  });

  it("may act for another only with the right to", async () => {
    const token = await world.hub.admin.createController("clerk", { nodes: [], groups: [], verbs: ["read"] });
    const headers = { "impersonate-user": "admin", "impersonate-group": "system:masters" };
    expect(await api.send(maps, { token, headers })).toMatchObject({ status: 403 });
    expect(await api.send(maps, { headers: { "impersonate-user": "clerk" } })).toMatchObject({ status: 403 });
    const nobody = { "impersonate-group": "somebody" };
    expect(await api.send(maps, { headers: nobody })).toMatchObject({ status: 400 });
    const more = { "impersonate-user": "clerk", "impersonate-extra-scopes": "all" };
    expect(await api.send(maps, { headers: more })).toMatchObject({ status: 400 });
  });

  it("acts for a service account with the right to that account, and with the rights of its groups", async () => {
    const rbac = "/apis/rbac.authorization.k8s.io/v1";
    const apiGroup = "rbac.authorization.k8s.io";
    const may = async (name: string, rule: object, subject: object) => {
      await post({ metadata: { name }, rules: [rule] }, `${rbac}/clusterroles`);
      const roleRef = { apiGroup, kind: "ClusterRole", name };
      await post({ metadata: { name }, subjects: [subject], roleRef }, `${rbac}/clusterrolebindings`);
    };
    const token = await world.hub.admin.createController("clerk", { nodes: [], groups: [], verbs: ["read"] });
    const acts = { apiGroups: [""], resources: ["serviceaccounts"], verbs: ["impersonate"] };
    await may("acts", { ...acts, resourceNames: ["default"] }, { kind: "User", apiGroup, name: "clerk" });
    const reads = { apiGroups: [""], resources: ["configmaps"], verbs: ["list"] };
    await may("reads", reads, { kind: "Group", apiGroup, name: "system:serviceaccounts:default" });
    const as = (user: string, more: object = {}) =>
      api.send(maps, { token, headers: { "impersonate-user": user, ...more } });
    expect(await as("system:serviceaccount:default:default")).toMatchObject({ status: 200 });
    expect(await as("system:serviceaccount:kube-system:default")).toMatchObject({
      status: 403,
      body: { message: expect.stringContaining('cannot list resource "configmaps"') },
    });
    expect(await as("system:serviceaccount:default:other")).toMatchObject({
      status: 403,
      body: { message: expect.stringContaining('cannot impersonate resource "serviceaccounts"') },
    });
    const root = { "impersonate-group": "system:masters" };
    expect(await as("system:serviceaccount:default:default", root)).toMatchObject({ status: 403 });
  });

  it("is a node, if its certificate says so, until that is revoked", async () => {
    await world.agent("edge");
    const identity = join(world.directory, "edge/identity.pem");
    const pem = await vi.waitFor(() => readFileSync(identity, "utf8"), { timeout: 10_000 });
    const certificate = { cert: pem, key: pem };
    expect(await api.send("/api/v1/nodes", { certificate })).toMatchObject({ status: 200 });
    expect(await api.send("/api/v1/secrets", { certificate })).toMatchObject({
      status: 403,
      body: { message: expect.stringContaining('User "system:node:edge" cannot list resource "secrets"') },
    });
    const node = await api.send("/api/v1/nodes", { method: "POST", body: nodeNamed("edge") });
    expect(node).toMatchObject({ status: 201 });
    const patch = (part: string, body: object) =>
      api.send(`/api/v1/nodes/edge${part}`, {
        method: "PATCH",
        certificate,
        headers: { "content-type": "application/merge-patch+json" },
        body,
      });
    expect(await patch("/status", { status: { phase: "Running" } })).toMatchObject({ status: 200 });
    expect(await patch("", { metadata: { annotations: { a: "b" } } })).toMatchObject({ status: 200 });
    for (const part of ["", "/status"])
      expect(await patch(part, { metadata: { labels: { site: "forged" } } })).toMatchObject({
        status: 403,
        body: { message: expect.stringContaining('node "edge" is not allowed to modify its labels') },
      });
    expect(await patch("", { spec: { taints: [] } })).toMatchObject({ status: 403 });
    await world.hub.admin.revokeNode("edge");
    expect(await api.send("/api/v1/nodes", { certificate })).toMatchObject({ status: 401 });
  });

  it("gets tokens for its own pods only, if it is a node", async () => {
    await world.agent("edge");
    const identity = join(world.directory, "edge/identity.pem");
    const pem = await vi.waitFor(() => readFileSync(identity, "utf8"), { timeout: 10_000 });
    const certificate = { cert: pem, key: pem };
    const pod = async (name: string, nodeName: string) => {
      const spec = { nodeName, containers: [{ name: "c", image: "i" }] };
      const made = await post({ metadata: { name }, spec }, "/api/v1/namespaces/default/pods");
      return { kind: "Pod", apiVersion: "v1", name, uid: (made.body as KubeObject).metadata.uid };
    };
    const [mine, other] = [await pod("mine", "edge"), await pod("other", "elsewhere")];
    const ask = async (boundObjectRef?: object) => {
      const path = "/api/v1/namespaces/default/serviceaccounts/default/token";
      return (await api.send(path, { method: "POST", certificate, body: { spec: { boundObjectRef } } }))
        .status;
    };
    expect(await ask(mine)).toBe(201);
    expect(await ask(other)).toBe(403);
    expect(await ask({ ...mine, uid: "another" })).toBe(403);
    expect(await ask({ ...mine, kind: "Secret" })).toBe(403);
    expect(await ask()).toBe(403);
  });

  it("asks for a certificate in his own name only", async () => {
    const csr = {
      metadata: { name: "c" },
      spec: { request: "eA==", signerName: "example.com/s", usages: ["client auth"], username: "somebody" },
    };
    const made = await post(csr, "/apis/certificates.k8s.io/v1/certificatesigningrequests");
    expect(made).toMatchObject({ status: 201, body: { spec: { username: "admin" } } });
  });

  it("is written down", async () => {
    const audited = await startWorld({ api: { auditFile: join(world.directory, "audit.log") } });
    const client = new ApiClient(audited);
    await client.send(`${maps}/none`);
    const lines = await vi.waitFor(() => {
      const text = readFileSync(join(world.directory, "audit.log"), "utf8").trim();
      expect(text).toContain("none");
      return text.split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
    });
    expect(lines).toMatchObject([
      {
        kind: "Event",
        verb: "get",
        user: { username: "admin" },
        objectRef: { resource: "configmaps", namespace: "default", name: "none" },
        responseStatus: { code: 404 },
      },
    ]);
  });
});
