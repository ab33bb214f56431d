import type { Fields, Logger } from "../../platform/logger.ts";

/** A line as it was logged: event and fields. */
export type LoggedLine = Fields & { readonly event: string };

/** A logger that keeps what it is told. */
export function recordingLogger(
  lines: LoggedLine[] = [],
): Logger & { readonly lines: readonly LoggedLine[] } {
  const add = (event: string, fields: Fields = {}): void => void lines.push({ event, ...fields });
  const logger = { debug: add, info: add, warn: add, error: add, with: () => logger, lines };
  return logger;
}
