import type { Kind } from "./kind.ts";
import { builtInTypes } from "./kinds.ts";
import type { ResourceType } from "./resource-type.ts";
import { builtInSchemas, isNativeGroup, packageOf } from "./schema/built-in-schemas.ts";
import type { Schema } from "./schema/schema.ts";

/** Made anew with each call, in some milliseconds: keep it. */
export function builtInKinds(): readonly Kind[] {
  const schemas = builtInSchemas();
  return builtInTypes.map((type) => kindOf(type, schemas));
}

function kindOf(type: ResourceType, schemas: ReadonlyMap<string, Schema>): Kind {
  const schema = schemas.get(`${packageOf(type.group, type.version)}.${type.kind}`);
  if (schema === undefined) throw new Error(`no schema describes ${type.kind}`);
  return { type, schema, form: isNativeGroup(type.group) ? "native" : "structural" };
}
