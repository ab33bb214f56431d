import { groupVersionOf, type ResourceType, type Subresource, type Verb } from "./resource-type.ts";

/** The kinds that are served without a CustomResourceDefinition: Kubernetes' own, KubeEdge's and ours. Pure. */

interface Traits {
  readonly short?: readonly string[];
  readonly categories?: readonly string[];
  readonly namespaced?: boolean;
  readonly status?: boolean;
  readonly verbs?: readonly Verb[];
  readonly subresources?: readonly Subresource[];
}

type Entry = readonly [resource: string, kind: string, traits?: Traits];

const everyVerb: readonly Verb[] = [
  "create",
  "delete",
  "deletecollection",
  "get",
  "list",
  "patch",
  "update",
  "watch",
];
const cluster = { namespaced: false } as const;
const status = { status: true } as const;
/** Questions: answered at once and not kept. */
const question = { namespaced: false, verbs: ["create"] } as const satisfies Traits;

const scale: Subresource = {
  name: "scale",
  group: "autoscaling",
  version: "v1",
  kind: "Scale",
  verbs: ["get", "patch", "update"],
};
const log: Subresource = { name: "log", kind: "Pod", verbs: ["get"] };
const eviction: Subresource = {
  name: "eviction",
  group: "policy",
  version: "v1",
  kind: "Eviction",
  verbs: ["create"],
};
const token: Subresource = {
  name: "token",
  group: "authentication.k8s.io",
  version: "v1",
  kind: "TokenRequest",
  verbs: ["create"],
};
const approval: Subresource = {
  name: "approval",
  kind: "CertificateSigningRequest",
  verbs: ["get", "patch", "update"],
};

const table: Readonly<Record<string, readonly Entry[]>> = {
  v1: [
    ["configmaps", "ConfigMap", { short: ["cm"] }],
    ["endpoints", "Endpoints", { short: ["ep"] }],
    ["events", "Event", { short: ["ev"] }],
    ["namespaces", "Namespace", { ...cluster, ...status, short: ["ns"] }],
    ["nodes", "Node", { ...cluster, ...status, short: ["no"] }],
    ["persistentvolumeclaims", "PersistentVolumeClaim", { ...status, short: ["pvc"] }],
    ["persistentvolumes", "PersistentVolume", { ...cluster, ...status, short: ["pv"] }],
    ["pods", "Pod", { ...status, short: ["po"], categories: ["all"], subresources: [eviction, log] }],
    ["secrets", "Secret"],
    ["serviceaccounts", "ServiceAccount", { short: ["sa"], subresources: [token] }],
    ["services", "Service", { ...status, short: ["svc"], categories: ["all"] }],
  ],
  "apps/v1": [
    [
      "deployments",
      "Deployment",
      { ...status, short: ["deploy"], categories: ["all"], subresources: [scale] },
    ],
    ["replicasets", "ReplicaSet", { ...status, short: ["rs"], categories: ["all"], subresources: [scale] }],
  ],
  "events.k8s.io/v1": [["events", "Event", { short: ["ev"] }]],
  "authentication.k8s.io/v1": [
    ["selfsubjectreviews", "SelfSubjectReview", question],
    ["tokenreviews", "TokenReview", question],
  ],
  "authorization.k8s.io/v1": [
    ["localsubjectaccessreviews", "LocalSubjectAccessReview", { verbs: ["create"] }],
    ["selfsubjectaccessreviews", "SelfSubjectAccessReview", question],
    ["selfsubjectrulesreviews", "SelfSubjectRulesReview", question],
    ["subjectaccessreviews", "SubjectAccessReview", question],
  ],
  "certificates.k8s.io/v1": [
    [
      "certificatesigningrequests",
      "CertificateSigningRequest",
      { ...cluster, ...status, short: ["csr"], subresources: [approval] },
    ],
  ],
  "rbac.authorization.k8s.io/v1": [
    ["clusterrolebindings", "ClusterRoleBinding", cluster],
    ["clusterroles", "ClusterRole", cluster],
    ["rolebindings", "RoleBinding"],
    ["roles", "Role"],
  ],
  "apiextensions.k8s.io/v1": [
    [
      "customresourcedefinitions",
      "CustomResourceDefinition",
      { ...cluster, ...status, short: ["crd", "crds"], categories: ["api-extensions"] },
    ],
  ],
  "coordination.k8s.io/v1": [["leases", "Lease"]],
  "discovery.k8s.io/v1": [["endpointslices", "EndpointSlice"]],
  /** A Device's status is a part of it: users list there what they want to hear of. */
  "devices.kubeedge.io/v1beta1": [
    ["devicemodels", "DeviceModel"],
    ["devices", "Device"],
    ["devicestatuses", "DeviceStatus", { ...status, short: ["devstatus"] }],
  ],
  /** Here they write there what they desire, too. */
  "devices.kubeedge.io/v1alpha2": [
    ["devicemodels", "DeviceModel"],
    ["devices", "Device"],
  ],
  "rules.kubeedge.io/v1": [
    ["ruleendpoints", "RuleEndpoint", { short: ["re"] }],
    ["rules", "Rule", status],
  ],
  "reliablesyncs.kubeedge.io/v1alpha1": [
    ["clusterobjectsyncs", "ClusterObjectSync", { ...cluster, ...status }],
    ["objectsyncs", "ObjectSync", status],
  ],
  "apps.kubeedge.io/v1alpha1": [
    ["edgeapplications", "EdgeApplication", { ...status, short: ["eapp"] }],
    ["nodegroups", "NodeGroup", { ...cluster, ...status, short: ["ng"] }],
  ],
  /** Its status comes with it. */
  "cloud-edge-hub.io/v1": [["deadletters", "DeadLetter", { short: ["dl"] }]],
};

/** In the order in which discovery names them; of several versions of a group the preferred one comes first. */
export const builtInTypes: readonly ResourceType[] = Object.entries(table).flatMap(([apiVersion, entries]) =>
  entries.map((entry) => typeOf(apiVersion, entry)),
);

function typeOf(apiVersion: string, [resource, kind, traits = {}]: Entry): ResourceType {
  return {
    ...groupVersionOf(apiVersion),
    resource,
    kind,
    singular: kind.toLowerCase(),
    shortNames: traits.short ?? [],
    categories: traits.categories ?? [],
    namespaced: traits.namespaced ?? true,
    verbs: traits.verbs ?? everyVerb,
    hasStatus: traits.status ?? false,
    subresources: traits.subresources ?? [],
  };
}

/** Verbs of kinds that are kept. */
export const storedVerbs = everyVerb;
