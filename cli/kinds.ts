/** What the protocol needs to know of kinds of Kubernetes objects. */

/** Kinds whose objects belong to no namespace: those of Kubernetes and of KubeEdge. */
const clusterWide: ReadonlySet<string> = new Set([
  "APIService",
  "CSIDriver",
  "CSINode",
  "CertificateSigningRequest",
  "ClusterObjectSync",
  "ClusterRole",
  "ClusterRoleBinding",
  "ClusterTrustBundle",
  "ComponentStatus",
  "CustomResourceDefinition",
  "DeviceClass",
  "FlowSchema",
  "ImagePrePullJob",
  "IngressClass",
  "MutatingAdmissionPolicy",
  "MutatingAdmissionPolicyBinding",
  "MutatingWebhookConfiguration",
  "Namespace",
  "Node",
  "NodeGroup",
  "NodeUpgradeJob",
  "PersistentVolume",
  "PriorityClass",
  "PriorityLevelConfiguration",
  "ResourceSlice",
  "RuntimeClass",
  "StorageClass",
  "ValidatingAdmissionPolicy",
  "ValidatingAdmissionPolicyBinding",
  "ValidatingWebhookConfiguration",
  "VolumeAttachment",
  "VolumeAttributesClass",
]);

const deviceKinds: ReadonlySet<string> = new Set(["Device", "DeviceModel"]);

export function isClusterWide(kind: string): boolean {
  return clusterWide.has(kind);
}

/** The module that sends objects of a kind, as at KubeEdge: an edge acknowledges by it. */
export function sourceOf(kind: string): string {
  return deviceKinds.has(kind) ? "devicecontroller" : "edgecontroller";
}
