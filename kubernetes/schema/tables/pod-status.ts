/** What pods are. Source: Kubernetes API reference. */
export const podStatusTable = `
package io.k8s.api.core.v1

PodStatus
  allocatedResources {}quantity
  conditions []PodCondition keys=type merge=type
  containerStatuses []ContainerStatus
  ephemeralContainerStatuses []ContainerStatus
  extendedResourceClaimStatus PodExtendedResourceClaimStatus
  hostIP string
  hostIPs []HostIP merge=ip
  initContainerStatuses []ContainerStatus
  message string
  nodeAllocatableResourceClaimStatuses []NodeAllocatableResourceClaimStatus
  nominatedNodeName string
  observedGeneration int64
  phase string
  podIP string
  podIPs []PodIP keys=ip merge=ip
  qosClass string
  reason string
  resize string
  resourceClaimStatuses []PodResourceClaimStatus keys=name merge=name retainKeys
  resources ResourceRequirements
  startTime time

PodCondition
  lastProbeTime time
  lastTransitionTime time
  message string
  observedGeneration int64
  reason string
  status! string
  type! string

ContainerStatus
  allocatedResources {}quantity
  allocatedResourcesStatus []ResourceStatus keys=name merge=name
  containerID string
  image! string
  imageID! string
  lastState ContainerState
  name! string
  ready! bool
  resources ResourceRequirements
  restartCount! int32
  started bool
  state ContainerState
  stopSignal string
  user ContainerUser
  volumeMounts []VolumeMountStatus keys=mountPath merge=mountPath

ResourceStatus
  name! string
  resources []ResourceHealth keys=resourceID

ResourceHealth
  health string
  message string
  resourceID! string

ContainerState
  running ContainerStateRunning
  terminated ContainerStateTerminated
  waiting ContainerStateWaiting

ContainerStateRunning
  startedAt time

ContainerStateTerminated
  containerID string
  exitCode! int32
  finishedAt time
  message string
  reason string
  signal int32
  startedAt time

ContainerStateWaiting
  message string
  reason string

ContainerUser
  linux LinuxContainerUser

LinuxContainerUser
  gid! int64
  supplementalGroups []int64
  uid! int64

VolumeMountStatus
  mountPath! string
  name! string
  readOnly bool
  recursiveReadOnly string
  volumeStatus VolumeStatus

VolumeStatus
  image ImageVolumeStatus

ImageVolumeStatus atomic
  imageRef! string

PodExtendedResourceClaimStatus
  requestMappings! []ContainerExtendedResourceRequest
  resourceClaimName! string

ContainerExtendedResourceRequest
  containerName! string
  requestName! string
  resourceName! string

HostIP
  ip! string

NodeAllocatableResourceClaimStatus
  containers []string
  resourceClaimName! string
  resources! {}string

PodIP
  ip! string

PodResourceClaimStatus
  name! string
  resourceClaimName string
`;
