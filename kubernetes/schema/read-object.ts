import { ApiError } from "../api-error.ts";
import { isObject, isShallow, type JsonObject, own } from "../json.ts";
import type { Kind } from "../kind.ts";
import type { KubeObject } from "../object.ts";
import { quantityOf } from "../quantity.ts";
import type { Schema } from "./schema.ts";

export interface Reading {
  /** Without the fields that the schema does not name; it has metadata, whatever was sent. */
  readonly object: KubeObject;
  /** Paths of the fields left out: `spec.containers[0].imagee`. */
  readonly unknown: readonly string[];
}

/** In one error. */
const maxNamedFields = 50;
const quantityPattern = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$";
/** Deeper objects are refused: walking them would take too much stack. */
const maxDepth = 256;

/**
 * Reads an object as its kind has it; unknown fields are left out and named. Throws an ApiError: `BadRequest` for what
 * is no object, or where a field of a native kind has a wrong type. (Those of structural kinds are found by
 * `checkObject`.)
 */
export function readObject(kind: Kind, value: unknown): Reading {
  if (!isObject(value)) throw unreadable(kind, "json: cannot unmarshal a value that is no object");
  if (!isShallow(value, maxDepth)) throw unreadable(kind, "exceeded max depth");
  const unknown: string[] = [];
  const walk: Walk =
    kind.form === "native" ? { kind, unknown, strict: true } : { kind, unknown, strict: false };
  const object = readFields(kind.schema, value, { path: "", goPath: "", struct: kind.type.kind }, walk);
  const whole = isObject(object.metadata) ? object : { ...object, metadata: {} };
  return { object: whole as unknown as KubeObject, unknown };
}

/** The answer where fields are validated strictly and some are unknown: 400. */
export function strictFieldError(kind: Kind, unknown: readonly string[]): ApiError {
  const named = unknown.slice(0, maxNamedFields).map(unknownFieldWarning).join(", ");
  return unreadable(kind, `strict decoding error: ${named}`);
}

/** For the header `Warning`. */
export function unknownFieldWarning(path: string): string {
  return `unknown field ${JSON.stringify(path)}`;
}

interface Walk {
  readonly kind: Kind;
  readonly unknown: string[];
  /** Wrong types are refused, and null is nothing. */
  readonly strict: boolean;
}

/** Where a value is: for people, and as Kubernetes' decoder says it. */
interface Place {
  readonly path: string;
  readonly goPath: string;
  readonly struct: string;
}

function readFields(schema: Schema, value: JsonObject, place: Place, walk: Walk): JsonObject {
  const struct = schema.definition?.slice(schema.definition.lastIndexOf(".") + 1) ?? place.struct;
  const fields: [string, unknown][] = [];
  for (const [key, field] of Object.entries(value)) {
    const known = fieldSchema(schema, key, place);
    const path = place.path === "" ? key : `${place.path}.${key}`;
    if (known === undefined) {
      if (keepsUnknown(schema)) fields.push([key, field]);
      else walk.unknown.push(path);
    } else if (field !== null || !(isMetadata(path) || dropsNull(known, walk))) {
      const goPath = place.goPath === "" ? key : `${place.goPath}.${key}`;
      fields.push([
        key,
        read(known, field, { path, goPath, struct }, isMetadata(path) ? asNative(walk) : walk),
      ]);
    }
  }
  return Object.fromEntries(fields);
}

/** Metadata is Kubernetes' own, whatever the kind. */
function isMetadata(path: string): boolean {
  return path === "metadata";
}

function asNative(walk: Walk): Walk {
  return { ...walk, strict: true };
}

function fieldSchema(schema: Schema, key: string, place: Place): Schema | undefined {
  const known = own(schema.properties, key) ?? schema.additional;
  if (known !== undefined) return known;
  const isRoot = place.path === "" || schema.embedded === true;
  return isRoot ? own(rootFields, key) : undefined;
}

/** Every object has them, described or not. */
const rootFields: Readonly<Record<string, Schema>> = {
  apiVersion: { type: "string" },
  kind: { type: "string" },
  metadata: { preserveUnknown: true },
};

function keepsUnknown(schema: Schema): boolean {
  return schema.preserveUnknown === true;
}

