import { isObject, type JsonObject } from "../json.ts";
import type { Limits, Schema, SchemaType } from "./schema.ts";

/** Schemas of CustomResourceDefinitions. Source: structural schemas of Kubernetes, OpenAPI v3. */

const types: readonly string[] = ["object", "array", "string", "integer", "number", "boolean"];
const limitNames = [
  "pattern",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "uniqueItems",
  "minProperties",
  "maxProperties",
  "enum",
] as const;

/** @param json As in `openAPIV3Schema`; what is no schema says nothing. */
export function structuralSchema(json: unknown): Schema {
  if (!isObject(json)) return {};
  const { type, format, properties, items, additionalProperties, required } = json;
  const isEither = json["x-kubernetes-int-or-string"] === true;
  return defined({
    type: !isEither && isType(type) ? type : undefined,
    format: isEither ? "int-or-string" : text(format),
    description: text(json.description),
    properties: isObject(properties) ? each(properties) : undefined,
    items: items === undefined ? undefined : structuralSchema(items),
    additional: isObject(additionalProperties)
      ? structuralSchema(additionalProperties)
      : additionalProperties === true
        ? { preserveUnknown: true }
        : undefined,
    required: Array.isArray(required) ? required.map(String) : undefined,
    nullable: json.nullable === true ? true : undefined,
    default: json.default,
    preserveUnknown: json["x-kubernetes-preserve-unknown-fields"] === true ? true : undefined,
    embedded: json["x-kubernetes-embedded-resource"] === true ? true : undefined,
    atomic: json["x-kubernetes-map-type"] === "atomic" ? true : undefined,
    list: type === "array" ? listRules(json) : undefined,
    limits: limitsOf(json),
  });
}

function listRules(json: JsonObject): Schema["list"] {
  const type = json["x-kubernetes-list-type"];
  const keys = json["x-kubernetes-list-map-keys"];
  if (type === "set") return { type, keys: [] };
  if (type === "map" && Array.isArray(keys)) return { type, keys: keys.map(String) };
  return { type: "atomic", keys: [] };
}

function limitsOf(json: JsonObject): Limits | undefined {
  const limits: JsonObject = {
    ...Object.fromEntries(
      limitNames.filter((name) => json[name] !== undefined).map((name) => [name, json[name]]),
    ),
    ...(Array.isArray(json.allOf) ? { allOf: json.allOf.map(structuralSchema) } : {}),
    ...(Array.isArray(json.anyOf) ? { anyOf: json.anyOf.map(structuralSchema) } : {}),
    ...(Array.isArray(json.oneOf) ? { oneOf: json.oneOf.map(structuralSchema) } : {}),
    ...(isObject(json.not) ? { not: structuralSchema(json.not) } : {}),
  };
  return Object.keys(limits).length === 0 ? undefined : (limits as Limits);
}

function each(properties: JsonObject): Record<string, Schema> {
  return Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, structuralSchema(one)]));
}

function isType(type: unknown): type is SchemaType {
  return typeof type === "string" && types.includes(type);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function defined(schema: Schema): Schema {
  return Object.fromEntries(Object.entries(schema).filter(([, value]) => value !== undefined));
}
