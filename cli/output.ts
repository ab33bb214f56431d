import { stringify } from "yaml";
import { type Colour, type Column, coloured, formatFields, formatTable } from "../platform/table.ts";
import type { Io } from "./io.ts";

export const formats = ["table", "json", "yaml"] as const;
export type Format = (typeof formats)[number];

/** How a list is shown. */
export interface ListView<Item> {
  readonly columns: readonly Column<Item>[];
  /** The item for programs. */
  readonly plain: (item: Item) => unknown;
  /** What a person is told if there is nothing. */
  readonly empty: string;
}

/**
 * What a command says: results to standard output, in the format asked for; remarks for people to standard error.
 * A program that reads JSON or YAML gets nothing but that.
 */
export class Output {
  readonly format: Format;
  readonly colours: boolean;
  readonly #io: Io;

  constructor(io: Io, options: { format: Format; colours: boolean }) {
    this.#io = io;
    this.format = options.format;
    this.colours = options.colours && io.out.isTerminal;
  }

  /** A table, or the items as one list. */
  list<Item>(items: readonly Item[], view: ListView<Item>): void {
    if (this.format !== "table") this.data(items.map(view.plain));
    else if (items.length === 0) this.note(view.empty);
    else this.lines(this.table(items, view.columns));
  }

  table<Item>(items: readonly Item[], columns: readonly Column<Item>[]): string[] {
    const { isTerminal, columns: width } = this.#io.out;
    return formatTable(items, columns, {
      colours: this.colours,
      ...(isTerminal ? { width: width ?? 80 } : {}),
    });
  }

  /** Names and values, or an object. */
  record(fields: readonly (readonly [name: string, value: unknown])[], plain: unknown): void {
    if (this.format === "table") this.lines(formatFields(fields));
    else this.data(plain);
  }

  /** A value for programs. */
  data(value: unknown): void {
    this.#io.out.write(
      this.format === "yaml"
        ? stringify(value, { lineWidth: 0 })
        : `${JSON.stringify(value, undefined, 2)}\n`,
    );
  }

  /** One of many values that come over time: a line of JSON, or a YAML document. */
  item(value: unknown): void {
    this.#io.out.write(
      this.format === "yaml" ? `---\n${stringify(value, { lineWidth: 0 })}` : `${JSON.stringify(value)}\n`,
    );
  }

  lines(lines: readonly string[]): void {
    this.#io.out.write(lines.map((line) => `${line}\n`).join(""));
  }

  /** A line of results for people; programs do not get it. */
  say(line: string): void {
    if (this.format === "table") this.lines([line]);
  }

  /** A remark, which is no result. */
  note(line: string): void {
    if (this.format === "table") this.#io.err.write(`${line}\n`);
  }

  paint(text: string, colour: Colour | undefined): string {
    return coloured(text, colour, this.colours);
  }
}

/**
 * A record for programs: times (`at`, `…At`) as ISO text instead of milliseconds, and what is not known as null.
 * Goes one level deep: contents of messages are nobody's but their authors'.
 *
 * @param optional Keys that the hub leaves out when it does not know them; so every record has the same keys.
 */
export function plainRecord<T extends object>(
  record: T,
  optional: readonly (keyof T & string)[] = [],
): Record<string, unknown> {
  const entries: [string, unknown][] = [
    ...optional.map((key): [string, null] => [key, null]),
    ...Object.entries(record),
  ];
  return Object.fromEntries(
    entries.map(([key, value]) => {
      const isTime = (key === "at" || key.endsWith("At")) && typeof value === "number";
      return [key, isTime ? new Date(value).toISOString() : (value ?? null)];
    }),
  );
}
