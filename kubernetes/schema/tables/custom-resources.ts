/** Kinds that users define. Source: Kubernetes API reference. */
export const customResourcesTable = `
package io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1

CustomResourceDefinition kind # A kind that users define.
  spec! CustomResourceDefinitionSpec
  status CustomResourceDefinitionStatus

CustomResourceDefinitionSpec
  conversion CustomResourceConversion
  group! string # Group of the kind; the name of the definition is plural.group.
  names! CustomResourceDefinitionNames # How the kind is called.
  preserveUnknownFields bool
  scope! string enum=Cluster|Namespaced # Whether objects of the kind are in namespaces.
  versions! []CustomResourceDefinitionVersion # Versions of the kind, each with a schema; exactly one is stored.

CustomResourceConversion
  strategy! string enum=None|Webhook
  webhook WebhookConversion

WebhookConversion
  clientConfig WebhookClientConfig
  conversionReviewVersions! []string

WebhookClientConfig
  caBundle bytes
  service ServiceReference
  url string

ServiceReference
  name! string
  namespace! string
  path string
  port int32

CustomResourceDefinitionNames
  categories []string
  kind! string
  listKind string
  plural! string
  shortNames []string
  singular string

CustomResourceDefinitionVersion
  additionalPrinterColumns []CustomResourceColumnDefinition
  deprecated bool
  deprecationWarning string
  name! string
  schema CustomResourceValidation
  selectableFields []SelectableField
  served! bool
  storage! bool
  subresources CustomResourceSubresources

CustomResourceColumnDefinition
  description string
  format string
  jsonPath! string
  name! string
  priority int32
  type! string enum=boolean|date|integer|number|string

CustomResourceValidation
  openAPIV3Schema JSONSchemaProps

JSONSchemaProps
  $ref string
  $schema string
  additionalItems any
  additionalProperties any
  allOf []JSONSchemaProps
  anyOf []JSONSchemaProps
  default any
  definitions {}JSONSchemaProps
  dependencies {}any
  description string
  enum []any
  example any
  exclusiveMaximum bool
  exclusiveMinimum bool
  externalDocs ExternalDocumentation
  format string
  id string
  items any
  maxItems int64
  maxLength int64
  maxProperties int64
  maximum double
  minItems int64
  minLength int64
  minProperties int64
  minimum double
  multipleOf double
  not JSONSchemaProps
  nullable bool
  oneOf []JSONSchemaProps
  pattern string
  patternProperties {}JSONSchemaProps
  properties {}JSONSchemaProps
  required []string
  title string
  type string
  uniqueItems bool
  x-kubernetes-embedded-resource bool
  x-kubernetes-int-or-string bool
  x-kubernetes-list-map-keys []string
  x-kubernetes-list-type string
  x-kubernetes-map-type string
  x-kubernetes-preserve-unknown-fields bool
  x-kubernetes-validations []ValidationRule

ExternalDocumentation
  description string
  url string

ValidationRule
  fieldPath string
  message string
  messageExpression string
  optionalOldSelf bool
  reason string
  rule! string

SelectableField
  jsonPath! string

CustomResourceSubresources
  scale CustomResourceSubresourceScale
  status any

CustomResourceSubresourceScale
  labelSelectorPath string
  specReplicasPath! string
  statusReplicasPath! string

CustomResourceDefinitionStatus
  acceptedNames CustomResourceDefinitionNames
  conditions []CustomResourceDefinitionCondition keys=type
  observedGeneration int64
  storedVersions []string

CustomResourceDefinitionCondition
  lastTransitionTime time
  message string
  observedGeneration int64
  reason string
  status! string
  type! string
`;
