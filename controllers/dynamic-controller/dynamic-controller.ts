import { KeyedLanes } from "../../platform/keyed-lanes.ts";
import type { ControllerParts, RunningController } from "../runtime/parts.ts";
import { Feeds, type FeedsOptions } from "./feeds.ts";
import { Requests } from "./requests.ts";

export type DynamicControllerOptions = Partial<FeedsOptions>;

export const defaultDynamicOptions: FeedsOptions = {
  maxWatches: 200,
  maxObjects: 5_000,
  maxBytes: 32 << 20,
  keepMs: 600_000,
};

/** The Kubernetes API for programs on nodes. Source: KubeEdge DynamicController. */
export function startDynamicController(
  parts: ControllerParts,
  options: DynamicControllerOptions = {},
): RunningController {
  const feeds = new Feeds(parts, { ...defaultDynamicOptions, ...options });
  const lanes = new KeyedLanes();
  const requests = new Requests(parts, feeds, lanes);
  requests.start();
  return {
    async close() {
      await requests.close();
      await feeds.close();
    },
  };
}
