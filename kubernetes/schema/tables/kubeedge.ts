/** Rules, checkpoints, groups of nodes. Source: CustomResourceDefinitions of KubeEdge. */
export const rulesTable = `
package io.kubeedge.rules.v1

RuleEndpoint kind # An end of routes: HTTP in the cloud, MQTT or services at the edge.
  spec RuleEndpointSpec

RuleEndpointSpec
  properties {}string # For servicebus: service_port, the port of the service on the node.
  ruleEndpointType! string enum=rest|eventbus|servicebus # What is there: rest (HTTP in the cloud), eventbus (MQTT of nodes), servicebus (HTTP services of nodes).

Rule kind # A route between two endpoints of its namespace.
  spec RuleSpec
  status RuleStatus

RuleSpec
  source! string # Name of the RuleEndpoint where messages come from.
  sourceResource! {}string # What is taken there. rest: path. eventbus: topic and node_name. servicebus: target_url and node_name.
  target! string # Name of the RuleEndpoint where messages go.
  targetResource! {}string # Where to. rest: resource, a URL. eventbus: topic. servicebus: path.

RuleStatus
  errors []string # Why the last one was not.
  failMessages int64 # How many were not.
  successMessages int64 # How many messages were taken by the target.
`;

export const syncsTable = `
package io.kubeedge.reliablesyncs.v1alpha1

ObjectSync kind # What a node has of an object in a namespace.
  spec SyncSpec
  status SyncStatus

ClusterObjectSync kind # What a node has of an object without a namespace.
  spec SyncSpec
  status SyncStatus

SyncSpec
  objectAPIVersion string # Version of the API of the object.
  objectKind string # Kind of the object.
  objectName string # Name of the object.

SyncStatus
  objectResourceVersion string # The resourceVersion that the node has confirmed.
`;

export const groupsTable = `
package io.kubeedge.apps.v1alpha1

NodeGroup kind # Nodes that belong together.
  spec! NodeGroupSpec
  status NodeGroupStatus

NodeGroupSpec
  matchLabels {}string # Nodes with all of these labels belong to the group.
  nodes []string # Names of nodes that belong to the group.
  topologyEnabled bool # Nodes get the group as their zone.

NodeGroupStatus
  nodeStatuses []NodeStatus # The nodes that the group selects.

NodeStatus
  nodeName! string
  readyStatus! string
  selectionStatus! string
  selectionStatusReason string

EdgeApplication kind # Objects that are deployed to groups of nodes, with differences for each.
  spec EdgeApplicationSpec
  status EdgeApplicationStatus

EdgeApplicationSpec
  workloadScope! WorkloadScope # Where to, and what is different there.
  workloadTemplate WorkloadTemplate # What is deployed.

WorkloadTemplate
  manifests []{}any # Kubernetes objects.

WorkloadScope
  targetNodeGroups []TargetNodeGroup # Groups of nodes.
  targetNodeLabels []TargetNodeLabels # Nodes by their labels.

TargetNodeGroup
  name! string # Name of the NodeGroup.
  overriders Overriders # What is different there.

TargetNodeLabels
  labelSelector meta.LabelSelector
  overriders Overriders

Overriders
  argsOverriders []CommandArgsOverrider
  commandOverriders []CommandArgsOverrider
  envOverriders []EnvOverrider
  imageOverriders []ImageOverrider # Changes of images.
  replicas int # How many pods.
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
  component! string enum=Registry|Repository|Tag # The part of the image name that changes.
  operator! string enum=add|remove|replace # How it changes.
  predicate ImagePredicate # Which images; absent: all of them.
  value string # The new part; not needed to remove one.

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
