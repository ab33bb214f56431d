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

/**
 * Kinds that are only posted to subresources: `Scale`, `Eviction`, `TokenRequest`.
 *
 * @param type Group, version and kind; the rest is made up.
 */
export function documentKind(type: Pick<ResourceType, "group" | "version" | "kind">): Kind {
  const whole: ResourceType = {
    ...type,
    resource: `${type.kind.toLowerCase()}s`,
    singular: type.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    namespaced: true,
    verbs: ["create"],
    hasStatus: false,
    subresources: [],
  };
  return kindOf(whole, builtInSchemas());
}

function kindOf(type: ResourceType, schemas: ReadonlyMap<string, Schema>): Kind {
  const schema = schemas.get(`${packageOf(type.group, type.version)}.${type.kind}`);
  if (schema === undefined) throw new Error(`no schema describes ${type.kind}`);
  return { type, schema, form: isNativeGroup(type.group) ? "native" : "structural" };
}
