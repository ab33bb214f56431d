import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import type * as Yaml from "yaml";
import { HubError, shown } from "../protocol/index.ts";
import {
  allowed,
  type Field,
  filled,
  isObject,
  type OptionsOf,
  unknownFields,
  wrongFields,
} from "./fields.ts";

export { choice, flag, type OptionsOf, section, text, texts, whole, words } from "./fields.ts";

/**
 * Configuration: one schema says what is allowed, what is the default and what it means. Values come from
 * a YAML file, then the environment, then flags; the later one wins.
 */

/** A field with its place, `nodes.port`. */
interface Leaf {
  readonly path: readonly string[];
  readonly field: Field;
}

export interface Sources {
  /** YAML file; `undefined`: none. */
  readonly file?: string | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Path → text, as from {@link parseFlags}. */
  readonly flags?: Readonly<Record<string, string>>;
  /** Values of a program that embeds this one; below the file. */
  readonly values?: unknown;
}

/**
 * @param prefix Of environment variables: `CLOUDHUB` makes `nodes.port` `CLOUDHUB_NODES_PORT`.
 * Throws `E_BAD_OPTION`; each wrong field with its path, its value and what is allowed.
 */
export function loadOptions<Schema extends Field>(
  schema: Schema,
  prefix: string,
  sources: Sources,
): OptionsOf<Schema> {
  const values = structuredClone(sources.values ?? {}) as Record<string, unknown>;
  if (sources.file !== undefined) merge(values, readYaml(sources.file));
  const fields = leaves(schema);
  for (const leaf of fields) {
    const given = sources.environment?.[variableOf(prefix, leaf.path)];
    if (given !== undefined) assign(values, leaf, given, variableOf(prefix, leaf.path));
  }
  for (const leaf of fields) {
    const name = flagOf(leaf.path);
    const given = sources.flags?.[name];
    if (given !== undefined) assign(values, leaf, given, `--${name}`);
  }
  return checkOptions(schema, values);
}

/** Fills in defaults and checks. Throws `E_BAD_OPTION` naming all that is wrong. */
export function checkOptions<Schema extends Field>(schema: Schema, values: unknown): OptionsOf<Schema> {
  const options = filled(schema, structuredClone(values ?? {}));
  const problems = [...unknownFields(schema, options), ...wrongFields(schema, options)];
  if (problems.length > 0) throw new HubError("E_BAD_OPTION", problems.join("; "));
  return options as OptionsOf<Schema>;
}

/** Flags of a program as `--nodes.port=1`, with those every program has. Throws `E_BAD_OPTION`. */
export function parseFlags(
  schema: Field,
  argv: readonly string[],
): {
  flags: Record<string, string>;
  config: string | undefined;
  defaultconfig: boolean;
  minconfig: boolean;
  help: boolean;
  version: boolean;
} {
  const own = Object.fromEntries(
    leaves(schema).map(({ path }) => [flagOf(path), { type: "string" as const }]),
  );
  const bare = { type: "boolean" as const };
  const options = {
    ...own,
    config: { type: "string" as const, short: "c" },
    defaultconfig: bare,
    minconfig: bare,
    help: { ...bare, short: "h" },
    version: bare,
  };
  try {
    const { values } = parseArgs({ args: [...argv], options, strict: true, allowPositionals: false });
    const { config, defaultconfig, minconfig, help, version, ...flags } = values as Record<
      string,
      string | boolean | undefined
    >;
    return {
      flags: flags as Record<string, string>,
      config: config as string | undefined,
      defaultconfig: defaultconfig === true,
      minconfig: minconfig === true,
      help: help === true,
      version: version === true,
    };
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const meant = similarOption(text, Object.keys(options));
    const hint = meant === undefined ? "see --help" : `did you mean --${meant}? See --help`;
    throw new HubError("E_BAD_OPTION", `${text} (${hint})`, { cause });
  }
}

/** The option that is written as the unknown one but for case, dashes and dots: `--data-dir` is `dataDir`. */
function similarOption(text: string, names: readonly string[]): string | undefined {
  const given = /Unknown option '-+([^'=]+)/.exec(text)?.[1];
  if (given === undefined) return undefined;
  const plain = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, "");
  return names.find((name) => plain(name) === plain(given));
}

/** Names of the flags that stand for fields: `nodes.port`. */
export function flagNames(schema: Field): string[] {
  return leaves(schema).map(({ path }) => flagOf(path));
}

/** The configuration as YAML, each field with its meaning, bounds and default. */
export function printConfig(schema: Field, minimal: boolean): string {
  const document = new (yaml().Document)({});
  document.contents = yamlOf(document, schema, minimal) as never;
  return document.toString({ lineWidth: 0 });
}

