/** Tables and blocks of text for people; programs get JSON or YAML instead. Pure. */

/** One column of a table. */
export interface Column<Row> {
  readonly title: string;
  /** The cell's text; `undefined` and empty text show as `-`. */
  readonly cell: (row: Row) => string | number | undefined;
  /** Default: left. */
  readonly align?: "right";
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
 * terminal, the widest columns give way first.
 *
 * @returns Lines without line ends. Width counts UTF-16 units, so it is exact for ASCII only.
 */
export function formatTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  options: TableOptions = {},
): string[] {
  const texts = rows.map((row) => columns.map((column) => cellText(column.cell(row))));
  const wanted = columns.map((column, at) =>
    Math.max(column.title.length, ...texts.map((cells) => cells[at]?.length ?? 0)),
  );
  const widths = options.width === undefined ? wanted : narrowed(wanted, options.width);
  const line = (cells: readonly string[], paint: (text: string, at: number) => string): string =>
    cells
      .map((cell, at) => padded(cell, columns[at]?.align, widths[at] ?? 0, paint, at))
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

/** At most so many characters, the last one an ellipsis if some are missing. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(width - 1, 0))}…`;
}

function cellText(value: string | number | undefined): string {
  const text = value === undefined ? "" : singleLine(String(value));
  return text === "" ? "-" : text;
}

function padded(
  cell: string,
  align: "right" | undefined,
  width: number,
  paint: (text: string, at: number) => string,
  at: number,
): string {
  const text = cut(cell, width);
  const space = " ".repeat(width - text.length);
  return align === "right" ? `${space}${paint(text, at)}` : `${paint(text, at)}${space}`;
}

/** Takes one character after the other from the widest column until the line fits, or all are narrow. */
function narrowed(wanted: readonly number[], width: number): number[] {
  const widths = [...wanted];
  let excess = widths.reduce((sum, one) => sum + one, 0) + gap.length * (widths.length - 1) - width;
  while (excess > 0) {
    const widest = Math.max(...widths);
    if (widest <= leastWidth) break;
    widths[widths.indexOf(widest)] = widest - 1;
    excess--;
  }
  return widths;
}
