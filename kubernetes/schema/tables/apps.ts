/** Deployments. Source: Kubernetes API reference. */
export const appsTable = `
package io.k8s.api.apps.v1

Deployment kind # Keeps a number of pods of one template running.
  spec DeploymentSpec
  status DeploymentStatus default={}

DeploymentSpec
  minReadySeconds int32
  paused bool
  progressDeadlineSeconds int32 default=600
  replicas int32 default=1 # How many pods.
  revisionHistoryLimit int32 default=10
  selector! meta.LabelSelector # Labels of its pods; cannot be changed.
  strategy DeploymentStrategy retainKeys default={} # How pods are replaced when the template changes.
  template! core.PodTemplateSpec # What the pods are to be.

DeploymentStrategy
  rollingUpdate RollingUpdateDeployment # How many at a time.
  type string enum=Recreate|RollingUpdate default=RollingUpdate # Recreate: all at once; RollingUpdate: little by little.

RollingUpdateDeployment
  maxSurge intstr # How many pods there may be too many: a number, or a share like 25%.
  maxUnavailable intstr # How many pods may be missing: a number, or a share like 25%.

DeploymentStatus
  availableReplicas int32
  collisionCount int32
  conditions []DeploymentCondition keys=type merge=type
  observedGeneration int64
  readyReplicas int32
  replicas int32
  terminatingReplicas int32
  unavailableReplicas int32
  updatedReplicas int32

DeploymentCondition
  lastTransitionTime time
  lastUpdateTime time
  message string
  reason string
  status! string
  type! string

ReplicaSet kind
  spec ReplicaSetSpec
  status ReplicaSetStatus default={}

ReplicaSetSpec
  minReadySeconds int32
  replicas int32 default=1
  selector! meta.LabelSelector
  template core.PodTemplateSpec

ReplicaSetStatus
  availableReplicas int32
  conditions []ReplicaSetCondition keys=type merge=type
  fullyLabeledReplicas int32
  observedGeneration int64
  readyReplicas int32
  replicas! int32
  terminatingReplicas int32

ReplicaSetCondition
  lastTransitionTime time
  message string
  reason string
  status! string
  type! string
`;
