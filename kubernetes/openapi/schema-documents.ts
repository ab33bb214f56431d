import type { JsonObject } from "../json.ts";
import type { Kind } from "../kind.ts";
import { packageOf } from "../schema/built-in-schemas.ts";
import type { Schema } from "../schema/schema.ts";

/** Schemas as OpenAPI describes them. Source: kube-openapi. */

export type OpenApiVersion = "v2" | "v3";

/** The name of a kind's definition: `io.k8s.api.apps.v1.Deployment`. */
export function definitionOf({ type, schema }: Kind): string {
  return schema.definition ?? `${packageOf(type.group, type.version)}.${type.kind}`;
}

/** Definitions of these kinds and of all that they refer to, by name. */
export function definitionsOf(kinds: readonly Kind[], version: OpenApiVersion): Record<string, JsonObject> {
  const definitions = new Map<string, JsonObject>();
  for (const kind of kinds) {
    const name = definitionOf(kind);
    const walk: Walk = { version, definitions, merges: kind.form === "native" };
    const { group, version: of, kind: title } = kind.type;
    const identity = { "x-kubernetes-group-version-kind": [{ group, kind: title, version: of }] };
    definitions.set(name, {});
    definitions.set(name, { ...bodyOf(kind.schema, walk), ...identity });
  }
  return Object.fromEntries([...definitions].toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

interface Walk {
  readonly version: OpenApiVersion;
  readonly definitions: Map<string, JsonObject>;
  /** Strategic merge is for native kinds. */
  readonly merges: boolean;
}

/** A field's schema: what has a name of its own is referred to. */
function fieldOf(schema: Schema, walk: Walk): JsonObject {
  const { definition } = schema;
  if (definition === undefined) return { ...bodyOf(schema, walk), ...traitsOf(schema, walk) };
  if (!walk.definitions.has(definition)) {
    walk.definitions.set(definition, {});
    walk.definitions.set(definition, bodyOf(schema, walk));
  }
  const prefix = walk.version === "v3" ? "#/components/schemas/" : "#/definitions/";
  const reference = { $ref: prefix + definition };
  const traits = traitsOf(schema, walk);
  if (Object.keys(traits).length === 0) return reference;
  return walk.version === "v3" ? { allOf: [reference], ...traits } : { ...reference, ...traits };
}

/** What a field adds to the type of its values. */
function traitsOf(
  { default: given, list, retainKeys, definition, purpose }: Schema,
  { merges, version }: Walk,
): JsonObject {
  const strategies = [
    ...(retainKeys === true ? ["retainKeys"] : []),
    ...(list?.mergeKey === undefined ? [] : ["merge"]),
  ];
  const isMerged = merges && strategies.length > 0;
  return {
    ...(purpose === undefined ? {} : { description: purpose }),
    ...(given === undefined || (version === "v2" && definition !== undefined) ? {} : { default: given }),
    ...(isMerged ? { "x-kubernetes-patch-strategy": strategies.toSorted().toReversed().join(",") } : {}),
    ...(isMerged && list?.mergeKey ? { "x-kubernetes-patch-merge-key": list.mergeKey } : {}),
  };
}

function bodyOf(schema: Schema, walk: Walk): JsonObject {
  const { properties, additional, items, required, limits, list } = schema;
  const fields = Object.entries(properties ?? {}).map(([name, one]): [string, unknown] => [
    name,
    fieldOf(one, walk),
  ]);
  return withoutUndefined({
    ...typeOf(schema, walk),
    description: schema.description,
    properties: properties === undefined ? undefined : Object.fromEntries(fields),
    required: required === undefined || required.length === 0 ? undefined : required,
    additionalProperties: additional === undefined ? undefined : fieldOf(additional, walk),
    items: items === undefined ? undefined : fieldOf(items, walk),
    nullable: walk.version === "v3" ? schema.nullable : undefined,
    "x-kubernetes-preserve-unknown-fields": schema.preserveUnknown,
    "x-kubernetes-embedded-resource": schema.embedded,
    "x-kubernetes-map-type": schema.atomic === true ? "atomic" : undefined,
    "x-kubernetes-list-type": items === undefined ? undefined : list?.type,
    "x-kubernetes-list-map-keys": list?.type === "map" ? list.keys : undefined,
    ...limitsOf(limits, walk),
  });
}

function typeOf({ type, format }: Schema, { version }: Walk): JsonObject {
  const either = (types: readonly string[]): JsonObject =>
    version === "v3" ? { oneOf: types.map((one) => ({ type: one })) } : { type: "string" };
  if (format === "int-or-string") return { format, ...either(["integer", "string"]) };
  if (format === "quantity") return either(["string", "number"]);
  return { type, format };
}

function limitsOf(limits: Schema["limits"], walk: Walk): JsonObject {
  if (limits === undefined) return {};
  const { allOf, anyOf, oneOf, not, ...plain } = limits;
  if (walk.version === "v2") return plain;
  const each = (schemas: readonly Schema[] | undefined): unknown => schemas?.map((one) => fieldOf(one, walk));
  return {
    ...plain,
    ...withoutUndefined({ allOf: each(allOf), anyOf: each(anyOf), oneOf: each(oneOf) }),
    ...(not === undefined ? {} : { not: fieldOf(not, walk) }),
  };
}

function withoutUndefined(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