/** One line a field for `--help`. */
export function describeFlags(schema: Field, prefix: string): string {
  return leaves(schema)
    .map(({ path, field }) => {
      const shownDefault =
        Array.isArray(field.default) || isObject(field.default)
          ? JSON.stringify(field.default)
          : String(field.default);
      return `  --${flagOf(path)} <${allowed(field)}>\n      ${field.description}\n      default ${shownDefault === "" ? "none" : shownDefault}; environment ${variableOf(prefix, path)}`;
    })
    .join("\n");
}

/** Loaded when there is YAML to read or write: a program without it goes without its 72 modules, too. */
function yaml(): typeof Yaml {
  return createRequire(import.meta.url)("yaml");
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────

function readYaml(file: string): Record<string, unknown> {
  let source: string;
  try {
    source = readFileSync(file, "utf8");
  } catch (cause) {
    throw new HubError(
      "E_BAD_OPTION",
      `cannot read ${file}: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    );
  }
  const document = yaml().parseDocument(source, { uniqueKeys: true });
  const [error] = document.errors;
  if (error) throw new HubError("E_BAD_OPTION", `${file} is not YAML: ${error.message}`, { cause: error });
  const value: unknown = document.toJS({ maxAliasCount: 100 }) ?? {};
  if (!isObject(value))
    throw new HubError("E_BAD_OPTION", `${file} must hold fields and values, got ${shown(value)}`);
  return value;
}

function assign(values: Record<string, unknown>, { path, field }: Leaf, given: string, from: string): void {
  let at = values;
  for (const key of path.slice(0, -1)) {
    const next = isObject(at[key]) ? (at[key] as Record<string, unknown>) : {};
    at[key] = next;
    at = next;
  }
  at[path.at(-1) as string] = fromText(field, given, from);
}

/** What a text from the environment or a flag means for a field; the schema check finds what it cannot mean. */
function fromText(field: Field, given: string, from: string): unknown {
  if (field.type === "integer") return /^-?\d+$/.test(given) ? Number(given) : given;
  if (field.type === "boolean") return given === "true" ? true : given === "false" ? false : given;
  if (field.type === "array") return given === "" ? [] : given.split(",").map((one) => one.trim());
  if (field.type !== "object") return given;
  return Object.fromEntries(
    given
      .split(",")
      .filter(Boolean)
      .map((pair) => {
        const [key = "", ...rest] = pair.split("=");
        if (rest.length === 0)
          throw new HubError(
            "E_BAD_OPTION",
            `${from} must be written as key=value,key=value, got ${shown(given)}`,
          );
        return [key.trim(), rest.join("=").trim()];
      }),
  );
}

function merge(into: Record<string, unknown>, from: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(from)) {
    const before = into[key];
    if (isObject(before) && isObject(value)) merge(before as Record<string, unknown>, value);
    else into[key] = value;
  }
}

// ── names and printing ───────────────────────────────────────────────────────────────────────────────────

function leaves(field: Field, path: readonly string[] = []): Leaf[] {
  if (field.properties === undefined) return [{ path, field }];
  return Object.entries(field.properties).flatMap(([key, inner]) => leaves(inner, [...path, key]));
}

function flagOf(path: readonly string[]): string {
  return path.join(".");
}

function variableOf(prefix: string, path: readonly string[]): string {
  return [prefix, ...path.map((key) => key.replace(/[A-Z]/g, (letter) => `_${letter}`))]
    .join("_")
    .toUpperCase();
}

function isMinimal(field: Field): boolean {
  return field.properties ? Object.values(field.properties).some(isMinimal) : field.minimal === true;
}

function yamlOf(document: Yaml.Document, field: Field, minimal: boolean): Yaml.YAMLMap {
  const { isMap, isPair } = yaml();
  const map = document.createNode({}) as Yaml.YAMLMap;
  for (const [key, inner] of Object.entries(field.properties ?? {})) {
    if (minimal && !isMinimal(inner)) continue;
    const value = inner.properties ? yamlOf(document, inner, minimal) : inner.default;
    map.add(document.createPair(key, value));
    const pair = map.items.at(-1);
    if (!isPair(pair)) continue;
    const node = pair.key as { commentBefore?: string; spaceBefore?: boolean };
    node.commentBefore = inner.properties
      ? ` ${inner.description}`
      : ` ${inner.description} [${allowed(inner)}]`;
    node.spaceBefore = inner.properties !== undefined;
    if (isMap(pair.value) && inner.properties === undefined) pair.value.flow = true;
  }
  return map;
}
