import { describe, expect, it } from "vitest";
import { Authorizer } from "../../../cloudhub/api/authorizer.ts";
import { isCovered, type PolicyRule, ruleAllows } from "../../../cloudhub/api/rbac.ts";
import type { User } from "../../../cloudhub/api/user.ts";
import type { KubeObject } from "../../../kubernetes/index.ts";
import { MemoryResourceStore } from "../../support/memory-resource-store.ts";

const about = (verb: string, resource: string, more: object = {}) => ({
  verb,
  path: "",
  resource: { group: "", subresource: "", namespace: "default", name: "", resource, ...more },
});

describe("a rule", () => {
  const rule: PolicyRule = { apiGroups: [""], resources: ["pods", "*/status"], verbs: ["get", "list"] };

  it("allows what it names, and subresources only by name", () => {
    expect(ruleAllows(rule, about("get", "pods"))).toBe(true);
    expect(ruleAllows(rule, about("get", "nodes", { subresource: "status" }))).toBe(true);
    expect(ruleAllows(rule, about("get", "pods", { subresource: "log" }))).toBe(false);
    expect(ruleAllows(rule, about("delete", "pods"))).toBe(false);
    expect(ruleAllows(rule, about("get", "pods", { group: "apps" }))).toBe(false);
  });

  it("of certain objects allows nothing without a name", () => {
    const named = { ...rule, resourceNames: ["a"] };
    expect(ruleAllows(named, about("get", "pods", { name: "a" }))).toBe(true);
    expect(ruleAllows(named, about("get", "pods", { name: "b" }))).toBe(false);
    expect(ruleAllows(named, about("list", "pods"))).toBe(false);
  });

  it("covers paths by their beginning", () => {
    const paths = { nonResourceURLs: ["/healthz", "/logs/*"], verbs: ["get"] };
    const at = (path: string) => ({ verb: "get", resource: undefined, path });
    expect([at("/healthz"), at("/logs/a"), at("/log")].map((one) => ruleAllows(paths, one))).toEqual([
      true,
      true,
      false,
    ]);
  });

  it("is covered by rules that allow all of it together", () => {
    const have = [
      { apiGroups: [""], resources: ["pods"], verbs: ["get"] },
      { apiGroups: [""], resources: ["pods"], verbs: ["list"], resourceNames: ["a"] },
    ];
    const want = (verbs: string[], resourceNames?: string[]) => ({
      apiGroups: [""],
      resources: ["pods"],
      verbs,
      ...(resourceNames ? { resourceNames } : {}),
    });
    expect(isCovered(want(["get"]), have)).toBe(true);
    expect(isCovered(want(["get", "list"]), have)).toBe(false);
    expect(isCovered(want(["get", "list"], ["a"]), have)).toBe(true);
    expect(isCovered(want(["*"]), have)).toBe(false);
  });
});

describe("a node", () => {
  const node: User = { name: "system:node:edge", groups: ["system:nodes", "system:authenticated"] };

  async function authorizer(): Promise<Authorizer> {
    const store = new MemoryResourceStore();
    const pod = (name: string, nodeName: string, secretName: string): KubeObject => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "default" },
      spec: {
        nodeName,
        containers: [{ name: "c", envFrom: [{ configMapRef: { name: `${name}-env` } }] }],
        imagePullSecrets: [{ name: `${name}-pull` }],
        volumes: [{ name: "v", secret: { secretName } }],
      },
    });
    for (const one of [pod("mine", "edge", "key"), pod("other", "elsewhere", "other-key")]) {
      const name = one.metadata.name ?? "";
      await store.put({ type: "pods", namespace: "default", name }, one, "absent");
    }
    return new Authorizer(store);
  }

  it("reads what its pods name, and nothing else of the kind", async () => {
    const rights = await authorizer();
    const may = (resource: string, name: string) => rights.isAllowed(node, about("get", resource, { name }));
    expect(["key", "mine-pull"].map((name) => may("secrets", name))).toEqual([true, true]);
    expect(may("configmaps", "mine-env")).toBe(true);
    expect(["other-key", "other-pull", "none"].map((name) => may("secrets", name))).toEqual([
      false,
      false,
      false,
    ]);
    expect(may("configmaps", "other-env")).toBe(false);
    expect(rights.isAllowed(node, about("list", "secrets"))).toBe(false);
  });

  it("changes its own Node, Lease and pods, and no other's", async () => {
    const rights = await authorizer();
    const may = (verb: string, resource: string, more: object) =>
      rights.isAllowed(node, about(verb, resource, more));
    expect(may("patch", "nodes", { name: "edge", subresource: "status" })).toBe(true);
    expect(may("patch", "nodes", { name: "elsewhere" })).toBe(false);
    expect(may("delete", "nodes", { name: "edge" })).toBe(false);
    expect(may("delete", "pods", { name: "mine" })).toBe(true);
    expect(may("delete", "pods", { name: "other" })).toBe(false);
    expect(may("patch", "pods", { name: "mine", subresource: "status" })).toBe(true);
    expect(may("patch", "pods", { name: "other", subresource: "status" })).toBe(false);
    expect(may("patch", "pods", { name: "mine" })).toBe(false);
    const lease = { group: "coordination.k8s.io", namespace: "kube-node-lease" };
    expect(may("update", "leases", { ...lease, name: "edge" })).toBe(true);
    expect(may("update", "leases", { ...lease, name: "elsewhere" })).toBe(false);
    expect(may("create", "serviceaccounts", { name: "default", subresource: "token" })).toBe(true);
    expect(may("create", "serviceaccounts", { name: "other", subresource: "token" })).toBe(false);
    expect(may("create", "rolebindings", { group: "rbac.authorization.k8s.io" })).toBe(false);
  });
});
