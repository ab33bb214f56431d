import type { Writer } from "../../platform/writer.ts";
import type { NodeId, ResourceVersion } from "../../protocol/index.ts";
import type { Holding } from "./hub-store.ts";
import { messageStates } from "./schema.ts";
import type { HoldingRow, StoreOp } from "./sqlite-ops.ts";

/** Nodes looked up in one operation: other work of the writer comes in between. */
const nodesPerOp = 128;

/**
 * Looks one resource up at every node: by key, so that accepting messages pays for no index.
 *
 * @param nodes Row and name of each node.
 */
export async function readHoldings(
  writer: Writer<StoreOp>,
  nodes: ReadonlyMap<number, NodeId>,
  resource: string,
): Promise<Holding[]> {
  const found: Holding[] = [];
  const rows = [...nodes.keys()];
  for (let at = 0; at < rows.length; at += nodesPerOp) {
    const few = Float64Array.from(rows.slice(at, at + nodesPerOp));
    for (const row of await writer.call<HoldingRow[]>({ op: "holdings", nodes: few, resource })) {
      const node = nodes.get(row.node);
      if (node === undefined) continue;
      const holding = holdingOf(node, row);
      if (holding.holds !== undefined || holding.accepted !== undefined) found.push(holding);
    }
  }
  return found;
}

function holdingOf(node: NodeId, row: HoldingRow): Holding {
  const acked = row.waiting_state === messageStates.persisted;
  const refused = row.refused_version !== null;
  const accepted = refused ? row.refused_version : (row.accepted_version ?? row.version);
  return {
    node,
    holds: versionOf(acked ? row.waiting_version : row.version),
    holdsDeletion: !acked && row.deleted === 1,
    heldAt: (acked ? row.waiting_ended_at : row.at) ?? undefined,
    accepted: versionOf(accepted),
    acceptedDeletion: !refused && (row.accepted_version === null ? row.deleted : row.accepted_deleted) === 1,
    acceptedAt: (refused ? row.refused_accepted_at : row.accepted_at) ?? undefined,
    waiting: (row.waiting_state === messageStates.waiting ? row.waiting : null) ?? undefined,
    refused: row.refused_reason === null ? undefined : textOf(row.refused_reason),
    expired: row.waiting_state === messageStates.expired,
  };
}

function versionOf(text: string | null): ResourceVersion | undefined {
  return (text ?? undefined) as ResourceVersion | undefined;
}

/** @param reason JSON as `refuse` has written it. */
function textOf(reason: string): string {
  const { code, text } = JSON.parse(reason) as { code: string; text: string };
  return `${code}: ${text}`;
}
