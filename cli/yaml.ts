import { LineCounter, parseAllDocuments, type ScalarTag, type Tags } from "yaml";
import { HubError } from "../sdk/index.ts";

/** One document of a file. */
export interface YamlDocument {
  readonly value: unknown;
  /** Where it begins, from 1. */
  readonly line: number;
}

/** YAML 1.1's octal numbers, as in `defaultMode: 0644`: kubectl reads them so, YAML 1.2 does not. */
const octal: ScalarTag = {
  tag: "tag:yaml.org,2002:int",
  default: true,
  test: /^[-+]?0[0-7]+$/,
  resolve: (text) => (text.startsWith("-") ? -1 : 1) * Number.parseInt(text.replace(/^[-+]/, ""), 8),
};

/** YAML 1.1's other words for true and false, as kubectl reads them. */
const truth: ScalarTag = {
  tag: "tag:yaml.org,2002:bool",
  default: true,
  test: /^(?:yes|Yes|YES|on|On|ON|no|No|NO|off|Off|OFF)$/,
  resolve: (text) => /^(?:yes|on)$/i.test(text),
};

/** So often may aliases be resolved: more of them is an attempt to fill the memory. */
const maxAliases = 100;

/**
 * Reads YAML or JSON as kubectl does: many documents, empty ones left out.
 *
 * @param origin The file's name, for errors. Throws `E_BAD_OPTION` with file, line and column.
 */
export function readYaml(text: string, origin: string): YamlDocument[] {
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(text, {
    lineCounter,
    merge: true,
    uniqueKeys: true,
    prettyErrors: false,
    customTags: (tags: Tags) => [octal, truth, ...tags],
  });
  if (!Array.isArray(documents)) return [];
  return documents.flatMap((document) => {
    const [error] = document.errors;
    if (error) {
      const { line, col } = lineCounter.linePos(error.pos[0]);
      throw new HubError("E_BAD_OPTION", `${origin}:${line}:${col}: not YAML: ${error.message}`, {
        cause: error,
      });
    }
    const [start = 0] = document.contents?.range ?? [];
    const { line } = lineCounter.linePos(start);
    const value = resolved(() => document.toJS({ maxAliasCount: maxAliases }), `${origin}:${line}`);
    return value === null ? [] : [{ value, line }];
  });
}

function resolved(read: () => unknown, place: string): unknown {
  try {
    return read() as unknown;
  } catch (cause) {
    throw new HubError("E_BAD_OPTION", `${place}: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
}
