/** What pods are to be. Source: Kubernetes API reference. */
export const podTable = `
package io.k8s.api.core.v1

Pod kind # Containers that run together on a node.
  spec PodSpec
  status PodStatus default={}

PodSpec
  activeDeadlineSeconds int64
  affinity Affinity # Rules for the choice of a node.
  automountServiceAccountToken bool
  containers! []Container keys=name merge=name # The containers; at least one.
  dnsConfig PodDNSConfig
  dnsPolicy string enum=ClusterFirst|ClusterFirstWithHostNet|Default|None default=ClusterFirst # Where names are looked up.
  enableServiceLinks bool
  ephemeralContainers []EphemeralContainer keys=name merge=name
  hostAliases []HostAlias keys=ip merge=ip
  hostIPC bool
  hostNetwork bool # Whether the pod uses the network of its node.
  hostPID bool
  hostUsers bool
  hostname string
  hostnameOverride string
  imagePullSecrets []LocalObjectReference keys=name merge=name # Secrets for pulling images.
  initContainers []Container keys=name merge=name # Containers that run one after the other, to their end, before the others start.
  nodeName string # The node that runs the pod.
  nodeSelector {}string atomic # Labels that the node must have.
  os PodOS
  overhead {}quantity
  preemptionPolicy string enum=Never|PreemptLowerPriority
  priority int32
  priorityClassName string
  readinessGates []PodReadinessGate
  resourceClaims []PodResourceClaim keys=name merge=name retainKeys
  resources ResourceRequirements
  restartPolicy string enum=Always|OnFailure|Never default=Always # Whether containers that ended are started again.
  runtimeClassName string
  schedulerName string default=default-scheduler
  schedulingGates []PodSchedulingGate keys=name merge=name
  schedulingGroup PodSchedulingGroup
  securityContext PodSecurityContext default={} # Rights of all containers.
  serviceAccount string
  serviceAccountName string # The account that the pod acts as.
  setHostnameAsFQDN bool
  shareProcessNamespace bool
  subdomain string
  terminationGracePeriodSeconds int64 default=30 # Seconds that containers have to end by themselves.
  tolerations []Toleration # Taints of nodes that the pod puts up with.
  topologySpreadConstraints []TopologySpreadConstraint keys=topologyKey,whenUnsatisfiable merge=topologyKey
  volumes []Volume keys=name merge=name retainKeys # Folders that containers can mount.

PodTemplateSpec
  metadata meta.ObjectMeta
  spec PodSpec

HostAlias
  hostnames []string
  ip! string

PodDNSConfig
  nameservers []string
  options []PodDNSConfigOption
  searches []string

PodDNSConfigOption
  name string
  value string

PodOS
  name! string enum=linux|windows

PodReadinessGate
  conditionType! string

PodResourceClaim
  name! string
  resourceClaimName string
  resourceClaimTemplateName string

PodSchedulingGate
  name! string

PodSchedulingGroup
  podGroupName string

PodSecurityContext
  appArmorProfile AppArmorProfile
  fsGroup int64
  fsGroupChangePolicy string enum=Always|OnRootMismatch
  runAsGroup int64
  runAsNonRoot bool
  runAsUser int64
  seLinuxChangePolicy string
  seLinuxOptions SELinuxOptions
  seccompProfile SeccompProfile
  supplementalGroups []int64
  supplementalGroupsPolicy string
  sysctls []Sysctl
  windowsOptions WindowsSecurityContextOptions

Sysctl
  name! string
  value! string

Toleration
  effect string enum=NoExecute|NoSchedule|PreferNoSchedule
  key string
  operator string enum=Equal|Exists|Gt|Lt
  tolerationSeconds int64
  value string

TopologySpreadConstraint
  labelSelector meta.LabelSelector
  matchLabelKeys []string
  maxSkew! int32
  minDomains int32
  nodeAffinityPolicy string
  nodeTaintsPolicy string
  topologyKey! string
  whenUnsatisfiable! string enum=DoNotSchedule|ScheduleAnyway

Affinity
  nodeAffinity NodeAffinity
  podAffinity PodAffinity
  podAntiAffinity PodAntiAffinity

NodeAffinity
  preferredDuringSchedulingIgnoredDuringExecution []PreferredSchedulingTerm
  requiredDuringSchedulingIgnoredDuringExecution NodeSelector

PreferredSchedulingTerm
  preference! NodeSelectorTerm
  weight! int32

NodeSelectorTerm atomic
  matchExpressions []NodeSelectorRequirement
  matchFields []NodeSelectorRequirement

NodeSelectorRequirement
  key! string
  operator! string enum=DoesNotExist|Exists|Gt|In|Lt|NotIn
  values []string

NodeSelector atomic
  nodeSelectorTerms! []NodeSelectorTerm

PodAffinity
  preferredDuringSchedulingIgnoredDuringExecution []WeightedPodAffinityTerm
  requiredDuringSchedulingIgnoredDuringExecution []PodAffinityTerm

WeightedPodAffinityTerm
  podAffinityTerm! PodAffinityTerm
  weight! int32

PodAffinityTerm
  labelSelector meta.LabelSelector
  matchLabelKeys []string
  mismatchLabelKeys []string
  namespaceSelector meta.LabelSelector
  namespaces []string
  topologyKey! string

PodAntiAffinity
  preferredDuringSchedulingIgnoredDuringExecution []WeightedPodAffinityTerm
  requiredDuringSchedulingIgnoredDuringExecution []PodAffinityTerm
`;
