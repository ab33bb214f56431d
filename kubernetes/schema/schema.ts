/**
 * What values of a field may be: one form for the kinds of Kubernetes and for those of CustomResourceDefinitions.
 * Schemas of Kubernetes' own kinds refer to each other and may contain themselves.
 */
export interface Schema {
  /** Absent: anything. */
  readonly type?: SchemaType | undefined;
  /** `int32`, `int64`, `double`, `date-time`, `byte`, `int-or-string`, `quantity`, and for text whatever a CRD says. */
  readonly format?: string | undefined;
  /** Name under which OpenAPI documents describe it: `io.k8s.api.core.v1.Container`. */
  readonly definition?: string | undefined;
  readonly description?: string | undefined;
  /** What the field is for, where `description` is about its type. */
  readonly purpose?: string | undefined;
  readonly properties?: Readonly<Record<string, Schema>> | undefined;
  /** Of the values of a map, or of fields that `properties` does not name. */
  readonly additional?: Schema | undefined;
  readonly items?: Schema | undefined;
  readonly required?: readonly string[] | undefined;
  readonly nullable?: boolean | undefined;
  readonly default?: unknown;
  /** Fields that nothing describes are kept. */
  readonly preserveUnknown?: boolean | undefined;
  /** An object with apiVersion, kind and metadata. */
  readonly embedded?: boolean | undefined;
  readonly list?: ListRules | undefined;
  /** The object or map is one value: who sets any of it sets all of it. */
  readonly atomic?: boolean | undefined;
  /** Beside its merge keys, what a strategic merge patch does: `retainKeys` drops the fields it does not name. */
  readonly retainKeys?: boolean | undefined;
  readonly limits?: Limits | undefined;
}

export type SchemaType = "object" | "array" | "string" | "integer" | "number" | "boolean";

/** How entries of a list are told apart. */
export interface ListRules {
  /** For server-side apply. Source: x-kubernetes-list-type. */
  readonly type: "atomic" | "set" | "map";
  /** Of `map`. */
  readonly keys: readonly string[];
  /** Strategic merge: the field that tells entries apart; for lists of plain values the empty text. Absent: replaced. */
  readonly mergeKey?: string | undefined;
}

/** Checks of JSON Schema. */
export interface Limits {
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly multipleOf?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly not?: Schema;
}
