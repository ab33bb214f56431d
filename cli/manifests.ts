import { HubError, type PublishDraft, state } from "../sdk/index.ts";
import { isClusterWide, sourceOf } from "./kinds.ts";
import { readYaml } from "./yaml.ts";

/** A Kubernetes object to publish, and where it was written. */
export interface Manifest {
  readonly object: Readonly<Record<string, unknown>>;
  /** `namespace/kind/name`, as messages name it. */
  readonly resource: string;
  readonly source: string;
  /** `metadata.resourceVersion`, if it has one. */
  readonly resourceVersion: string | undefined;
  /** `file:line`, for people. */
  readonly origin: string;
}

export interface ManifestOptions {
  /** Of objects that name none. */
  readonly namespace: string;
}

/** How deep lists may stand in lists. */
const maxDepth = 8;

/**
 * The objects of a YAML or JSON text; lists are taken apart.
 *
 * Throws `E_BAD_OPTION` with file and line for what is no YAML or no Kubernetes object.
 */
export function manifestsOf(text: string, origin: string, options: ManifestOptions): Manifest[] {
  return readYaml(text, origin).flatMap(({ value, line }) =>
    objectsIn(value, `${origin}:${line}`, options, 0),
  );
}

/**
 * What is published of a manifest to one node.
 *
 * @param choice `resourceVersion`: `next`, a number, or `undefined` for the object's own, else `next`.
 */
export function draftOf(
  manifest: Manifest,
  node: string,
  choice: { operation: string; resourceVersion: string | undefined; content: Uint8Array },
): PublishDraft {
  return {
    node,
    resource: manifest.resource,
    operation: choice.operation,
    source: manifest.source,
    group: "resource",
    content: choice.content,
    resourceVersion: choice.resourceVersion ?? manifest.resourceVersion ?? "next",
    delivery: state,
  };
}

function objectsIn(value: unknown, place: string, options: ManifestOptions, depth: number): Manifest[] {
  if (depth > maxDepth) throw bad(place, "lists stand too deep in lists");
  if (!isRecord(value)) throw bad(place, `a manifest must be an object with apiVersion, kind and metadata`);
  const { kind, items } = value;
  if (typeof kind === "string" && kind.endsWith("List") && Array.isArray(items)) {
    return items.flatMap((item, at) => objectsIn(item, `${place} items[${at}]`, options, depth + 1));
  }
  return [manifestOf(value, place, options)];
}

function manifestOf(object: Record<string, unknown>, place: string, options: ManifestOptions): Manifest {
  const kind = requireText(object.kind, "kind", place);
  requireText(object.apiVersion, "apiVersion", place);
  const metadata = object.metadata;
  if (!isRecord(metadata)) throw bad(place, "metadata is missing; it needs a name");
  const name = requireName(metadata.name, "metadata.name", place);
  const given = metadata.namespace === undefined ? options.namespace : metadata.namespace;
  const namespace = isClusterWide(kind) ? "null" : requireName(given, "metadata.namespace", place);
  const { resourceVersion } = metadata;
  if (resourceVersion !== undefined && !/^\d{1,20}$/.test(String(resourceVersion)))
    throw bad(place, `metadata.resourceVersion must be a number, got ${JSON.stringify(resourceVersion)}`);
  return {
    object,
    resource: `${namespace}/${kind.toLowerCase()}/${name}`,
    source: sourceOf(kind),
    resourceVersion: resourceVersion === undefined ? undefined : String(resourceVersion),
    origin: place,
  };
}

function requireText(value: unknown, field: string, place: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw bad(place, `${field} must be a text, got ${value === undefined ? "none" : JSON.stringify(value)}`);
}

/** A name must not reach into another part of the path. */
function requireName(value: unknown, field: string, place: string): string {
  const name = requireText(value, field, place);
  if (/^[\w.:-]{1,253}$/.test(name)) return name;
  throw bad(place, `${field} cannot be a Kubernetes name: ${JSON.stringify(name.slice(0, 60))}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function bad(place: string, text: string): HubError {
  return new HubError("E_BAD_OPTION", `${place}: ${text}`);
}
