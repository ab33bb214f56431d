import type { Writer } from "../../platform/writer.ts";
import type { NodeId } from "../../protocol/index.ts";
import type { Backlog } from "./hub-store.ts";
import type { BacklogRows, StoreOp } from "./sqlite-ops.ts";

/** Nodes looked up in one operation: other work of the writer comes in between. */
const nodesPerOp = 256;

/**
 * What waits for each node: thousands of nodes cost a few operations.
 *
 * @param nodes Row and name of each.
 */
export async function readBacklogs(
  writer: Writer<StoreOp>,
  nodes: ReadonlyMap<number, NodeId>,
): Promise<Map<NodeId, Backlog>> {
  const found = new Map<NodeId, Backlog>();
  const all = [...nodes];
  for (let at = 0; at < all.length; at += nodesPerOp) {
    const few = all.slice(at, at + nodesPerOp);
    const op: StoreOp = { op: "backlogs", nodes: Float64Array.from(few, ([row]) => row) };
    const rows = await writer.call<BacklogRows>(op);
    for (const [i, [, node]] of few.entries())
      found.set(node, { messages: rows[2 * i] as number, bytes: rows[2 * i + 1] as number });
  }
  return found;
}
