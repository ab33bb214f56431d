import { isObject, type JsonObject, own, withFields } from "../json.ts";
import type { Schema } from "./schema.ts";

/** The value with what its schema has as defaults; the very same value if there is nothing to add. */
export function withSchemaDefaults(schema: Schema, value: unknown): unknown {
  if (Array.isArray(value)) return schema.items === undefined ? value : withItems(schema.items, value);
  if (!isObject(value)) return value;
  const changes = [...namedFields(schema, value), ...otherFields(schema, value)];
  return changes.length === 0 ? value : withFields(value, Object.fromEntries(changes));
}

type Changes = [name: string, value: unknown][];

function namedFields({ properties = {} }: Schema, value: JsonObject): Changes {
  const changes: Changes = [];
  for (const name in properties) {
    const field = properties[name] as Schema;
    const given = own(value, name);
    const wanted = given ?? field.default;
    const next = wanted === undefined ? undefined : withSchemaDefaults(field, wanted);
    if (next !== undefined && next !== given) changes.push([name, next]);
  }
  return changes;
}

function otherFields({ properties, additional }: Schema, value: JsonObject): Changes {
  if (additional === undefined) return [];
  return Object.entries(value).flatMap(([name, given]) => {
    if (own(properties, name) !== undefined) return [];
    const next = withSchemaDefaults(additional, given);
    return next === given ? [] : ([[name, next]] satisfies Changes);
  });
}

function withItems(items: Schema, value: readonly unknown[]): readonly unknown[] {
  const next = value.map((item) => withSchemaDefaults(items, item));
  return next.every((item, index) => item === value[index]) ? value : next;
}
