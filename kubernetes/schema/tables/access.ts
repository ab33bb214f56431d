/** Who may do what, and who he is. Source: Kubernetes API reference. */
export const rbacTable = `
package io.k8s.api.rbac.v1

Role kind # Rights in a namespace.
  rules []PolicyRule

PolicyRule
  apiGroups []string # Groups of the kinds; the empty text is the core group.
  nonResourceURLs []string
  resourceNames []string # Names of objects; absent: all of them.
  resources []string # The kinds in plural, also with a subresource: pods/log.
  verbs! []string # What may be done: get, list, watch, create, update, patch, delete …; * for everything.

ClusterRole kind # Rights in all namespaces, or on kinds without one.
  aggregationRule AggregationRule
  rules []PolicyRule

AggregationRule
  clusterRoleSelectors []meta.LabelSelector

RoleBinding kind # Gives the rights of a role to users in a namespace.
  roleRef! RoleRef # The role; cannot be changed.
  subjects []Subject # Who gets the rights.

RoleRef atomic
  apiGroup string default=rbac.authorization.k8s.io
  kind! string
  name! string

Subject atomic
  apiGroup string
  kind! string
  name! string
  namespace string

ClusterRoleBinding kind # Gives the rights of a role to users everywhere.
  roleRef! RoleRef
  subjects []Subject
`;

export const authenticationTable = `
package io.k8s.api.authentication.v1

SelfSubjectReview kind
  status SelfSubjectReviewStatus

SelfSubjectReviewStatus
  userInfo UserInfo

UserInfo
  extra {}[]string
  groups []string
  uid string
  username string

TokenReview kind
  spec! TokenReviewSpec
  status TokenReviewStatus

TokenReviewSpec
  audiences []string
  token! string

TokenReviewStatus
  audiences []string
  authenticated bool
  error string
  user UserInfo
`;

export const authorizationTable = `
package io.k8s.api.authorization.v1

SubjectAccessReview kind
  spec! SubjectAccessReviewSpec
  status SubjectAccessReviewStatus

SubjectAccessReviewSpec
  extra {}[]string
  groups []string
  nonResourceAttributes NonResourceAttributes
  resourceAttributes ResourceAttributes
  uid string
  user string

NonResourceAttributes
  path string
  verb string

ResourceAttributes
  fieldSelector FieldSelectorAttributes
  group string
  labelSelector LabelSelectorAttributes
  name string
  namespace string
  resource string
  subresource string
  verb string
  version string

FieldSelectorAttributes
  rawSelector string
  requirements []meta.FieldSelectorRequirement

LabelSelectorAttributes
  rawSelector string
  requirements []meta.LabelSelectorRequirement

SubjectAccessReviewStatus
  allowed! bool
  denied bool
  evaluationError string
  reason string

SelfSubjectAccessReview kind
  spec! SelfSubjectAccessReviewSpec
  status SubjectAccessReviewStatus

SelfSubjectAccessReviewSpec
  nonResourceAttributes NonResourceAttributes
  resourceAttributes ResourceAttributes

SelfSubjectRulesReview kind
  spec! SelfSubjectRulesReviewSpec
  status SubjectRulesReviewStatus

SelfSubjectRulesReviewSpec
  namespace string

SubjectRulesReviewStatus
  evaluationError string
  incomplete! bool
  nonResourceRules! []NonResourceRule
  resourceRules! []ResourceRule

NonResourceRule
  nonResourceURLs []string
  verbs! []string

ResourceRule
  apiGroups []string
  resourceNames []string
  resources []string
  verbs! []string

LocalSubjectAccessReview kind
  spec! SubjectAccessReviewSpec
  status SubjectAccessReviewStatus
`;

export const certificatesTable = `
package io.k8s.api.certificates.v1

CertificateSigningRequest kind
  spec! CertificateSigningRequestSpec
  status CertificateSigningRequestStatus

CertificateSigningRequestSpec
  expirationSeconds int32
  extra {}[]string
  groups []string
  request! bytes
  signerName! string
  uid string
  usages []string
  username string

CertificateSigningRequestStatus
  certificate bytes
  conditions []CertificateSigningRequestCondition keys=type

CertificateSigningRequestCondition
  lastTransitionTime time
  lastUpdateTime time
  message string
  reason string
  status! string
  type! string
`;
