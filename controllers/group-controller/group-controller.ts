import type { ControllerParts, RunningController } from "../runtime/parts.ts";
import { EdgeApplications } from "./edge-applications.ts";
import { NodeGroups } from "./node-groups.ts";

/** Groups of nodes, and the applications that run in them. Nothing of it reaches a node as a message of its own. */
export function startGroupController(parts: ControllerParts): RunningController {
  const running = [new NodeGroups(parts), new EdgeApplications(parts)];
  for (const one of running) one.start();
  return {
    async close() {
      await Promise.all(running.map((one) => one.close()));
    },
  };
}
