/** Configuration, services and events. Source: Kubernetes API reference. */
export const coreTable = `
package io.k8s.api.core.v1

Namespace kind # A part of the names: objects in different namespaces may share a name.
  spec NamespaceSpec default={}
  status NamespaceStatus default={}

NamespaceSpec
  finalizers []string

NamespaceStatus
  conditions []NamespaceCondition keys=type merge=type
  phase string default=Active

NamespaceCondition
  lastTransitionTime time
  message string
  reason string
  status! string
  type! string

ConfigMap kind # Configuration as keys and values.
  binaryData {}bytes # Bytes by key, in base64.
  data {}string # Texts by key.
  immutable bool # Whether nothing of it may change any more.

Secret kind # Keys and values that not everybody may see.
  data {}bytes # Bytes by key, in base64.
  immutable bool
  stringData {}string # Texts by key; they become data.
  type string default=Opaque # What it is for; says which keys it must have.

ServiceAccount kind # An account for programs.
  automountServiceAccountToken bool
  imagePullSecrets []LocalObjectReference
  secrets []ObjectReference keys=name merge=name

Event kind # Something that happened to an object.
  action string
  count int32
  eventTime microtime
  firstTimestamp time
  involvedObject! ObjectReference
  lastTimestamp time
  message string
  reason string
  related ObjectReference
  reportingComponent string
  reportingInstance string
  series EventSeries
  source EventSource
  type string

EventSeries
  count int32
  lastObservedTime microtime

EventSource
  component string
  host string

LocalObjectReference atomic
  name string

ObjectReference atomic
  apiVersion string
  fieldPath string
  kind string
  name string
  namespace string
  resourceVersion string
  uid string

TypedLocalObjectReference atomic
  apiGroup string
  kind! string
  name! string

TypedObjectReference
  apiGroup string
  kind! string
  name! string
  namespace string

SecretReference atomic
  name string
  namespace string

Service kind # A name for the pods that have certain labels.
  spec ServiceSpec
  status ServiceStatus default={}

ServiceSpec
  allocateLoadBalancerNodePorts bool
  clusterIP string
  clusterIPs []string
  externalIPs []string
  externalName string
  externalTrafficPolicy string enum=Cluster|Local
  healthCheckNodePort int32
  internalTrafficPolicy string enum=Cluster|Local
  ipFamilies []string
  ipFamilyPolicy string enum=PreferDualStack|RequireDualStack|SingleStack
  loadBalancerClass string
  loadBalancerIP string
  loadBalancerSourceRanges []string
  ports []ServicePort keys=port,protocol merge=port # Ports of the service and of the pods.
  publishNotReadyAddresses bool
  selector {}string atomic # Labels of the pods.
  sessionAffinity string enum=ClientIP|None default=None
  sessionAffinityConfig SessionAffinityConfig
  trafficDistribution string
  type string enum=ClusterIP|ExternalName|LoadBalancer|NodePort default=ClusterIP # From where the service can be reached.

ServicePort
  appProtocol string
  name string
  nodePort int32
  port! int32 # Port of the service.
  protocol string enum=SCTP|TCP|UDP default=TCP
  targetPort intstr # Port of the pods, or its name; default: the same.

SessionAffinityConfig
  clientIP ClientIPConfig

ClientIPConfig
  timeoutSeconds int32 default=10800

ServiceStatus
  conditions []meta.Condition keys=type merge=type
  loadBalancer LoadBalancerStatus default={}

LoadBalancerStatus
  ingress []LoadBalancerIngress

LoadBalancerIngress
  hostname string
  ip string
  ipMode string
  ports []PortStatus

PortStatus
  error string
  port! int32
  protocol! string

Endpoints kind
  subsets []EndpointSubset

EndpointSubset
  addresses []EndpointAddress
  notReadyAddresses []EndpointAddress
  ports []EndpointPort

EndpointAddress atomic
  hostname string
  ip! string
  nodeName string
  targetRef ObjectReference

EndpointPort atomic
  appProtocol string
  name string
  port! int32
  protocol string enum=SCTP|TCP|UDP default=TCP
`;
