/** Tables and blocks of text for people; programs get JSON or YAML instead. Pure. */

/** One column of a table. */
export interface Column<Row> {
  readonly title: string;
  /** The cell's text; `undefined` and empty text show as `-`. */
  readonly cell: (row: Row) => string | number | undefined;
  /** Default: left. */
  readonly align?: "right";
  /** True: left out where the terminal is too narrow for all columns. */
  readonly optional?: boolean;
  /** True: left out where no row has anything to say here. */
  readonly sparse?: boolean;
  /** Which end of a cell stays when it must be cut; default: its start. */
  readonly keep?: "end";
  /** Colour of a cell, where colours are shown. */
  readonly colour?: (row: Row) => Colour | undefined;
}

export type Colour = "green" | "yellow" | "red" | "dim" | "bold";

export interface TableOptions {
  /** Characters a line may have; longer cells are cut. `undefined`: as wide as it needs, nothing is cut. */
  readonly width?: number | undefined;
  /** Default false. */
  readonly colours?: boolean;
}

const gap = "  ";
/** A column is not cut below so many characters, unless it was narrower already. */
const leastWidth = 8;
const codes: Readonly<Record<Colour, string>> = {
  green: "32",
  yellow: "33",
  red: "31",
  dim: "2",
  bold: "1",
};

/**
 * A table with one line of titles. Columns are as wide as their longest cell; where that is too much for the
 * terminal, optional columns are left out, the last one first, and then the widest columns are cut.
 *
 * @returns Lines without line ends. Width counts UTF-16 units, so it is exact for ASCII only.
 */
export function formatTable<Row>(
  rows: readonly Row[],
  allColumns: readonly Column<Row>[],
  options: TableOptions = {},
): string[] {
  const limit = options.width ?? Number.POSITIVE_INFINITY;
  const telling = allColumns.filter(
    (column) => !column.sparse || rows.some((row) => isTold(column.cell(row))),
  );
  const columns = fitting(rows, telling, limit);
  const texts = rows.map((row) => columns.map((column) => cellText(column.cell(row))));
  const widths = narrowed(widthsOf(rows, columns), limit);
  const line = (cells: readonly string[], paint: (text: string, at: number) => string): string =>
    cells
      .map((cell, at) => padded(cell, columns[at], widths[at] ?? 0, (text) => paint(text, at)))
      .join(gap)
      .trimEnd();
  const titles = line(
    columns.map((column) => column.title),
    (text) => text,
  );
  return [
    titles,
    ...texts.map((cells, at) =>
      line(cells, (text, column) =>
        coloured(text, columns[column]?.colour?.(rows[at] as Row), options.colours ?? false),
      ),
    ),
  ];
}

/** Names and values below one another, values in one column. What is `undefined` is left out. */
export function formatFields(fields: readonly (readonly [name: string, value: unknown])[]): string[] {
  const given = fields.filter(([, value]) => value !== undefined && value !== "");
  const width = Math.max(0, ...given.map(([name]) => name.length));
  return given.map(([name, value]) => `${name.padEnd(width)}${gap}${singleLine(String(value))}`);
}

/** The text in a colour, where colours are shown. */
export function coloured(text: string, colour: Colour | undefined, colours: boolean): string {
  return colour === undefined || !colours || text === "" ? text : `\u001b[${codes[colour]}m${text}\u001b[0m`;
}

/** The text in one line: what a peer wrote must not move the cursor or colour the terminal. */
export function singleLine(text: string): string {
  let clean = "";
  for (const character of text) {
    const code = character.charCodeAt(0);
    clean += code < 0x20 || (code >= 0x7f && code < 0xa0) ? " " : character;
  }
  return clean;
}

/** At most so many characters, with an ellipsis at the end that gives way. */
export function cut(text: string, width: number, keep: "start" | "end" = "start"): string {
  if (text.length <= width) return text;
  const rest = Math.max(width - 1, 0);
  return keep === "start" ? `${text.slice(0, rest)}…` : `…${text.slice(text.length - rest)}`;
}

function isTold(value: string | number | undefined): boolean {
  return value !== undefined && value !== "";
}

function cellText(value: string | number | undefined): string {
  return isTold(value) ? singleLine(String(value)) : "-";
}

function padded<Row>(
  cell: string,
  column: Column<Row> | undefined,
  width: number,
  paint: (text: string) => string,
): string {
  const text = cut(cell, width, column?.keep);
  const space = " ".repeat(width - text.length);
  return column?.align === "right" ? `${space}${paint(text)}` : `${paint(text)}${space}`;
}

/** Each column as wide as its longest cell. */
function widthsOf<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): number[] {
  return columns.map((column) =>
    rows.reduce((widest, row) => Math.max(widest, cellText(column.cell(row)).length), column.title.length),
  );
}

/** The columns without as many of the optional ones as it takes. */
function fitting<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  limit: number,
): readonly Column<Row>[] {
  const last = columns.findLastIndex((column) => column.optional === true);
  if (last < 0 || lineWidth(widthsOf(rows, columns)) <= limit) return columns;
  return fitting(
    rows,
    columns.filter((_column, at) => at !== last),
    limit,
  );
}

function lineWidth(widths: readonly number[]): number {
  return widths.reduce((sum, one) => sum + one, 0) + gap.length * (widths.length - 1);
}

/** Takes one character after the other from the widest column until the line fits, or all are narrow. */
function narrowed(wanted: readonly number[], limit: number): number[] {
  const widths = [...wanted];
  for (let excess = lineWidth(widths) - limit; excess > 0; excess--) {
    const widest = Math.max(...widths);
    if (widest <= leastWidth) break;
    widths[widths.indexOf(widest)] = widest - 1;
  }
  return widths;
}
