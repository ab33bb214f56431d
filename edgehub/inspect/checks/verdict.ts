import type { Identity } from "../../identity.ts";
import type { EdgeOptions } from "../../options.ts";
import type { Place } from "../place.ts";
import type { HubAnswers } from "./ask-hub.ts";

/** What a check says. */
export interface Verdict {
  readonly state: "ok" | "warning" | "failed";
  readonly found: string;
  /** What to do about it, unless `found` says it; of what is ok: nothing. */
  readonly advice?: string;
}

/** What the checks know of the agent. */
export interface CheckContext {
  readonly options: EdgeOptions;
  readonly place: Place;
  /** Who this node is; `undefined`: it has not joined, or its files are damaged. */
  readonly identity: Identity | undefined;
  /** Does the agent run? `undefined`: nobody can tell. */
  readonly isRunning: boolean | undefined;
  /** What the hub answers; all checks share it. */
  readonly hub: HubAnswers;
  /** How long a check may wait for somebody. */
  readonly timeoutMs: number;
  /** Wall clock, ms. */
  wallTime(): number;
}

/** One thing that is looked at. */
export interface Check {
  readonly name: string;
  /** @returns `undefined`: there is nothing to look at, in this configuration. What it rejects with is a failure. */
  run(context: CheckContext): Promise<Verdict | undefined> | Verdict | undefined;
}

/** What brings a node back that its hub does not accept. */
export const newToken =
  "give it a token made for it in hub.token (at the hub: hubctl token create --node NAME)";

export function ok(found: string): Verdict {
  return { state: "ok", found };
}

export function warning(found: string, advice: string): Verdict {
  return { state: "warning", found, advice };
}

export function failed(found: string, advice: string): Verdict {
  return { state: "failed", found, advice };
}
