import { type DestinationStream, pino } from "pino";
import type { Clock } from "./clock.ts";

export type Fields = Readonly<Record<string, unknown>>;

export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Events with fields: what happened, to whom. Never message contents, never secrets. */
export interface Logger {
  debug(event: string, fields?: Fields): void;
  info(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
  error(event: string, fields?: Fields): void;
  with(fields: Fields): Logger;
}

/** A logger that writes one JSON line an event. @param destination Default: standard error. */
export function createLogger(level: LogLevel, fields: Fields = {}, destination?: DestinationStream): Logger {
  const out = destination ?? standardError();
  const base = { level, base: fields, timestamp: pino.stdTimeFunctions.isoTime, messageKey: "event" };
  return wrap(pino({ ...base, formatters: { level: (label) => ({ level: label }) } }, out));
}

/** Lines of one turn that are held, at most: characters. */
const heldCharacters = 64 << 10;

/**
 * Lines of one turn of the event loop leave in one write: each is a call of the system that may wake whoever reads, and of
 * a fleet that comes or goes at once there are thousands. Who makes one flushes it before the process exits.
 */
export class TurnLines implements DestinationStream {
  readonly #out: DestinationStream;
  #held = "";

  constructor(out: DestinationStream) {
    this.#out = out;
  }

  write(line: string): void {
    if (this.#held === "") setImmediate(() => this.flush());
    this.#held += line;
    if (this.#held.length >= heldCharacters) this.flush();
  }

  flush(): void {
    const lines = this.#held;
    if (lines === "") return;
    this.#held = "";
    this.#out.write(lines);
  }
}

let sharedStandardError: TurnLines | undefined;

/** One for the process. */
function standardError(): DestinationStream {
  if (sharedStandardError === undefined) {
    const lines = new TurnLines(pino.destination({ fd: 2, sync: true }));
    sharedStandardError = lines;
    process.once("exit", () => lines.flush());
  }
  return sharedStandardError;
}

export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silentLogger,
};

function wrap(logger: ReturnType<typeof pino>): Logger {
  return {
    debug: (event, fields) => logger.debug(plain(fields), event),
    info: (event, fields) => logger.info(plain(fields), event),
    warn: (event, fields) => logger.warn(plain(fields), event),
    error: (event, fields) => logger.error(plain(fields), event),
    with: (fields) => wrap(logger.child(fields)),
  };
}

/** Errors as code and text instead of `{}`. */
function plain(fields: Fields | undefined): object {
  if (fields === undefined) return {};
  const error = fields.error;
  if (!(error instanceof Error)) return fields;
  const code = (error as { code?: unknown }).code;
  const cause =
    error.cause instanceof Error && error.cause.message !== error.message ? error.cause.message : undefined;
  return {
    ...fields,
    error: error.message,
    ...(code === undefined ? {} : { code }),
    ...(cause ? { cause } : {}),
  };
}

/** Lets an event through once per key and period; tells how many it held back. */
export class OncePer {
  readonly #clock: Clock;
  readonly #periodMs: number;
  readonly #maxKeys: number;
  readonly #seen = new Map<string, { until: number; held: number }>();

  constructor(clock: Clock, periodMs: number, maxKeys = 10_000) {
    this.#clock = clock;
    this.#periodMs = periodMs;
    this.#maxKeys = maxKeys;
  }

  /** @returns How many were held back since the last one let through; `undefined` if this one is held back. */
  pass(key: string): number | undefined {
    const now = this.#clock.now();
    const seen = this.#seen.get(key);
    if (seen !== undefined && now < seen.until) {
      seen.held++;
      return undefined;
    }
    if (seen === undefined && this.#seen.size >= this.#maxKeys) this.#seen.clear();
    this.#seen.set(key, { until: now + this.#periodMs, held: 0 });
    return seen?.held ?? 0;
  }
}
