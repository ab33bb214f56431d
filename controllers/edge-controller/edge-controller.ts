import type { ControllerParts, RunningController } from "../runtime/parts.ts";
import { Downstream } from "./downstream.ts";
import { HubLabels } from "./hub-labels.ts";
import { NodeLifecycle } from "./node-lifecycle.ts";
import { nodeHandlers } from "./node-requests.ts";
import { objectHandlers } from "./object-requests.ts";
import { podHandlers } from "./pod-requests.ts";
import { Upstream } from "./upstream.ts";
import { volumeHandlers } from "./volume-requests.ts";

export interface EdgeControllerOptions {
  /** PEM; nodes ask for it. */
  readonly clusterCa?: string;
}

/** Nodes, their pods and what these need. Source: KubeEdge EdgeController, and Kubernetes' node controllers. */
export function startEdgeController(
  parts: ControllerParts,
  options: EdgeControllerOptions = {},
): RunningController {
  const downstream = new Downstream(parts);
  const labels = new HubLabels(parts);
  const lifecycle = new NodeLifecycle(parts, labels);
  const requestParts = { ...parts, labels, sent: downstream, clusterCa: options.clusterCa };
  const upstream = new Upstream(parts, {
    ...nodeHandlers(requestParts),
    ...podHandlers(requestParts),
    ...objectHandlers(requestParts),
    ...volumeHandlers(requestParts),
  });
  const stop = new AbortController();
  downstream.start();
  lifecycle.start();
  void downstream.ready.then(() => upstream.start());
  void followLinks(parts, stop.signal, (node, connected) => {
    if (connected) downstream.connected(node);
    lifecycle.linkChanged(node, connected);
  });
  return {
    async close() {
      stop.abort();
      await Promise.all([upstream.close(), downstream.close(), lifecycle.close()]);
    },
  };
}

/** Tells of every link that is up, and of those that come and go. */
async function followLinks(
  { hub, log }: ControllerParts,
  signal: AbortSignal,
  tell: (node: string, connected: boolean) => void,
): Promise<void> {
  try {
    for await (const { message, ack } of hub.subscribe({ groups: [], presence: true }, { signal })) {
      tell(message.node, message.operation === "connected");
      ack();
    }
  } catch (error) {
    if (!signal.aborted) log.error("the coming and going of nodes is not followed any more", { error });
  }
}
