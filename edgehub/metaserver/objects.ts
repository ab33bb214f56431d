import { isObject } from "../../kubernetes/json.ts";
import type { KubeObject } from "../../kubernetes/object.ts";
import type { ResourceName } from "../../kubernetes/objects-api.ts";
import { apiVersionOf } from "../../kubernetes/resource-type.ts";
import type { ResourceVersion } from "../../protocol/index.ts";
import { guessedKind, type Kind, kindOfType, singularsOf } from "./kinds.ts";

/** Kubernetes objects out of what the store holds. Pure. */

/** Of a stored resource, what makes it an object. */
export interface StoredObject {
  readonly type: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly version: ResourceVersion | undefined;
  /** JSON text; empty: nothing is known but the names. */
  readonly value: Uint8Array;
}

const utf8 = new TextDecoder();

/**
 * The object, with what it came without: the kind of its type, name, namespace and version.
 *
 * @returns `undefined` for what is no Kubernetes object.
 */
export function objectOf(stored: StoredObject): KubeObject | undefined {
  const value = stored.value.length === 0 ? {} : jsonObject(stored.value);
  if (value === undefined) return undefined;
  const known = kindOfType(stored.type);
  const apiVersion = textOr(value.apiVersion, known && apiVersionOf(known));
  const kind = textOr(value.kind, known?.kind);
  if (apiVersion === undefined || kind === undefined) return undefined;
  const { labels, ...given } = isObject(value.metadata) ? value.metadata : {};
  // KubeEdge 1.15 sends nodes as objects of namespace default.
  const namespace = known?.namespaced === false ? undefined : stored.namespace;
  const metadata = {
    ...given,
    name: textOr(given.name, stored.name) ?? "",
    ...optional("namespace", textOr(given.namespace, namespace)),
    ...optional("resourceVersion", textOr(given.resourceVersion, stored.version)),
    ...(isObject(labels) ? { labels: textsOf(labels) } : {}),
  };
  return { ...value, apiVersion, kind, metadata } as KubeObject;
}

/** Is it one of the objects at this place? */
export function isOfKind(object: KubeObject, at: ResourceName): boolean {
  if (object.apiVersion !== apiVersionOf(at)) return false;
  const type = object.kind.toLowerCase();
  const known = kindOfType(type);
  return known && apiVersionOf(known) === object.apiVersion
    ? known.resource === at.resource
    : singularsOf(at.resource).includes(type);
}

/** The kind of an object, well known or guessed from it. */
export function kindOf(object: KubeObject): Kind {
  const known = kindOfType(object.kind.toLowerCase());
  if (known && apiVersionOf(known) === object.apiVersion) return known;
  return guessedKind(object.apiVersion, object.kind, object.metadata.namespace !== undefined);
}

function jsonObject(text: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(utf8.decode(text));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function textOr(value: unknown, otherwise: string | undefined): string | undefined {
  return typeof value === "string" && value !== "" ? value : otherwise;
}

function optional(key: string, value: string | undefined): Readonly<Record<string, string>> {
  return value === undefined ? {} : { [key]: value };
}

function textsOf(values: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}
