import { HubError, shown } from "./errors.ts";

/** What the cloud asks a node for of a container's log, and what it gets: a piece at a time. */

/** The group of these messages. They are volatile: what is lost is asked for again, from the same place. */
export const podLogsGroup = "podlogs";

export interface PodLogQuery {
  readonly namespace: string;
  readonly pod: string;
  /** Empty: whichever pod of this name ran last. */
  readonly uid: string;
  readonly container: string;
  /** Of the start before the last one. */
  readonly previous: boolean;
  /** Where the last answer ended; empty: the beginning, as the fields below say. */
  readonly position: string;
  /** At the beginning: so many lines before the end; -1: all. */
  readonly tailLines: number;
  /** Only lines from this time on, ms since 1970 by the node's clock; 0: all. */
  readonly sinceMs: number;
  /** Each line begins with its time. */
  readonly timestamps: boolean;
  /** How long to wait for more where there is none, ms. */
  readonly waitMs: number;
}

export interface PodLogPage {
  /** Base64. */
  readonly bytes: string;
  readonly position: string;
  /** Nothing comes any more: the container was started again, or its logs are gone, or it was an earlier start. */
  readonly ended: boolean;
}

/** The longest a node is asked to wait. */
export const maxLogWaitMs = 30_000;
const maxText = 300;

/** Checks a query that came from outside. Throws `E_BAD_MESSAGE`. */
export function requirePodLogQuery(value: unknown): PodLogQuery {
  const given = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const text = (name: string): string => {
    const found = given[name];
    if (typeof found === "string" && found.length <= maxText) return found;
    throw new HubError(
      "E_BAD_MESSAGE",
      `${name} must be a text of at most ${maxText} characters, got ${shown(found)}`,
    );
  };
  const whole = (name: string, least: number, most: number): number => {
    const found = given[name];
    if (Number.isSafeInteger(found) && (found as number) >= least && (found as number) <= most)
      return found as number;
    throw new HubError(
      "E_BAD_MESSAGE",
      `${name} must be a whole number ${least}..${most}, got ${shown(found)}`,
    );
  };
  return {
    namespace: text("namespace"),
    pod: text("pod"),
    uid: text("uid"),
    container: text("container"),
    previous: given.previous === true,
    position: text("position"),
    tailLines: whole("tailLines", -1, Number.MAX_SAFE_INTEGER),
    sinceMs: whole("sinceMs", 0, Number.MAX_SAFE_INTEGER),
    timestamps: given.timestamps === true,
    waitMs: whole("waitMs", 0, maxLogWaitMs),
  };
}
