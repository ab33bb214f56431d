import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { KubeObject } from "../../../kubernetes/index.ts";
import { ApiClient } from "../../support/api-client.ts";
import { startWorld } from "../../support/world.ts";
import { type HttpWorld, maps, startHttpWorld } from "./http-world.ts";

/** Who asks over HTTP, and what he may. */

let world: HttpWorld["world"];
let api: HttpWorld["api"];
let post: HttpWorld["post"];
beforeEach(async () => {
  ({ world, api, post } = await startHttpWorld());
});

const nodeNamed = (name: string): KubeObject => ({ apiVersion: "v1", kind: "Node", metadata: { name } });

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
