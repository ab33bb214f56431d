/** Rules, checkpoints, groups of nodes. Source: CustomResourceDefinitions of KubeEdge. */
export const rulesTable = `
package io.kubeedge.rules.v1

RuleEndpoint kind
  spec RuleEndpointSpec

RuleEndpointSpec
  properties {}string
  ruleEndpointType! string enum=rest|eventbus|servicebus

Rule kind
  spec RuleSpec
  status RuleStatus

RuleSpec
  source! string
  sourceResource! {}string
  target! string
  targetResource! {}string

RuleStatus
  errors []string
  failMessages int64
  successMessages int64
`;

export const syncsTable = `
package io.kubeedge.reliablesyncs.v1alpha1

ObjectSync kind
  spec SyncSpec
  status SyncStatus

ClusterObjectSync kind
  spec SyncSpec
  status SyncStatus

SyncSpec
  objectAPIVersion string
  objectKind string
  objectName string

SyncStatus
  objectResourceVersion string
`;

export const groupsTable = `
package io.kubeedge.apps.v1alpha1

NodeGroup kind
  spec! NodeGroupSpec
  status NodeGroupStatus

NodeGroupSpec
  matchLabels {}string
  nodes []string
  topologyEnabled bool

NodeGroupStatus
  nodeStatuses []NodeStatus

NodeStatus
  nodeName! string
  readyStatus! string
  selectionStatus! string
  selectionStatusReason string

EdgeApplication kind
  spec EdgeApplicationSpec
  status EdgeApplicationStatus

EdgeApplicationSpec
  workloadScope! WorkloadScope
  workloadTemplate WorkloadTemplate

WorkloadTemplate
  manifests []{}any

WorkloadScope
  targetNodeGroups []TargetNodeGroup
  targetNodeLabels []TargetNodeLabels

TargetNodeGroup
  name! string
  overriders Overriders

TargetNodeLabels
  labelSelector meta.LabelSelector
  overriders Overriders

Overriders
  argsOverriders []CommandArgsOverrider
  commandOverriders []CommandArgsOverrider
  envOverriders []EnvOverrider
  imageOverriders []ImageOverrider
  replicas int
  resourcesOverriders []ResourcesOverrider

CommandArgsOverrider
  containerName! string
  operator! string enum=add|remove
  value []string

EnvOverrider
  containerName! string
  operator! string enum=add|remove|replace
  value []core.EnvVar

ImageOverrider
  component! string enum=Registry|Repository|Tag
  operator! string enum=add|remove|replace
  predicate ImagePredicate
  value string

ImagePredicate
  path! string

ResourcesOverrider
  containerName! string
  value core.ResourceRequirements

EdgeApplicationStatus
  workloadStatus []ManifestStatus

ManifestStatus
  conditions string enum=Processing|Available
  identifier! ResourceIdentifier

ResourceIdentifier
  group string
  kind string
  name string
  namespace string
  ordinal! int
  resource string
  version string
`;
