import { stringify } from "yaml";
import { HubError, shown } from "../../protocol/index.ts";
import type { CommandOption, Given } from "./command.ts";
import type { InspectionIo } from "./io.ts";
import type { Listing } from "./listing.ts";

const plainFormats = ["table", "json", "yaml"] as const;
const listFormats = [...plainFormats, "wide"] as const;
export type PlainFormat = (typeof plainFormats)[number];
export type ListFormat = (typeof listFormats)[number];

export const formatOption = outputOption(plainFormats, "json and yaml tell all there is");
export const listFormatOption = outputOption(
  listFormats,
  "wide has more columns, json and yaml tell all there is",
);

function outputOption(formats: readonly string[], what: string): CommandOption {
  return { name: "output", short: "o", value: "FORMAT", description: `${formats.join(" | ")}; ${what}` };
}

/** Throws `E_BAD_OPTION`. */
export function formatOf(given: Given): PlainFormat {
  return oneOf(plainFormats, given);
}

/** Throws `E_BAD_OPTION`. */
export function listFormatOf(given: Given): ListFormat {
  return oneOf(listFormats, given);
}

function oneOf<Format extends string>(formats: readonly Format[], given: Given): Format {
  const format = given.text("output") ?? "table";
  const found = formats.find((one) => one === format);
  if (found !== undefined) return found;
  throw new HubError("E_BAD_OPTION", `-o must be ${formats.join(" | ")}, got ${shown(format)}`);
}

/** A value for programs. */
export function formatted(value: unknown, format: "json" | "yaml"): string {
  return format === "json" ? `${JSON.stringify(value, undefined, 2)}\n` : stringify(value, { lineWidth: 0 });
}

/** A list to standard output; what is said about it, to standard error, and only to people. */
export function showListing(listing: Listing, format: ListFormat, io: InspectionIo): void {
  const { lines, plain, remark, rows } = listing;
  if (format === "json" || format === "yaml") {
    io.out(formatted(plain, format));
    return;
  }
  if (rows > 0) io.out(`${lines({ wide: format === "wide", width: io.columns }).join("\n")}\n`);
  if (remark !== undefined) io.err(`${remark}\n`);
}
