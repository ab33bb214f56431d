import type { StorePart } from "../../protocol/index.ts";
import type { LedgerRow } from "./schema.ts";

/** What crosses from the main thread to the writer. Nodes are row ids; times are wall clock ms. */
export type StoreOp =
  | PutOp
  /** Rows of {@link settleWidth} numbers: position, sends, first sent, last sent, persisted. */
  | { readonly op: "settle"; readonly rows: Float64Array }
  /** Rows as of settle; what was sent when a link ended. */
  | { readonly op: "unacked"; readonly rows: Float64Array }
  | {
      readonly op: "refuse";
      readonly node: number;
      readonly position: number;
      readonly sends: number;
      readonly firstSentAt: number;
      readonly lastSentAt: number;
      readonly reason: string;
      readonly now: number;
    }
  | { readonly op: "expire"; readonly node: number; readonly position: number; readonly now: number }
  /** Looks through a slice of a node's checkpoints, behind the resource `from`. `upTo`: as the first slice said. */
  | {
      readonly op: "search";
      readonly node: number;
      readonly after: number;
      readonly from: string;
      readonly upTo: number | null;
      readonly part: StorePart;
    }
  /** Reads messages at these positions, as many as there is room for. */
  | {
      readonly op: "page";
      readonly part: StorePart;
      readonly positions: Float64Array;
      readonly bytes: number;
    }
  | { readonly op: "backlog"; readonly node: number }
  /** Row ids of nodes. */
  | { readonly op: "backlogs"; readonly nodes: Float64Array }
  /** Resources behind `after`, `limit` at most; `count` buckets. */
  | {
      readonly op: "digest";
      readonly node: number;
      readonly count: number;
      readonly after: string;
      readonly limit: number;
    }
  | {
      readonly op: "held";
      readonly node: number;
      readonly count: number;
      readonly buckets: readonly number[];
      readonly after: string;
      readonly limit: number;
    }
  /** Resources and the versions that the node has of them; null: it has none. */
  | {
      readonly op: "correct";
      readonly node: number;
      readonly held: readonly (readonly [resource: string, version: string | null])[];
      readonly now: number;
    }
  | { readonly op: "checkpoint"; readonly node: number; readonly resource: string }
  /** Row ids of nodes. */
  | { readonly op: "holdings"; readonly nodes: Float64Array; readonly resource: string }
  /** A slice of them, behind the resource `from`. */
  | {
      readonly op: "resources";
      readonly node: number;
      readonly pattern: string;
      readonly from: string;
      readonly limit: number;
    }
  | {
      readonly op: "ledger";
      readonly node: number;
      readonly id: string | null;
      readonly resource: string | null;
      readonly states: readonly number[] | null;
      readonly limit: number;
    }
  | { readonly op: "requeue"; readonly node: number; readonly position: number | null; readonly now: number }
  | { readonly op: "message"; readonly node: number; readonly position: number }
  | {
      readonly op: "sweep";
      readonly now: number;
      readonly tombstonesBefore: number;
      readonly ledgerBefore: number;
    }
  | { readonly op: "nodes" }
  | { readonly op: "save-node"; readonly name: string; readonly value: string }
  | { readonly op: "remove-node"; readonly node: number }
  | { readonly op: "store-id" }
  | { readonly op: "record-get"; readonly kind: string; readonly name: string }
  | { readonly op: "record-list"; readonly kind: string }
  | {
      readonly op: "record-put";
      readonly kind: string;
      readonly name: string;
      readonly value: string;
      readonly revision: number | null;
    }
  | { readonly op: "record-delete"; readonly kind: string; readonly name: string };

export interface PutOp {
  readonly op: "put";
  readonly node: number;
  readonly id: string;
  readonly resource: string;
  readonly operation: string;
  readonly kind: number;
  /** Decimal; null: a delete that names none, or an event without one. */
  readonly version: string | null;
  /** The hub numbers it. */
  readonly numbered: boolean;
  readonly priority: number;
  readonly expiresAt: number | null;
  readonly now: number;
  /** The node names it when it says what it has. */
  readonly listed: boolean;
}

/** What followed from what a node says it has. */
export interface CorrectedRow {
  /** Messages that waited, and that the node has. */
  readonly settled: { readonly id: string; readonly resource: string; readonly version: string }[];
  /** Deletions that are to be sent again. */
  readonly deletions: { readonly resource: string; readonly version: string }[];
  /** Resources that the node was thought to have, and of which it has nothing, or an older version. */
  lost: number;
  /** Resources of which it has more than was ever accepted for it. */
  ahead: number;
}

export type PageField = string | number | null;

/** Of a waiting message, in the order in which they are selected and cross to the main thread; its bytes come last. */
export const pageColumns = [
  "position",
  "id",
  "resource",
  "operation",
  "kind",
  "version",
  "priority",
  "expires_at",
  "size",
  "accepted_at",
] as const;

/** `position` 0: stale. `packed`: the bytes stored, where they are not those that came. */
export interface PutRow {
  readonly position: number;
  readonly version: string | null;
  readonly packed: Uint8Array | undefined;
}

export interface CheckpointRow {
  readonly version: string;
  readonly deleted: number;
  readonly at: number;
}

/** One resource of a node, with the message that waits and the one that was refused. */
export interface HoldingRow {
  readonly node: number;
  readonly version: string | null;
  readonly deleted: number;
  readonly at: number | null;
  readonly accepted_version: string | null;
  readonly accepted_deleted: number;
  readonly accepted_at: number | null;
  readonly waiting: number | null;
  readonly waiting_state: number | null;
  readonly waiting_version: string | null;
  readonly waiting_ended_at: number | null;
  readonly refused_version: string | null;
  readonly refused_accepted_at: number | null;
  readonly refused_reason: string | null;
}

export interface ResourceStateRow {
  readonly resource: string;
  readonly version: string | null;
  readonly deleted: number;
  readonly at: number | null;
  readonly accepted_version: string | null;
  readonly accepted_deleted: number;
  readonly accepted_id: string | null;
  readonly waiting: number | null;
  readonly refused: number | null;
}

export interface PageRow {
  /** {@link pageColumns} of one message after the other: names of columns would cross with each. */
  readonly fields: readonly PageField[];
  /** The messages' bytes, behind each other: one buffer crosses faster than many. */
  readonly lengths: readonly number[];
  readonly bytes: Uint8Array;
  /** Positions looked at; some of what they name may have ended meanwhile. */
  readonly read: number;
}

/** Of each node that was asked for: messages, bytes. */
export type BacklogRows = Float64Array;

/** What waits in one slice. */
export interface SearchRow {
  /** In no order. */
  readonly positions: readonly number[];
  /** The newest position when the search began: what came since is not looked for. */
  readonly upTo: number;
  /** Where the next slice begins; null: there is none. */
  readonly next: string | null;
}

export interface ResourcesRow {
  readonly rows: readonly ResourceStateRow[];
  /** Where the next slice begins; null: there is none. */
  readonly next: string | null;
}

export type LedgerRows = readonly LedgerRow[];

export const settleWidth = 5;

/** Limits the writer keeps to. */
export interface TableLimits {
  readonly maxBacklogMessages: number;
  readonly maxBacklogBytes: number;
  /** Ledger rows kept per node beyond what waits. */
  readonly ledgerMessages: number;
}
