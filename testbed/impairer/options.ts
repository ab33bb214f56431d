import type { Clock } from "../../platform/clock.ts";
import type { GivenProfile } from "./profile.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface ImpairerOptions {
  /** Port 0: any free one. */
  readonly listen: Address;
  readonly target: Address;
  readonly profile: GivenProfile;
  /** Of all chance: the same seed gives a connection the same losses and jitter, segment by segment. */
  readonly seed: number;
  /** Connections at once; more are reset. Default 10000. */
  readonly maxLinks?: number;
  /** Connections that wait for a frozen network; more are reset. Default 2048. */
  readonly maxWaitingLinks?: number;
}

export interface ImpairerParts {
  /** Default: the system's. */
  readonly clock?: Clock;
}
