import {
  duplicate,
  type FieldError,
  invalid,
  notSupported,
  required,
  tooLong,
  tooMany,
  wrongType,
} from "../field-error.ts";
import { isObject, type JsonObject, own, sameJson } from "../json.ts";
import { type Budget, maxSteps, patternOf } from "./pattern.ts";
import type { Limits, Schema } from "./schema.ts";

/** What is checked: `native` leaves types to reading, and takes the zero values of Go for nothing. */
export type SchemaForm = "native" | "structural";

/** No more errors are collected: more help nobody. */
const maxErrors = 100;

/** What a value lacks or has too much of, by its schema. @param path Of the value; empty at the root. */
export function checkConstraints(
  schema: Schema,
  value: unknown,
  path: string,
  form: SchemaForm,
): FieldError[] {
  const errors: FieldError[] = [];
  check(schema, value, path, { form, errors, patterns: { steps: maxSteps } });
  return errors.slice(0, maxErrors);
}

interface Walk {
  readonly form: SchemaForm;
  readonly errors: FieldError[];
  /** What patterns may still cost. */
  readonly patterns: Budget;
}

function check(schema: Schema, value: unknown, path: string, walk: Walk): void {
  if (walk.errors.length >= maxErrors) return;
  if (value === null && schema.nullable === true) return;
  if (walk.form === "structural" && !hasType(schema, value)) {
    walk.errors.push(typeError(schema, value, path));
    return;
  }
  if (schema.limits !== undefined) checkLimits(schema.limits, value, path, walk);
  if (isObject(value)) checkFields(schema, value, path, walk);
  if (Array.isArray(value)) checkItems(schema, value, path, walk);
}

function checkFields(schema: Schema, value: JsonObject, path: string, walk: Walk): void {
  for (const name of schema.required ?? [])
    if (isMissing(own(value, name), walk)) walk.errors.push(required(below(path, name)));
  for (const [name, field] of Object.entries(value)) {
    const isChecked = field !== undefined && !isUnchecked(name, path, walk);
    const known = isChecked ? (own(schema.properties, name) ?? schema.additional) : undefined;
    if (known !== undefined) check(known, field, below(path, name), walk);
  }
}

/** What programs report of native kinds is taken as it is; metadata has rules of its own. */
function isUnchecked(name: string, path: string, { form }: Walk): boolean {
  if (path !== "") return false;
  return name === "metadata" || (form === "native" && name === "status");
}

function isMissing(value: unknown, { form }: Walk): boolean {
  if (value === undefined) return true;
  if (form === "structural") return false;
  return value === null || value === "" || (Array.isArray(value) && value.length === 0);
}

function checkItems({ items, list }: Schema, value: readonly unknown[], path: string, walk: Walk): void {
  if (items !== undefined)
    for (const [index, item] of value.entries()) check(items, item, `${path}[${index}]`, walk);
  if (list === undefined || list.type === "atomic" || (walk.form === "native" && list.type === "map")) return;
  const seen = new Set<string>();
  for (const [index, item] of value.entries()) {
    const fields = isObject(item) ? item : {};
    const id = list.type === "set" ? item : Object.fromEntries(list.keys.map((key) => [key, fields[key]]));
    const text = JSON.stringify(id);
    if (seen.has(text)) walk.errors.push(duplicate(`${path}[${index}]`, id));
    seen.add(text);
  }
}

function hasType({ type, format, preserveUnknown }: Schema, value: unknown): boolean {
  if (format === "int-or-string") return typeof value === "string" || Number.isInteger(value);
  if (format === "quantity") return typeof value === "string" || typeof value === "number";
  switch (type) {
    case "object":
      return isObject(value);
    case "array":
      return Array.isArray(value);
    case "string":
      return typeof value === "string";
    case "integer":
      return Number.isInteger(value);
    case "number":
      return typeof value === "number";
    case "boolean":
      return typeof value === "boolean";
    case undefined:
      return value !== null || preserveUnknown === true;
    default:
      return type satisfies never;
  }
}

function typeError({ type, format }: Schema, value: unknown, path: string): FieldError {
  const wanted = format === "int-or-string" ? "integer,string" : (type ?? "string");
  const given = value === null ? "null" : Array.isArray(value) ? "array" : typeName(value);
  return wrongType(
    path,
    given,
    `${path || "object"} in body must be of type ${wanted}: ${JSON.stringify(given)}`,
  );
}

