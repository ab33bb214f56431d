/** Programs that keep nodes and objects as they should be; on the SDK alone, here or in any other process. */
import type { ObjectsApi } from "../kubernetes/index.ts";
import { type Clock, pause } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import type { HubApi } from "../sdk/index.ts";
import {
  type DeviceControllerOptions,
  startDeviceController,
} from "./device-controller/device-controller.ts";
import {
  type DynamicControllerOptions,
  startDynamicController,
} from "./dynamic-controller/dynamic-controller.ts";
import { startEdgeController } from "./edge-controller/edge-controller.ts";
import { startGroupController } from "./group-controller/group-controller.ts";
import type { RouterOptions } from "./router/router.ts";
import { defaultRouterOptions, startRouter } from "./router/start.ts";
import { Informers } from "./runtime/informers.ts";
import type { ControllerParts, RunningController } from "./runtime/parts.ts";
import { startWorkloadController } from "./workload-controller/workload-controller.ts";

export type { RunningController } from "./runtime/parts.ts";

export interface ControllersOptions {
  /** Names of those that run; default: all. */
  readonly enable?: readonly ControllerName[];
  /** The CA of the hub and its API, PEM; nodes ask for it. */
  readonly clusterCa?: string;
  readonly router?: Partial<RouterOptions>;
  readonly device?: DeviceControllerOptions;
  readonly dynamic?: DynamicControllerOptions;
}

/** How long what is under way may take when it is to end. */
const closeTimeoutMs = 5_000;

type Start = (parts: ControllerParts, options: ControllersOptions) => RunningController;

const starters = {
  edge: startEdgeController,
  workload: startWorkloadController,
  device: (parts, { device }) => startDeviceController(parts, device),
  dynamic: (parts, { dynamic }) => startDynamicController(parts, dynamic),
  group: startGroupController,
  router: (parts, { router }) => startRouter(parts, { ...defaultRouterOptions, ...router }),
} satisfies Readonly<Record<string, Start>>;

export type ControllerName = keyof typeof starters;

const controllerNames = Object.keys(starters) as readonly ControllerName[];

/** Starts controllers. They find out by themselves what is to be done, and go on where others have ended. */
export function startControllers(
  given: { hub: HubApi; objects: ObjectsApi; clock: Clock; log: Logger },
  options: ControllersOptions = {},
): RunningController {
  const stop = new AbortController();
  const informers = new Informers(given, stop.signal);
  const running = (options.enable ?? controllerNames).map((name) => {
    const start: Start = starters[name];
    return start({ ...given, informers, log: given.log.with({ controller: name }) }, options);
  });
  return {
    async close() {
      const closed = Promise.all(running.map((one) => one.close()));
      // A controller that waits for an API which does not answer would wait for ever.
      await Promise.race([closed, pause(given.clock, closeTimeoutMs, stop.signal)]);
      stop.abort();
    },
  };
}
