import { stringify } from "yaml";
import { HubError, shown } from "../../protocol/index.ts";
import type { CommandOption, Given } from "./command.ts";
import type { InspectionIo } from "./io.ts";
import type { Listing } from "./listing.ts";

const formats = ["table", "json", "yaml"] as const;
export type Format = (typeof formats)[number];

export const formatOption: CommandOption = {
  name: "output",
  short: "o",
  value: "FORMAT",
  description: `${formats.join(" | ")}; json and yaml tell all there is`,
};

/** Throws `E_BAD_OPTION`. */
export function formatOf(given: Given): Format {
  const format = given.text("output") ?? "table";
  const found = formats.find((one) => one === format);
  if (found === undefined)
    throw new HubError("E_BAD_OPTION", `-o must be ${formats.join(" | ")}, got ${shown(format)}`);
  return found;
}

/** A value for programs. */
export function formatted(value: unknown, format: "json" | "yaml"): string {
  return format === "json" ? `${JSON.stringify(value, undefined, 2)}\n` : stringify(value, { lineWidth: 0 });
}

/** A list to standard output; what is said about it, to standard error, and only to people. */
export function showListing({ lines, plain, remark, rows }: Listing, format: Format, io: InspectionIo): void {
  if (format !== "table") {
    io.out(formatted(plain, format));
    return;
  }
  if (rows > 0) io.out(`${lines(io.now, io.columns).join("\n")}\n`);
  io.err(`${remark}\n`);
}
