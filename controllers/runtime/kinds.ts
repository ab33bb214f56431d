import type { ResourceName } from "../../kubernetes/index.ts";

/** The kinds that controllers work with. */
const core = (resource: string): ResourceName => ({ group: "", version: "v1", resource });

export const nodes = core("nodes");
export const pods = core("pods");
export const configMaps = core("configmaps");
export const secrets = core("secrets");
export const serviceAccounts = core("serviceaccounts");
export const services = core("services");
export const endpoints = core("endpoints");
export const events = core("events");
export const persistentVolumes = core("persistentvolumes");
export const persistentVolumeClaims = core("persistentvolumeclaims");
export const leases: ResourceName = { group: "coordination.k8s.io", version: "v1", resource: "leases" };
export const deployments: ResourceName = { group: "apps", version: "v1", resource: "deployments" };
export const endpointSlices: ResourceName = {
  group: "discovery.k8s.io",
  version: "v1",
  resource: "endpointslices",
};
export const replicaSets: ResourceName = { group: "apps", version: "v1", resource: "replicasets" };
export const volumeAttachments: ResourceName = {
  group: "storage.k8s.io",
  version: "v1",
  resource: "volumeattachments",
};
export const certificateSigningRequests: ResourceName = {
  group: "certificates.k8s.io",
  version: "v1",
  resource: "certificatesigningrequests",
};
const kubeEdgeDevice = (resource: string, version = "v1beta1"): ResourceName => ({
  group: "devices.kubeedge.io",
  version,
  resource,
});
export const devices = kubeEdgeDevice("devices");
export const olderDevices = kubeEdgeDevice("devices", "v1alpha2");
export const deviceModels = kubeEdgeDevice("devicemodels");
export const deviceStatuses = kubeEdgeDevice("devicestatuses");
const kubeEdgeGroup = (resource: string): ResourceName => ({
  group: "apps.kubeedge.io",
  version: "v1alpha1",
  resource,
});
export const nodeGroups = kubeEdgeGroup("nodegroups");
export const edgeApplications = kubeEdgeGroup("edgeapplications");
