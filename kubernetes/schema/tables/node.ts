/** Nodes. Source: Kubernetes API reference. */
export const nodeTable = `
package io.k8s.api.core.v1

Node kind # A machine that runs pods.
  spec NodeSpec default={}
  status NodeStatus default={}

NodeSpec
  configSource NodeConfigSource
  externalID string
  podCIDR string
  podCIDRs []string set merge
  providerID string
  taints []Taint # Keep away pods that do not tolerate them.
  unschedulable bool # Whether new pods are kept away.

NodeConfigSource
  configMap ConfigMapNodeConfigSource

ConfigMapNodeConfigSource
  kubeletConfigKey! string
  name! string
  namespace! string
  resourceVersion string
  uid string

Taint
  effect! string enum=NoExecute|NoSchedule|PreferNoSchedule
  key! string
  timeAdded time
  value string

NodeStatus
  addresses []NodeAddress keys=type merge=type
  allocatable {}quantity
  capacity {}quantity
  conditions []NodeCondition keys=type merge=type
  config NodeConfigStatus
  daemonEndpoints NodeDaemonEndpoints
  declaredFeatures []string
  features NodeFeatures
  images []ContainerImage
  nodeInfo NodeSystemInfo
  phase string
  runtimeHandlers []NodeRuntimeHandler
  volumesAttached []AttachedVolume
  volumesInUse []string

NodeAddress
  address! string
  type! string

NodeCondition
  lastHeartbeatTime time
  lastTransitionTime time
  message string
  reason string
  status! string
  type! string

NodeConfigStatus
  active NodeConfigSource
  assigned NodeConfigSource
  error string
  lastKnownGood NodeConfigSource

NodeDaemonEndpoints
  kubeletEndpoint DaemonEndpoint

DaemonEndpoint
  Port! int32

NodeFeatures
  supplementalGroupsPolicy bool

ContainerImage
  names []string
  sizeBytes int64

NodeSystemInfo
  architecture! string
  bootID! string
  containerRuntimeVersion! string
  kernelVersion! string
  kubeProxyVersion! string
  kubeletVersion! string
  machineID! string
  operatingSystem! string
  osImage! string
  swap NodeSwapStatus
  systemUUID! string

NodeSwapStatus
  capacity int64

NodeRuntimeHandler
  features NodeRuntimeHandlerFeatures
  name string

NodeRuntimeHandlerFeatures
  recursiveReadOnlyMounts bool
  userNamespaces bool

AttachedVolume
  devicePath! string
  name! string
`;
