import { singleLine } from "../../platform/table.ts";
import { asHubError, type ErrorCode, type HubError } from "../../protocol/index.ts";

/** What a subcommand reads and writes; a test puts its own in place. */
export interface InspectionIo {
  readonly environment: Readonly<Record<string, string | undefined>>;
  out(text: string | Uint8Array): void;
  err(text: string | Uint8Array): void;
  /** Width of the terminal; `undefined`: none. */
  readonly columns: number | undefined;
  /** Wall clock, ms. */
  readonly now: number;
  /** Aborted by Ctrl-C, and when nobody reads any more. */
  readonly signal: AbortSignal;
}

/** The process's own streams. A reader that goes away ends it without a word. */
export function processIo(): InspectionIo {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.abort());
  process.stdout.on("error", () => process.exit(141));
  return {
    environment: process.env,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    columns: process.stdout.isTTY ? process.stdout.columns : undefined,
    now: Date.now(),
    signal: interrupted.signal,
  };
}

const exitCodes: Partial<Record<ErrorCode, number>> = {
  E_BAD_OPTION: 2,
  E_NOT_FOUND: 3,
  E_TIMEOUT: 4,
  E_LINK_LOST: 4,
  E_NO_MODULE: 4,
  E_FORBIDDEN: 5,
  E_ABORTED: 130,
};

/** Tells of a failure. @returns The exit code, as of `hubctl`. */
export function tellFailure(error: unknown, io: InspectionIo): number {
  const { code, message }: HubError = asHubError(error);
  // The hub, a pod or a device may have written the text.
  io.err(`edgehub: ${code}: ${singleLine(message)}\n`);
  return exitCodes[code] ?? 1;
}
