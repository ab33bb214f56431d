/** Kubernetes' conventions, as far as objects, their kinds and what is done with them go. Pure. */
export {
  ApiError,
  alreadyExists,
  conflict,
  isReason,
  notFound,
  notServed,
  type Status,
  type StatusCause,
  type StatusDetails,
  type StatusReason,
  statusReasons,
} from "./api-error.ts";
export { applyObject, type Writer, withManagedFields } from "./apply/apply.ts";
export { builtInKinds } from "./built-in-kinds.ts";
export { checkDefinition, kindsOfDefinition } from "./custom-kinds.ts";
export { withDefaults } from "./defaults.ts";
export {
  aggregatedDiscovery,
  coreVersions,
  groupDocument,
  groupList,
  resourceList,
} from "./discovery.ts";
export { type FieldError, invalidObject, messageOf } from "./field-error.ts";
export type { Kind } from "./kind.ts";
export { builtInTypes } from "./kinds.ts";
export type { KubeList, KubeObject, ObjectMeta, OwnerReference, WatchEvent } from "./object.ts";
export type {
  DeleteOptions,
  ListQuery,
  ObjectName,
  ObjectsApi,
  PatchKind,
  ResourceName,
  WatchQuery,
  WriteOptions,
} from "./objects-api.ts";
export { openApiDocument, openApiIndex, openApiV2 } from "./openapi/openapi.ts";
export { openApiProtobuf, openApiProtobufType } from "./openapi/openapi-protobuf.ts";
export { jsonPatch } from "./patch/json-patch.ts";
export { mergePatch } from "./patch/merge-patch.ts";
export { strategicMergePatch } from "./patch/strategic-merge-patch.ts";
export { isSet, type ObjectPath, readObjectPath } from "./path.ts";
export {
  apiVersionOf,
  groupResource,
  groupVersionOf,
  type ResourceType,
  type Subresource,
  type Verb,
} from "./resource-type.ts";
export {
  type Reading,
  readObject,
  strictFieldError,
  unknownFieldWarning,
} from "./schema/read-object.ts";
export type { Schema } from "./schema/schema.ts";
export { fieldSelector, labelSelector, type Selector } from "./selectors.ts";
export { type TableColumn, tableCells, tableColumns } from "./table/table.ts";
export { checkObject } from "./validation/check-object.ts";