function dropsNull(schema: Schema, { strict }: Walk): boolean {
  if (strict) return schema.preserveUnknown !== true;
  return schema.default !== undefined && schema.nullable !== true;
}

function read(schema: Schema, value: unknown, place: Place, walk: Walk): unknown {
  if (isObject(value) && (schema.type === "object" || isBare(schema)))
    return schema.properties === undefined && schema.additional === undefined && isBare(schema)
      ? value
      : readFields(schema, value, place, walk);
  if (Array.isArray(value) && schema.type === "array") {
    const items = schema.items ?? {};
    return value.map((item, index) =>
      readItem(items, item, { ...place, path: `${place.path}[${index}]` }, walk),
    );
  }
  return walk.strict ? readScalar(schema, value, place, walk) : value;
}

/** What is said of no type: anything. */
function isBare(schema: Schema): boolean {
  return schema.type === undefined && schema.format === undefined;
}

function readItem(items: Schema, item: unknown, place: Place, walk: Walk): unknown {
  if (item === null && walk.strict && items.type === "object") return {};
  return read(items, item, place, walk);
}

function readScalar(schema: Schema, value: unknown, place: Place, walk: Walk): unknown {
  if (schema.format === "quantity" && (typeof value === "number" || typeof value === "string")) {
    if (quantityOf(value) !== undefined) return String(value);
    throw unreadable(walk.kind, `quantities must match the regular expression '${quantityPattern}'`);
  }
  if (fits(schema, value)) {
    const flaw = typeof value === "string" ? flawOf(schema, value) : undefined;
    if (flaw === undefined) return value;
    throw unreadable(walk.kind, flaw);
  }
  const field = `${place.struct}.${place.goPath}`;
  const text = `json: cannot unmarshal ${jsonTypeOf(value)} into Go struct field ${field} of type ${goTypeOf(schema)}`;
  throw unreadable(walk.kind, text);
}

const timePattern = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
const base64Pattern = /^[A-Za-z0-9+/]*={0,2}$/;

/** What is wrong with a text that means a time or bytes. */
function flawOf({ format }: Schema, value: string): string | undefined {
  switch (format) {
    case "date-time": {
      const isTime = timePattern.test(value) && !Number.isNaN(Date.parse(value));
      return isTime
        ? undefined
        : `parsing time ${JSON.stringify(value.slice(0, 40))}: it is no RFC 3339 time`;
    }
    case "byte": {
      const text = value.replace(/[\r\n]/g, "");
      return text.length % 4 === 0 && base64Pattern.test(text) ? undefined : "illegal base64 data";
    }
    default:
      return undefined;
  }
}

function fits(schema: Schema, value: unknown): boolean {
  if (schema.format === "quantity") return false;
  if (schema.format === "int-or-string") return typeof value === "string" || Number.isInteger(value);
  switch (schema.type) {
    case "string":
      return typeof value === "string";
    case "boolean":
      return typeof value === "boolean";
    case "integer":
      return Number.isInteger(value) && inRange(Number(value), schema.format);
    case "number":
      return typeof value === "number";
    case "object":
    case "array":
      return false;
    case undefined:
      return true;
    default:
      return schema.type satisfies never;
  }
}

function inRange(value: number, format: string | undefined): boolean {
  return format !== "int32" || Math.abs(value) <= 2 ** 31 - 1;
}

function jsonTypeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number" && !Number.isInteger(value)) return `number ${value}`;
  if (typeof value === "boolean") return "bool";
  return typeof value;
}

function goTypeOf(schema: Schema): string {
  const name = schema.definition?.split(".").slice(-2).join(".");
  if (name !== undefined) return name;
  switch (schema.type) {
    case "integer":
      return schema.format ?? "int";
    case "number":
      return "float64";
    case "boolean":
      return "bool";
    case "array":
      return `[]${goTypeOf(schema.items ?? {})}`;
    case "object":
      return `map[string]${goTypeOf(schema.additional ?? {})}`;
    case "string":
      return schema.format === "byte" ? "[]uint8" : "string";
    case undefined:
      return "interface {}";
    default:
      return schema.type satisfies never;
  }
}

function unreadable({ type }: Kind, why: string): ApiError {
  return new ApiError(
    "BadRequest",
    `${type.kind} in version ${JSON.stringify(type.version)} cannot be handled as a ${type.kind}: ${why}`,
  );
}
