import type { KubeObject } from "../../kubernetes/index.ts";

/** The roles that every hub has, and who is given them from the start. Pure. Source: Kubernetes bootstrap policy. */

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
}

const read = ["get", "list", "watch"];
const write = ["create", "delete", "deletecollection", "patch", "update"];
const kubeedge = ["apps.kubeedge.io", "devices.kubeedge.io", "rules.kubeedge.io"];
const workloads = ["deployments", "deployments/scale", "replicasets", "replicasets/scale"];
const ordinary = ["configmaps", "endpoints", "persistentvolumeclaims", "pods", "serviceaccounts", "services"];

const viewing: readonly Rule[] = [
  {
    apiGroups: [""],
    resources: [...ordinary, "events", "namespaces", "pods/log", "pods/status"],
    verbs: read,
  },
  { apiGroups: ["apps"], resources: workloads, verbs: read },
  { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: read },
  { apiGroups: [...kubeedge, "reliablesyncs.kubeedge.io"], resources: ["*"], verbs: read },
];
const editing: readonly Rule[] = [
  ...viewing,
  { apiGroups: [""], resources: ["secrets"], verbs: [...read, ...write] },
  { apiGroups: [""], resources: [...ordinary, "pods/eviction"], verbs: write },
  { apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create"] },
  { apiGroups: ["apps"], resources: workloads, verbs: write },
  { apiGroups: kubeedge, resources: ["*"], verbs: write },
];

const rules: Readonly<Record<string, readonly Rule[]>> = {
  "cluster-admin": [
    { apiGroups: ["*"], resources: ["*"], verbs: ["*"] },
    { nonResourceURLs: ["*"], verbs: ["*"] },
  ],
  admin: [
    ...editing,
    {
      apiGroups: ["rbac.authorization.k8s.io"],
      resources: ["rolebindings", "roles"],
      verbs: [...read, ...write],
    },
    { apiGroups: ["authorization.k8s.io"], resources: ["localsubjectaccessreviews"], verbs: ["create"] },
  ],
  edit: editing,
  view: viewing,
  "system:basic-user": [
    {
      apiGroups: ["authorization.k8s.io"],
      resources: ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
      verbs: ["create"],
    },
    { apiGroups: ["authentication.k8s.io"], resources: ["selfsubjectreviews"], verbs: ["create"] },
  ],
  "system:discovery": [
    { nonResourceURLs: ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"], verbs: ["get"] },
    { nonResourceURLs: ["/healthz", "/livez", "/readyz", "/version", "/version/"], verbs: ["get"] },
  ],
  "system:node": [
    { apiGroups: [""], resources: ["nodes", "pods", "services", "endpoints"], verbs: read },
    { apiGroups: [""], resources: ["nodes"], verbs: ["create", "update", "patch"] },
    { apiGroups: [""], resources: ["nodes/status", "pods/status"], verbs: ["update", "patch"] },
    { apiGroups: [""], resources: ["pods"], verbs: ["delete"] },
    { apiGroups: [""], resources: ["configmaps", "secrets"], verbs: read },
    { apiGroups: [""], resources: ["events"], verbs: ["create", "patch", "update"] },
    { apiGroups: [""], resources: ["serviceaccounts/token"], verbs: ["create"] },
    {
      apiGroups: ["coordination.k8s.io"],
      resources: ["leases"],
      verbs: ["create", "delete", "get", "patch", "update"],
    },
  ],
};

/** Role → the groups that have it everywhere. Nodes are let in by the {@link NodeAuthorizer}, not by a role. */
const bindings: Readonly<Record<string, string>> = {
  "cluster-admin": "system:masters",
  "system:basic-user": "system:authenticated",
  "system:discovery": "system:authenticated",
};

const apiVersion = "rbac.authorization.k8s.io/v1";
const metadata = {
  labels: { "kubernetes.io/bootstrapping": "rbac-defaults" },
  annotations: { "rbac.authorization.kubernetes.io/autoupdate": "true" },
};

export function defaultRoles(): KubeObject[] {
  return Object.entries(rules).map(([name, its]) => ({
    apiVersion,
    kind: "ClusterRole",
    metadata: { ...metadata, name },
    rules: its,
  }));
}

export function defaultBindings(): KubeObject[] {
  return Object.entries(bindings).map(([role, group]) => ({
    apiVersion,
    kind: "ClusterRoleBinding",
    metadata: { ...metadata, name: role },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: group }],
  }));
}
