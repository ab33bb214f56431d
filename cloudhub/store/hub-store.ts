import type {
  Buckets,
  Checkpoint,
  HeldVersion,
  LedgerEntry,
  LedgerQuery,
  Message,
  MessageId,
  MessageStore,
  NodeId,
  ResourceQuery,
  ResourceVersion,
  ResourceView,
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
   * Resolves once durable. Rejects with `E_BACKLOG_FULL`, `E_BAD_VERSION`, `E_STORAGE_FULL` …
   */
  put(message: Message): Promise<PutResult>;
  /** Messages and bytes that wait. */
  backlog(): Promise<Backlog>;
}

export interface Backlog {
  readonly messages: number;
  readonly bytes: number;
}

/** What a node has of a resource and what it is to get. Times are wall clock, ms. */
export interface Holding {
  readonly node: NodeId;
  /** What it has acked last; `undefined`: nothing yet. */
  readonly holds: ResourceVersion | undefined;
  /** True: what it has acked last is a deletion. */
  readonly holdsDeletion: boolean;
  readonly heldAt: number | undefined;
  /** The newest version accepted for it. */
  readonly accepted: ResourceVersion | undefined;
  readonly acceptedDeletion: boolean;
  /** `undefined`: it is not known any more. */
  readonly acceptedAt: number | undefined;
  /** Position of the put that waits. */
  readonly waiting: number | undefined;
  /** Why the node refused the newest version, if it did. */
  readonly refused: string | undefined;
  /** The newest version outlived its time. */
  readonly expired: boolean;
}

/** A resource and what a node says it has of it. */
export type SaidToHold = readonly [resource: string, version: ResourceVersion | undefined];

/** What followed from what a node says it has. */
export interface Corrected {
  /** Messages that waited, and that the node has. */
  readonly settled: readonly { id: MessageId; resource: string; version: ResourceVersion }[];
  /** What it still has though its deletion was acked: to be deleted again. */
  readonly deletions: readonly HeldVersion[];
  /** So many resources of which it has nothing, or an older version than it acked; nothing that waits brings them. */
  readonly lost: number;
  /** So many of which it has more than was ever accepted for it. */
  readonly ahead: number;
}

/** A small JSON document with a revision, for tokens, controllers, certificates and what nodes have used of a budget. */
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

export type RecordKind = "join-token" | "controller" | "certificate" | "budget";

/** Everything the hub keeps across its own death. */
export interface HubStore {
  /** Names this store for ever; versions compare only within one. */
  readonly storeId: string;
  node(node: NodeId): NodeRecord | undefined;
  nodes(): readonly NodeRecord[];
  /** Two nodes or more have got news just now: what one of them does too much is felt by others. */
  isLively(): boolean;
  /** What waits for each node. */
  backlogs(): Promise<ReadonlyMap<NodeId, Backlog>>;
  /** Adds or changes a node; what is left out stays. Resolves once durable. */
  saveNode(node: NodeId, change: Partial<Omit<NodeRecord, "node">>): Promise<NodeRecord>;
  /** Forgets a node, its queue and its checkpoints. */
  removeNode(node: NodeId): Promise<boolean>;
  /** Throws `E_UNKNOWN_NODE`. */
  outbox(node: NodeId): NodeOutbox;
  checkpoint(node: NodeId, resource: string): Promise<Checkpoint | undefined>;
  resources(query: ResourceQuery & { readonly node: NodeId }): Promise<ResourceView[]>;
  /** The digest of what a node is thought to have, in so many buckets. */
  digest(node: NodeId, count: number): Promise<Buckets>;
  /** What it is thought to have in these of so many buckets. */
  held(node: NodeId, count: number, buckets: readonly number[]): Promise<HeldVersion[]>;
  /** The node says what it has of these resources; `undefined`: nothing. The checkpoints follow. */
  correct(node: NodeId, held: readonly SaidToHold[]): Promise<Corrected>;
  /** Of one resource, what each node has, of nodes that have it or are to get it. */
  holdings(resource: string): Promise<Holding[]>;
  ledger(query: LedgerQuery & { readonly node: NodeId }): Promise<LedgerEntry[]>;
  /** Puts refused messages back into the queue. @returns How many. */
  requeue(node: NodeId, position?: number): Promise<number>;
  /** The content of a message that still waits or was refused. */
  message(node: NodeId, position: number): Promise<Message | undefined>;
  records<T>(kind: RecordKind): RecordStore<T>;
  close(): Promise<void>;
}
