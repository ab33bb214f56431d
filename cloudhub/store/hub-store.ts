import type {
  DeliveryKind,
  ErrorCode,
  Message,
  MessageId,
  MessageStore,
  NodeId,
  ResourceVersion,
} from "../../protocol/index.ts";

/** A node the hub knows. */
export interface NodeRecord {
  readonly node: NodeId;
  readonly labels: Readonly<Record<string, string>>;
  /** Wall clock, ms since 1970. */
  readonly addedAt: number;
  /** When a certificate was first issued to it; `undefined` before. */
  readonly joinedAt: number | undefined;
  /** When its last link ended; `undefined` if it never had one. */
  readonly lastSeenAt: number | undefined;
}

/** What a node is known to have of a resource. */
export interface Checkpoint {
  readonly version: ResourceVersion;
  /** True: the node has deleted it. Kept for a while, so that an older put that comes late brings nothing back. */
  readonly deleted: boolean;
  /** Wall clock of the checkpoint, ms since 1970. */
  readonly at: number;
}

/** Where a message is. */
export type LedgerState = "accepted" | "persisted" | "superseded" | "expired" | "refused";

/** What the hub's ledger says of a message. Times are wall clock, ms since 1970; `undefined`: it has not come to that. */
export interface LedgerEntry {
  readonly node: NodeId;
  readonly position: number;
  readonly id: MessageId;
  /** Resource path. */
  readonly resource: string;
  readonly operation: string;
  readonly kind: DeliveryKind;
  readonly version: ResourceVersion | undefined;
  readonly size: number;
  /** `accepted` also while it is being sent: see `sends`. */
  readonly state: LedgerState;
  readonly acceptedAt: number;
  readonly expiresAt: number | undefined;
  /** How often it was sent. */
  readonly sends: number;
  readonly firstSentAt: number | undefined;
  readonly lastSentAt: number | undefined;
  /** When the node's ack arrived: the node has it on its disk. */
  readonly persistedAt: number | undefined;
  /** When its state was written: the checkpoint, or the end of it otherwise. */
  readonly endedAt: number | undefined;
  /** Why it was refused. */
  readonly code: ErrorCode | undefined;
  readonly text: string | undefined;
}

export interface LedgerQuery {
  readonly node: NodeId;
  readonly id?: string;
  readonly resource?: string;
  readonly state?: LedgerState;
  /** Newest first, at most so many; default 100. */
  readonly limit?: number;
}

/** What became of a put. */
export interface PutResult {
  /** True: the node has, or will get, this version or a newer one already. Nothing was changed. */
  readonly stale: boolean;
  /** The version stored, or the newer one known. */
  readonly version: ResourceVersion | undefined;
}

/** The queue of one node: what is on its way to it. */
export interface NodeOutbox extends MessageStore {
  /**
   * Accepts a message. Compared with the checkpoint and the stored version in the transaction that stores it.
   *
   * @param version `"next"`: the hub numbers it.
   * Resolves once durable. Rejects with `E_BACKLOG_FULL`, `E_BAD_VERSION`, `E_STORAGE_FULL` …
   */
  put(message: Message, version?: "next"): Promise<PutResult>;
  /** Messages and bytes that wait. */
  backlog(): Promise<{ messages: number; bytes: number }>;
}

/** A small JSON document with a revision, for tokens, controllers and certificates. */
export interface Stored<T> {
  readonly name: string;
  readonly value: T;
  readonly revision: number;
}

export interface RecordStore<T> {
  get(name: string): Promise<Stored<T> | undefined>;
  list(): Promise<Stored<T>[]>;
  /**
   * @param revision The revision it must have; 0: it must not exist; `undefined`: whatever is there.
   * @returns False if it had another one; nothing was changed.
   */
  put(name: string, value: T, revision?: number): Promise<boolean>;
  delete(name: string): Promise<boolean>;
}

export type RecordKind = "join-token" | "controller" | "certificate";

/** Everything the hub keeps across its own death. */
export interface HubStore {
  /** Names this store for ever; versions compare only within one. */
  readonly storeId: string;
  node(node: NodeId): NodeRecord | undefined;
  nodes(): readonly NodeRecord[];
  /** Adds or changes a node; what is left out stays. Resolves once durable. */
  saveNode(node: NodeId, change: Partial<Omit<NodeRecord, "node">>): Promise<NodeRecord>;
  /** Forgets a node, its queue and its checkpoints. */
  removeNode(node: NodeId): Promise<boolean>;
  /** Throws `E_UNKNOWN_NODE`. */
  outbox(node: NodeId): NodeOutbox;
  checkpoint(node: NodeId, resource: string): Promise<Checkpoint | undefined>;
  ledger(query: LedgerQuery): Promise<LedgerEntry[]>;
  /** Puts refused messages back into the queue. @returns How many. */
  requeue(node: NodeId, position?: number): Promise<number>;
  /** The content of a message that still waits or was refused. */
  message(node: NodeId, position: number): Promise<Message | undefined>;
  records<T>(kind: RecordKind): RecordStore<T>;
  close(): Promise<void>;
}
