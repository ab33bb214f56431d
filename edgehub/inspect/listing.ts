/** What was found, for programs and for people. */
export interface Listing {
  readonly rows: number;
  readonly plain: unknown;
  /** A line about all of it. */
  readonly remark: string;
  /** @param columns Width of the terminal; `undefined`: none. */
  lines(now: number, columns: number | undefined): string[];
}