function typeName(value: unknown): string {
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function checkLimits(limits: Limits, value: unknown, path: string, walk: Walk): void {
  const { errors } = walk;
  if (limits.enum !== undefined && !isListed(limits.enum, value, walk))
    errors.push(notSupported(path, value, limits.enum));
  if (typeof value === "string") checkText(limits, value, path, walk);
  if (typeof value === "number") checkNumber(limits, value, path, errors);
  if (Array.isArray(value)) checkCount(limits, value, path, errors);
  if (isObject(value)) checkSize(limits, value, path, errors);
  checkCombinations(limits, value, path, walk);
}

function isListed(values: readonly unknown[], value: unknown, { form }: Walk): boolean {
  if (form === "native" && value === "") return true;
  return values.some((one) => sameJson(one, value));
}

function checkText(limits: Limits, value: string, path: string, { errors, patterns }: Walk): void {
  const { pattern, minLength = 0, maxLength } = limits;
  const length = [...value].length;
  if (maxLength !== undefined && length > maxLength) {
    errors.push(tooLong(path, maxLength));
    return;
  }
  if (length < minLength)
    errors.push(invalid(path, value, `${path} in body should be at least ${minLength} chars long`));
  const matches = pattern === undefined ? true : patternOf(pattern)?.test(value, patterns);
  if (matches === false) errors.push(invalid(path, value, `${path} in body should match '${pattern}'`));
  // Definitions have patterns that are some; only they may be so costly.
  else if (matches === undefined && patterns.steps < 0)
    errors.push(
      invalid(path, value.slice(0, 100), `${path} in body is too long to be held against '${pattern}'`),
    );
}

function checkNumber(limits: Limits, value: number, path: string, errors: FieldError[]): void {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = limits;
  const wrong = (text: string): void => {
    errors.push(invalid(path, value, `${path} in body should be ${text}`));
  };
  if (minimum !== undefined && (value < minimum || (exclusiveMinimum === true && value === minimum)))
    wrong(exclusiveMinimum === true ? `greater than ${minimum}` : `greater than or equal to ${minimum}`);
  if (maximum !== undefined && (value > maximum || (exclusiveMaximum === true && value === maximum)))
    wrong(exclusiveMaximum === true ? `less than ${maximum}` : `less than or equal to ${maximum}`);
  if (multipleOf !== undefined && value % multipleOf !== 0) wrong(`a multiple of ${multipleOf}`);
}

function checkCount(limits: Limits, value: readonly unknown[], path: string, errors: FieldError[]): void {
  const { minItems = 0, maxItems, uniqueItems } = limits;
  if (maxItems !== undefined && value.length > maxItems) errors.push(tooMany(path, value.length, maxItems));
  if (value.length < minItems)
    errors.push(invalid(path, value.length, `${path} in body should have at least ${minItems} items`));
  if (uniqueItems === true && new Set(value.map((item) => JSON.stringify(item))).size < value.length)
    errors.push(invalid(path, value.length, `${path} in body shouldn't contain duplicates`));
}

function checkSize(limits: Limits, value: JsonObject, path: string, errors: FieldError[]): void {
  const { minProperties = 0, maxProperties } = limits;
  const size = Object.keys(value).length;
  if (maxProperties !== undefined && size > maxProperties) errors.push(tooMany(path, size, maxProperties));
  if (size < minProperties)
    errors.push(invalid(path, size, `${path} in body should have at least ${minProperties} properties`));
}

function checkCombinations(limits: Limits, value: unknown, path: string, walk: Walk): void {
  const fits = (schema: Schema): boolean => checkConstraints(schema, value, path, walk.form).length === 0;
  const wrong = (text: string): void => {
    walk.errors.push(invalid(path, value, `${path || "object"} in body ${text}`));
  };
  for (const schema of limits.allOf ?? []) check(schema, value, path, walk);
  if (limits.anyOf !== undefined && !limits.anyOf.some(fits))
    wrong("must validate at least one schema (anyOf)");
  if (limits.oneOf !== undefined && limits.oneOf.filter(fits).length !== 1)
    wrong("must validate one and only one schema (oneOf)");
  if (limits.not !== undefined && fits(limits.not)) wrong("must not validate the schema (not)");
}

function below(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
