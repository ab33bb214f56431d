/** Of every object. Source: Kubernetes API reference. */
export const metaTable = `
package io.k8s.apimachinery.pkg.apis.meta.v1

ObjectMeta
  annotations {}string
  creationTimestamp time
  deletionGracePeriodSeconds int64
  deletionTimestamp time
  finalizers []string set merge
  generateName string
  generation int64
  labels {}string
  managedFields []ManagedFieldsEntry
  name string
  namespace string
  ownerReferences []OwnerReference keys=uid merge=uid
  resourceVersion string
  selfLink string
  uid string

ManagedFieldsEntry
  apiVersion string
  fieldsType string
  fieldsV1 any
  manager string
  operation string
  subresource string
  time time

OwnerReference atomic
  apiVersion! string
  blockOwnerDeletion bool
  controller bool
  kind! string
  name! string
  uid! string

LabelSelector atomic
  matchExpressions []LabelSelectorRequirement
  matchLabels {}string

LabelSelectorRequirement
  key! string
  operator! string enum=DoesNotExist|Exists|In|NotIn
  values []string

FieldSelectorRequirement
  key! string
  operator! string
  values []string

Condition
  lastTransitionTime! time
  message! string
  observedGeneration int64
  reason! string
  status! string
  type! string
`;
