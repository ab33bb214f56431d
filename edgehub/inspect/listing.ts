import { type Column, formatTable } from "../../platform/table.ts";

/** What of a kind is asked for. */
export interface Wanted {
  /** `undefined`: all. */
  readonly name: string | undefined;
  /** `undefined`: of any. */
  readonly namespace: string | undefined;
}

/** A column of a list. */
export type ListColumn<Row> = Column<Row> & {
  /** True: only people who ask for more see it. */
  readonly wide?: true;
};

/** What was found, for programs and for people. */
export interface Listing {
  readonly rows: number;
  /** A list; of one that was named, itself. */
  readonly plain: unknown;
  /** A line about all of it; `undefined`: one was named, so there is nothing to add. */
  readonly remark: string | undefined;
  /** @param width Of the terminal; `undefined`: none. */
  lines(shown: { readonly wide: boolean; readonly width: number | undefined }): string[];
}

export interface ListingParts<Row> {
  readonly wanted: Wanted;
  readonly columns: readonly ListColumn<Row>[];
  readonly plain: (row: Row) => unknown;
  readonly remark: string;
}

export function listingOf<Row>(
  rows: readonly Row[],
  { wanted, columns, plain, remark }: ListingParts<Row>,
): Listing {
  const isOne = wanted.name !== undefined;
  const [first] = rows;
  return {
    rows: rows.length,
    plain: isOne && first !== undefined ? plain(first) : rows.map(plain),
    remark: isOne ? undefined : remark,
    lines: ({ wide, width }) => {
      const shown = columns.filter((column) => wide || !column.wide);
      return formatTable(rows, shown, { width });
    },
  };
}
