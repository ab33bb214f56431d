import type { ControllerParts, RunningController } from "../runtime/parts.ts";
import { startDeployments } from "./deployments.ts";
import { startScheduler } from "./scheduler.ts";
import { startEndpoints } from "./service-endpoints.ts";

/** Deployments, pods that have no node yet, and the Endpoints of Services. */
export function startWorkloadController(parts: ControllerParts): RunningController {
  const running = [startDeployments(parts), startScheduler(parts), startEndpoints(parts)];
  return {
    async close() {
      await Promise.all(running.map((one) => one.close()));
    },
  };
}
