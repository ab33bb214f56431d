/** Leases, events, slices of endpoints. Source: Kubernetes API reference. */
export const eventsTable = `
package io.k8s.api.events.v1

Event kind # Something that happened to an object.
  action string
  deprecatedCount int32
  deprecatedFirstTimestamp time
  deprecatedLastTimestamp time
  deprecatedSource core.EventSource
  eventTime! microtime
  note string
  reason string
  regarding core.ObjectReference
  related core.ObjectReference
  reportingController string
  reportingInstance string
  series EventSeries
  type string

EventSeries
  count! int32
  lastObservedTime! microtime
`;

export const coordinationTable = `
package io.k8s.api.coordination.v1

Lease kind # Says who holds something, and until when: of a node, that it is alive.
  spec LeaseSpec

LeaseSpec
  acquireTime microtime
  holderIdentity string
  leaseDurationSeconds int32
  leaseTransitions int32
  preferredHolder string
  renewTime microtime
  strategy string
`;

export const discoveryTable = `
package io.k8s.api.discovery.v1

EndpointSlice kind
  addressType! string enum=FQDN|IPv4|IPv6
  endpoints []Endpoint
  ports []EndpointPort

Endpoint
  addresses! []string set
  conditions EndpointConditions
  deprecatedTopology {}string
  hints EndpointHints
  hostname string
  nodeName string
  targetRef core.ObjectReference
  zone string

EndpointConditions
  ready bool
  serving bool
  terminating bool

EndpointHints
  forNodes []ForNode
  forZones []ForZone

ForNode
  name! string

ForZone
  name! string

EndpointPort atomic
  appProtocol string
  name string
  port int32
  protocol string enum=SCTP|TCP|UDP default=TCP
`;
