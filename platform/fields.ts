import { shown } from "../protocol/index.ts";

/**
 * The fields of a configuration: which kinds there are, what a program gets when nothing is said, and what is wrong
 * with a value. Pure.
 */

/** A field, or a section of fields, as data; the type of its values is known to the compiler. */
export interface Field<Value = unknown> extends Partial<Notes> {
  readonly type: "integer" | "string" | "boolean" | "array" | "object";
  readonly default: unknown;
  /** Of a whole number. */
  readonly minimum?: number;
  readonly maximum?: number;
  /** The only texts allowed. */
  readonly enum?: readonly string[];
  /** Characters of a text, or of each text in a list or a map. */
  readonly maxLength?: number;
  /** Texts of a list. */
  readonly maxItems?: number;
  /** Of a section. */
  readonly properties?: Readonly<Record<string, Field>>;
  /** What one may look for among these words or members, and why it is not there. */
  readonly absent?: Readonly<Record<string, string>>;
  /** Never set: it carries the type. */
  readonly value?: Value;
}

/** What a field says for people. */
export interface Notes {
  /** What it does, in which unit, when to change it. */
  readonly description: string;
  /** Shown by `--minconfig` too. */
  readonly minimal?: boolean;
  /** Never printed with its value. */
  readonly secret?: boolean;
}

/** What a program gets from a schema. */
export type OptionsOf<Schema extends Field> = Schema extends Field<infer Value> ? Value : never;

export const whole = (fallback: number, minimum: number, maximum: number, notes: Notes): Field<number> => ({
  type: "integer",
  default: fallback,
  minimum,
  maximum,
  ...notes,
});
export const text = (fallback: string, notes: Notes): Field<string> => ({
  type: "string",
  default: fallback,
  maxLength: 4096,
  ...notes,
});
export const flag = (fallback: boolean, notes: Notes): Field<boolean> => ({
  type: "boolean",
  default: fallback,
  ...notes,
});
export const choice = <const Words extends readonly string[]>(
  fallback: Words[number],
  words: Words,
  notes: Notes & Pick<Field, "absent">,
): Field<Words[number]> => ({ type: "string", enum: words, default: fallback, ...notes });
export const texts = (notes: Notes): Field<string[]> => ({
  type: "array",
  default: [],
  maxItems: 256,
  maxLength: 1024,
  ...notes,
});
export const words = (notes: Notes): Field<Record<string, string>> => ({
  type: "object",
  default: {},
  maxLength: 256,
  ...notes,
});
export const section = <Fields extends Readonly<Record<string, Field>>>(
  description: string,
  properties: Fields,
  absent: Readonly<Record<string, string>> = {},
): Field<{ -readonly [Key in keyof Fields]: OptionsOf<Fields[Key]> }> => ({
  type: "object",
  default: {},
  description,
  properties,
  absent,
});

/** The value with defaults where it says nothing. Values of a wrong kind stay as they are. */
export function filled(field: Field, value: unknown): unknown {
  const own = value === undefined ? structuredClone(field.default) : value;
  if (field.properties === undefined || !isObject(own)) return own;
  const members = Object.entries(field.properties).map(([key, inner]) => [key, filled(inner, own[key])]);
  return { ...own, ...Object.fromEntries(members) };
}

/** One sentence for each value that is not allowed, with its path, and what is. */
export function wrongFields(field: Field, value: unknown, path: readonly string[] = []): string[] {
  if (field.properties && isObject(value)) {
    const members = Object.entries(field.properties);
    return members.flatMap(([key, inner]) => wrongFields(inner, value[key], [...path, key]));
  }
  if (isAllowed(field, value)) return [];
  const given = field.secret ? "another value" : shown(value);
  const reason = typeof value === "string" ? reasonOf(field, value) : "";
  return [`${path.join(".") || "the configuration"} must be ${allowed(field)}, got ${given}${reason}`];
}

/** One sentence for each member of a section that is no field. */
export function unknownFields(field: Field, value: unknown, path: readonly string[] = []): string[] {
  if (field.properties === undefined || !isObject(value)) return [];
  const known = Object.keys(field.properties);
  return Object.entries(value).flatMap(([key, member]) => {
    const inner = known.includes(key) ? field.properties?.[key] : undefined;
    if (inner) return unknownFields(inner, member, [...path, key]);
    const what = `${[...path, key].join(".")} is not a field; known here: ${known.join(", ")}`;
    return [`${what}${reasonOf(field, key)}`];
  });
}

/** Why a word is not there, to be put behind what says that it is not. */
function reasonOf({ absent = {} }: Field, word: string): string {
  return Object.hasOwn(absent, word) ? `: ${absent[word]}` : "";
}

/** What a field takes, for people. */
export function allowed(field: Field): string {
  if (field.enum) return field.enum.join(" | ");
  switch (field.type) {
    case "integer":
      return `whole number ${field.minimum}..${field.maximum}`;
    case "boolean":
      return "true | false";
    case "array":
      return "list of texts";
    case "object":
      return field.properties ? "section" : "key=value, …";
    case "string":
      return "text";
    default:
      return field.type satisfies never;
  }
}

function isAllowed(field: Field, value: unknown): boolean {
  const { minimum = -Infinity, maximum = Infinity, maxLength = Infinity, maxItems = Infinity } = field;
  const isText = (one: unknown): boolean => typeof one === "string" && one.length <= maxLength;
  switch (field.type) {
    case "integer":
      return Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum;
    case "boolean":
      return typeof value === "boolean";
    case "array":
      return Array.isArray(value) && value.length <= maxItems && value.every(isText);
    case "object":
      return field.properties === undefined && isObject(value) && Object.values(value).every(isText);
    case "string":
      return isText(value) && (field.enum?.includes(value as string) ?? true);
    default:
      return field.type satisfies never;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
