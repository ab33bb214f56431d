import type { ObjectsApi } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Logger } from "../../platform/logger.ts";
import type { HubApi } from "../../sdk/index.ts";
import type { Informers } from "./informers.ts";

/** All that a controller has of the world, in the hub's process and anywhere else. */
export interface ControllerParts {
  readonly hub: HubApi;
  readonly objects: ObjectsApi;
  readonly clock: Clock;
  readonly log: Logger;
  /** Shared by all controllers that were started together: each kind is listed and watched once. */
  readonly informers: Informers;
}

export interface RunningController {
  /** Ends what is under way; nothing is lost that another start would not find again. */
  close(): Promise<void>;
}
