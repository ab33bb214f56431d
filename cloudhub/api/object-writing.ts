import {
  ApiError,
  apiVersionOf,
  checkObject,
  type FieldError,
  invalidObject,
  type Kind,
  type KubeObject,
  readObject,
  strictFieldError,
  unknownFieldWarning,
  type WriteOptions,
  withDefaults,
  withManagedFields,
} from "../../kubernetes/index.ts";
import { timestamp } from "./object-lifecycle.ts";

/** What a write may say beyond what programs say. */
export interface RegistryOptions extends Omit<WriteOptions, "subresource"> {
  /** The part that is changed: of a namespace what it waits for, of a signing request whether it is approved. */
  readonly subresource?: "status" | "finalize" | "approval" | undefined;
  /** What is done about fields that the kind does not have; default `Warn`. */
  readonly fieldValidation?: FieldValidation | undefined;
  /** Takes what the client is told beside the answer. */
  readonly warn?: ((text: string) => void) | undefined;
  /** Throws if the writer may not write this. */
  readonly admit?: ((next: KubeObject, old: KubeObject | undefined) => void) | undefined;
}

export type FieldValidation = "Ignore" | "Warn" | "Strict";

/**
 * The object as its kind reads it: unknown fields are left out and told of, or refused. Throws `BadRequest` for what is
 * not of this kind.
 */
export function asSent(kind: Kind, sent: KubeObject, options: RegistryOptions): KubeObject {
  const { object, unknown } = readObject(kind, sent);
  requireKind(kind, object);
  const { fieldValidation = "Warn", warn } = options;
  if (unknown.length > 0 && fieldValidation === "Strict") throw strictFieldError(kind, unknown);
  if (fieldValidation === "Warn") for (const path of unknown) warn?.(unknownFieldWarning(path));
  return object;
}

/**
 * The object as it will be stored: with its defaults, checked, and with what is remembered of who set which field.
 * Throws `Invalid`.
 */
export function readyObject(
  kind: Kind,
  next: KubeObject,
  old: KubeObject | undefined,
  options: RegistryOptions,
): KubeObject {
  const object = withDefaults(kind, next);
  const errors = [...checkObject(kind, object, old), ...newFinalizers(object, old)];
  if (errors.length > 0) throw invalidObject(kind.type, object.metadata.name ?? "", errors);
  options.admit?.(object, old);
  return object;
}

/** What is being deleted waits for nothing new. */
function newFinalizers({ metadata }: KubeObject, old: KubeObject | undefined): FieldError[] {
  if (old?.metadata.deletionTimestamp === undefined) return [];
  const added = (metadata.finalizers ?? []).filter((one) => !old.metadata.finalizers?.includes(one));
  if (added.length === 0) return [];
  const list = added.map((one) => JSON.stringify(one)).join(", ");
  const detail = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`;
  return [{ reason: "FieldValueForbidden", field: "metadata.finalizers", detail }];
}

/** With the field managers of a write that is no apply. */
export function managed(
  kind: Kind,
  next: KubeObject,
  old: KubeObject | undefined,
  { options, now }: { options: RegistryOptions; now: number },
): KubeObject {
  const { fieldManager, subresource } = options;
  if (fieldManager === undefined) return next;
  return withManagedFields(kind, old, next, { fieldManager, subresource, time: timestamp(now) });
}

function requireKind({ type }: Kind, { apiVersion, kind }: KubeObject): void {
  if (apiVersion !== apiVersionOf(type)) {
    const text = `the API version in the data (${apiVersion}) does not match the expected API version (${apiVersionOf(type)})`;
    throw new ApiError("BadRequest", text);
  }
  if (kind === type.kind) return;
  const text = `${type.kind} in version "${type.version}" cannot be handled as a ${type.kind}: the kind in the data is ${JSON.stringify(kind)}`;
  throw new ApiError("BadRequest", text);
}
