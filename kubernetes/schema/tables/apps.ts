/** Deployments. Source: Kubernetes API reference. */
export const appsTable = `
package io.k8s.api.apps.v1

Deployment kind
  spec DeploymentSpec
  status DeploymentStatus default={}

DeploymentSpec
  minReadySeconds int32
  paused bool
  progressDeadlineSeconds int32 default=600
  replicas int32 default=1
  revisionHistoryLimit int32 default=10
  selector! meta.LabelSelector
  strategy DeploymentStrategy retainKeys default={}
  template! core.PodTemplateSpec

DeploymentStrategy
  rollingUpdate RollingUpdateDeployment
  type string enum=Recreate|RollingUpdate default=RollingUpdate

RollingUpdateDeployment
  maxSurge intstr
  maxUnavailable intstr

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
