/** Kubernetes' conventions, as far as objects, their kinds and what is done with them go. Pure. */
export {
  ApiError,
  alreadyExists,
  conflict,
  isReason,
  notFound,
  type Status,
  type StatusCause,
  type StatusDetails,
  type StatusReason,
  statusReasons,
} from "./api-error.ts";
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
export { apiVersionOf, groupResource, type ResourceType, type Verb } from "./resource-type.ts";
