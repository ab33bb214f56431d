import type { Limits, ListRules, Schema, SchemaType } from "./schema.ts";

/**
 * Schemas as people read them, one line for each field:
 *
 *     package io.k8s.api.core.v1
 *
 *     Container                                the definition; `kind` adds apiVersion, kind and metadata,
 *       name! string                           `atomic` and `open` are for all of it; `!`: required
 *       image string
 *       limits {}quantity                      a map
 *       template core.PodTemplateSpec          of another package
 *       env []EnvVar keys=name merge=name      a list: how entries are told apart by apply and by strategic merge
 *       protocol string enum=TCP|UDP default=TCP   # What follows is for `kubectl explain`.
 *
 * Words after the type: `keys=a,b` and `set` (lists; else atomic), `merge` or `merge=key`, `retainKeys`, `atomic`,
 * `enum=`, `default=` (JSON, or plain text).
 */
export type SchemaTable = string;

type Draft = { -readonly [Key in keyof Schema]: Schema[Key] };

interface Definition {
  readonly packageName: string;
  readonly schema: Draft & { properties: Record<string, Schema>; required: string[] };
  readonly lines: readonly string[];
}

const metaPackage = "io.k8s.apimachinery.pkg.apis.meta.v1";
const packages: Readonly<Record<string, string>> = { core: "io.k8s.api.core.v1", meta: metaPackage };

const scalars: Readonly<Record<string, Schema>> = {
  string: { type: "string" },
  bool: { type: "boolean" },
  int: { type: "integer" },
  int32: { type: "integer", format: "int32" },
  int64: { type: "integer", format: "int64" },
  number: { type: "number" },
  double: { type: "number", format: "double" },
  time: { type: "string", format: "date-time", definition: `${metaPackage}.Time` },
  microtime: { type: "string", format: "date-time", definition: `${metaPackage}.MicroTime` },
  bytes: { type: "string", format: "byte" },
  quantity: { format: "quantity", definition: "io.k8s.apimachinery.pkg.api.resource.Quantity" },
  intstr: { format: "int-or-string", definition: "io.k8s.apimachinery.pkg.util.intstr.IntOrString" },
  any: { preserveUnknown: true },
};

/** Definitions by full name. Throws for a table that is none. */
export function readTables(tables: readonly SchemaTable[]): ReadonlyMap<string, Schema> {
  const definitions = new Map(tables.flatMap(definitionsOf));
  for (const definition of definitions.values()) fill(definition, definitions);
  return new Map([...definitions].map(([name, { schema }]) => [name, schema]));
}

/** The definitions of a table, still without fields: they may refer to each other. */
function definitionsOf(table: SchemaTable): [string, Definition][] {
  const [first = "", ...blocks] = table.trim().split(/\n\n+/);
  const packageName = first.replace(/^package /, "");
  return blocks.map((block) => {
    const [head = "", ...lines] = block.split("\n");
    const [words = "", description] = head.split(" # ");
    const [name = "", ...traits] = words.split(" ");
    const definition = `${packageName}.${name}`;
    const schema: Definition["schema"] = { type: "object", definition, properties: {}, required: [] };
    if (traits.includes("atomic")) schema.atomic = true;
    if (traits.includes("open")) schema.preserveUnknown = true;
    if (description !== undefined) schema.description = description;
    const ofKind = ["  apiVersion string", "  kind string", `  metadata ${metaPackage}.ObjectMeta`];
    return [
      definition,
      { packageName, schema, lines: traits.includes("kind") ? [...ofKind, ...lines] : lines },
    ];
  });
}

function fill(
  { packageName, schema, lines }: Definition,
  definitions: ReadonlyMap<string, Definition>,
): void {
  for (const line of lines) {
    const [code = "", purpose] = line.trim().split(" # ");
    const [given = "", type = "", ...words] = code.split(" ");
    const name = given.replace(/!$/, "");
    if (given.endsWith("!")) schema.required.push(name);
    const bare = typed(type, (reference) => definitionOf(reference, packageName, definitions));
    const field = withWords(bare, words);
    schema.properties[name] = purpose === undefined ? field : { ...field, purpose };
  }
}

function typed(type: string, definition: (name: string) => Schema): Schema {
  if (type.startsWith("[]")) {
    const items = typed(type.slice(2), definition);
    return { type: "array", items, list: { type: "atomic", keys: [] } };
  }
  if (type.startsWith("{}")) return { type: "object", additional: typed(type.slice(2), definition) };
  return scalars[type] ?? definition(type);
}

function definitionOf(
  reference: string,
  packageName: string,
  definitions: ReadonlyMap<string, Definition>,
): Schema {
  const dot = reference.lastIndexOf(".");
  const place = reference.slice(0, Math.max(dot, 0));
  const name = `${place === "" ? packageName : (packages[place] ?? place)}.${reference.slice(dot + 1)}`;
  const found = definitions.get(name);
  if (found === undefined) throw new Error(`no definition is called ${name}`);
  return found.schema;
}

function withWords(bare: Schema, words: readonly string[]): Schema {
  if (words.length === 0) return bare;
  const schema: Draft = { ...bare };
  for (const word of words) addWord(schema, word);
  return schema;
}

function addWord(schema: Draft, word: string): void {
  const equals = word.indexOf("=");
  const name = equals < 0 ? word : word.slice(0, equals);
  const value = equals < 0 ? "" : word.slice(equals + 1);
  switch (name) {
    case "keys":
      schema.list = { ...listOf(schema), type: "map", keys: value.split(",") };
      return;
    case "set":
      schema.list = { ...listOf(schema), type: "set" };
      return;
    case "merge":
      schema.list = { ...listOf(schema), mergeKey: value };
      return;
    case "retainKeys":
    case "atomic":
      schema[name] = true;
      return;
    case "enum":
      schema.limits = { ...schema.limits, enum: value.split("|") } satisfies Limits;
      return;
    case "default":
      schema.default = defaultOf(value, schema.type);
      return;
    default:
      throw new Error(`a field has no ${JSON.stringify(word)}`);
  }
}

function listOf({ list }: Draft): ListRules {
  return list ?? { type: "atomic", keys: [] };
}

function defaultOf(text: string, type: SchemaType | undefined): unknown {
  const json = type !== "string" || text.startsWith('"');
  return json && /^["{\d]|^(true|false)$/.test(text) ? JSON.parse(text) : text;
}
