import { type FieldError, invalid, required } from "./field-error.ts";
import { at, isObject, type JsonObject } from "./json.ts";
import type { Kind } from "./kind.ts";
import { storedVerbs } from "./kinds.ts";
import type { KubeObject } from "./object.ts";
import type { Subresource } from "./resource-type.ts";
import { readTables } from "./schema/notation.ts";
import { patternOf } from "./schema/pattern.ts";
import type { Schema } from "./schema/schema.ts";
import { structuralSchema } from "./schema/structural.ts";
import { metaTable } from "./schema/tables/meta.ts";
import type { PrinterColumn } from "./table/printer-column.ts";

/** The kinds that a CustomResourceDefinition adds, one for each version that is served. */
export function kindsOfDefinition(definition: KubeObject): readonly Kind[] {
  const metadata = readTables([metaTable]).get("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta") ?? {};
  return listAt(definition, "spec", "versions")
    .filter(({ served }) => served === true)
    .map((version) => kindOf(definition, version, metadata));
}

function kindOf(definition: KubeObject, version: JsonObject, metadata: Schema): Kind {
  const names = at(definition, "spec", "names");
  const kind = textAt(names, "kind");
  const scale = at(version, "subresources", "scale");
  return {
    type: {
      group: textAt(definition, "spec", "group"),
      version: textAt(version, "name"),
      resource: textAt(names, "plural"),
      kind,
      singular: textAt(names, "singular") || kind.toLowerCase(),
      shortNames: textsAt(names, "shortNames"),
      categories: textsAt(names, "categories"),
      namespaced: at(definition, "spec", "scope") === "Namespaced",
      verbs: storedVerbs,
      hasStatus: at(version, "subresources", "status") !== undefined,
      subresources: scale === undefined ? [] : [scaleSubresource],
    },
    schema: rootSchema(structuralSchema(at(version, "schema", "openAPIV3Schema")), metadata),
    form: "structural",
    columns: listAt(version, "additionalPrinterColumns") as unknown as readonly PrinterColumn[],
  };
}

const scaleSubresource: Subresource = {
  name: "scale",
  group: "autoscaling",
  version: "v1",
  kind: "Scale",
  verbs: ["get", "patch", "update"],
};

/** With the fields that every object has, whatever the definition says of them. */
function rootSchema(schema: Schema, metadata: Schema): Schema {
  const text: Schema = { type: "string" };
  const properties = { ...schema.properties, apiVersion: text, kind: text, metadata };
  return { ...schema, type: "object", properties };
}

const groupPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$/;
const labelPattern = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** What is wrong with a CustomResourceDefinition, beyond wrong types. */
export function checkDefinition(definition: KubeObject): readonly FieldError[] {
  const group = textAt(definition, "spec", "group");
  const plural = textAt(definition, "spec", "names", "plural");
  const errors: FieldError[] = [];
  if (definition.metadata.name !== `${plural}.${group}`) {
    const wanted = 'must be spec.names.plural+"."+spec.group';
    errors.push(invalid("metadata.name", definition.metadata.name, wanted));
  }
  if (group !== "" && !groupPattern.test(group))
    errors.push(invalid("spec.group", group, "should be a domain with at least one dot"));
  if (plural !== "" && !labelPattern.test(plural))
    errors.push(invalid("spec.names.plural", plural, "must be a DNS-1035 label"));
  return [...errors, ...checkVersions(listAt(definition, "spec", "versions"))];
}

function checkVersions(versions: readonly JsonObject[]): FieldError[] {
  const path = "spec.versions";
  const stored = versions.filter(({ storage }) => storage === true).length;
  const names = versions.map(({ name }) => name);
  const errors: FieldError[] = [];
  if (stored !== 1)
    errors.push(invalid(path, names, "must have exactly one version marked as storage version"));
  if (new Set(names).size !== names.length)
    errors.push(invalid(path, names, "must contain unique version names"));
  return [...errors, ...versions.flatMap((version, index) => checkVersion(version, `${path}[${index}]`))];
}

function checkVersion(version: JsonObject, path: string): FieldError[] {
  const name = textAt(version, "name");
  const schema = at(version, "schema", "openAPIV3Schema");
  const place = `${path}.schema.openAPIV3Schema`;
  const errors: FieldError[] = [];
  if (!labelPattern.test(name)) errors.push(invalid(`${path}.name`, name, "must be a DNS-1035 label"));
  if (schema === undefined) return [...errors, required(place, "schemas are required")];
  if (at(schema, "type") !== "object")
    errors.push(invalid(`${place}.type`, at(schema, "type"), "must be object at the root"));
  return [...errors, ...checkPatterns(schema, place), ...checkSchema(schema, place)];
}

/** Lists without items, fields without a type. */
function checkSchema(schema: unknown, path: string): FieldError[] {
  if (!isObject(schema)) return [];
  const errors: FieldError[] = [];
  const anything =
    schema["x-kubernetes-preserve-unknown-fields"] === true || schema["x-kubernetes-int-or-string"] === true;
  if (schema.type === undefined && !anything)
    errors.push(required(`${path}.type`, "must not be empty for specified object fields"));
  if (schema.type === "array" && schema.items === undefined)
    errors.push(required(`${path}.items`, "must be specified"));
  const below = isObject(schema.properties) ? Object.entries(schema.properties) : [];
  return [
    ...errors,
    ...below.flatMap(([name, one]) => checkSchema(one, `${path}.properties[${name}]`)),
    ...checkSchema(schema.items, `${path}.items`),
    ...checkSchema(schema.additionalProperties, `${path}.additionalProperties`),
  ];
}

/** Patterns that are none, wherever they are. */
function checkPatterns(schema: unknown, path: string): FieldError[] {
  if (Array.isArray(schema)) return schema.flatMap((one, index) => checkPatterns(one, `${path}[${index}]`));
  if (!isObject(schema)) return [];
  const { pattern, properties } = schema;
  const isWrong = typeof pattern === "string" && patternOf(pattern) === undefined;
  const named = isObject(properties) ? Object.entries(properties) : [];
  return [
    ...(isWrong ? [invalid(`${path}.pattern`, pattern, "must be a valid regular expression")] : []),
    ...named.flatMap(([name, one]) => checkPatterns(one, `${path}.properties[${name}]`)),
    ...schemaWords.flatMap((word) => checkPatterns(schema[word], `${path}.${word}`)),
  ];
}

/** Fields of a schema that hold others. */
const schemaWords = ["items", "additionalProperties", "allOf", "anyOf", "oneOf", "not"];

function textAt(value: unknown, ...path: readonly string[]): string {
  const found = at(value, ...path);
  return typeof found === "string" ? found : "";
}

function textsAt(value: unknown, ...path: readonly string[]): readonly string[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found.filter((one) => typeof one === "string") : [];
}

function listAt(value: unknown, ...path: readonly string[]): readonly JsonObject[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found.filter(isObject) : [];
}
