/** The hub's database. Versions are text: they do not fit into SQLite's signed 64-bit integers. */

/** "HUB1" in ASCII. */
export const hubApplicationId = 0x48554231;

export const hubMigrations: readonly string[] = [
  `
  -- Numbers and names that belong to the store as a whole: store_id, version (the last one numbered here).
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

  CREATE TABLE node (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, value TEXT NOT NULL);

  -- Messages in the order of their acceptance, of all nodes: new rows go to the end, so that a transaction
  -- touches few pages. Those that wait are the nodes' queues; the others are the ledger of what became of
  -- them, without their bytes, and go after a while. A waiting put is found through checkpoint.waiting.
  CREATE TABLE message (
    position INTEGER PRIMARY KEY,
    node INTEGER NOT NULL,
    state INTEGER NOT NULL,        -- see messageStates
    id TEXT NOT NULL,
    resource TEXT NOT NULL,
    operation TEXT NOT NULL,
    kind INTEGER NOT NULL,         -- 1 state, 2 event
    version TEXT,
    priority INTEGER NOT NULL,
    expires_at INTEGER,
    size INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    sends INTEGER NOT NULL DEFAULT 0,
    first_sent_at INTEGER,
    last_sent_at INTEGER,
    persisted_at INTEGER,
    ended_at INTEGER,
    reason TEXT,                   -- of a refusal: JSON {code, text}
    packed BLOB
  );
  CREATE INDEX message_node ON message (node);
  CREATE INDEX message_ordered ON message (node, position) WHERE state = 0 AND (kind = 2 OR operation = 'delete');
  CREATE INDEX message_expiry ON message (expires_at) WHERE expires_at IS NOT NULL AND state = 0;

  -- One row per resource of a node: what it has, and what it will get.
  CREATE TABLE checkpoint (
    node INTEGER NOT NULL,
    resource TEXT NOT NULL,
    version TEXT,                  -- acked; NULL before the first ack
    deleted INTEGER NOT NULL DEFAULT 0,
    at INTEGER,
    accepted_version TEXT,         -- of the newest message accepted
    accepted_deleted INTEGER NOT NULL DEFAULT 0,
    waiting INTEGER,               -- position of the put that waits, if one does
    refused INTEGER,               -- position of the message the node refused, if it did
    PRIMARY KEY (node, resource)
  ) WITHOUT ROWID;
  CREATE INDEX checkpoint_tombstone ON checkpoint (at) WHERE deleted = 1;

  CREATE TABLE record (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, name)
  ) WITHOUT ROWID;
  `,
  // Of the newest message accepted: publishers recognise what they have published.
  "ALTER TABLE checkpoint ADD COLUMN accepted_id TEXT",

  "ALTER TABLE checkpoint ADD COLUMN accepted_at INTEGER",

  // 1: the node says whether it has it, see protocol/resume.ts. What was accepted before this column says so later.
  "ALTER TABLE checkpoint ADD COLUMN listed INTEGER NOT NULL DEFAULT 0",

  // What is urgent is found behind any number of others.
  "CREATE INDEX message_urgent ON message (node, position) WHERE state = 0 AND priority > 0",
];

/** Values of `message.state`. A replaced message that the node acks all the same is both. */
export const messageStates = {
  waiting: 0,
  persisted: 1,
  superseded: 2,
  expired: 3,
  refused: 4,
  persistedThenSuperseded: 5,
} as const;

export const kindNumbers = { state: 1, event: 2 } as const;

/** A waiting message as a link needs it. */
export interface MessageRow {
  readonly position: number;
  readonly id: string;
  readonly resource: string;
  readonly operation: string;
  readonly kind: number;
  readonly version: string | null;
  readonly priority: number;
  readonly expires_at: number | null;
  readonly size: number;
  readonly accepted_at: number;
  readonly packed: Uint8Array;
}

/** All that the ledger keeps of a message. */
export interface LedgerRow extends Omit<MessageRow, "packed"> {
  readonly state: number;
  readonly sends: number;
  readonly first_sent_at: number | null;
  readonly last_sent_at: number | null;
  readonly persisted_at: number | null;
  readonly ended_at: number | null;
  readonly reason: string | null;
}
