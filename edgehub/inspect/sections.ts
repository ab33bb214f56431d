import { type Column, formatFields, formatTable } from "../../platform/table.ts";

/** A text for people, made of titled parts. */
export class Sections {
  readonly #lines: string[] = [];

  fields(fields: readonly (readonly [name: string, value: unknown])[]): this {
    this.#lines.push(...formatFields(fields));
    return this;
  }

  /** Names and values below a title; nothing if all are unknown. */
  part(title: string, fields: readonly (readonly [name: string, value: unknown])[]): this {
    return this.list(title, formatFields(fields));
  }

  table<Row>(title: string, rows: readonly Row[], columns: readonly Column<Row>[]): this {
    return rows.length === 0 ? this : this.list(title, formatTable(rows, columns));
  }

  list(title: string, lines: readonly string[]): this {
    if (lines.length > 0) this.#lines.push("", title, ...lines.map((line) => `  ${line}`));
    return this;
  }

  get text(): string {
    return `${this.#lines.join("\n")}\n`;
  }
}
