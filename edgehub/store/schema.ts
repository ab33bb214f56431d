import { deviceTwinTables } from "../devicetwin/schema.ts";
import { edgedTables } from "../edged/schema.ts";
import { eventBusTables } from "../eventbus/schema.ts";
import { metaServerTables } from "../metaserver/schema.ts";
import { serviceBusTables, serviceBusTurns } from "../servicebus/schema.ts";

/** The edge agent's database. */

/** "EDG1" in ASCII. */
export const edgeApplicationId = 0x45444731;

const tokenTable = `
  -- Tokens of service accounts that the cloud gave to pods.
  CREATE TABLE edged_token (
    uid TEXT NOT NULL,             -- of the pod
    audience TEXT NOT NULL,        -- empty: the API server's own
    seconds INTEGER NOT NULL,      -- life asked for
    token TEXT NOT NULL,
    given_at INTEGER NOT NULL,     -- wall clock, ms
    ends_at INTEGER NOT NULL,
    PRIMARY KEY (uid, audience, seconds)
  ) WITHOUT ROWID;
`;

export const edgeMigrations: readonly string[] = [
  `
  CREATE TABLE meta_info (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

  -- What the cloud says shall be on this node: the newest version of each resource, or that it was deleted.
  CREATE TABLE meta (
    key TEXT PRIMARY KEY,          -- resource path
    type TEXT NOT NULL,
    namespace TEXT,                -- NULL: cluster-wide
    name TEXT NOT NULL,
    source TEXT NOT NULL,          -- of the message that brought it
    origin TEXT NOT NULL,          -- store that numbered it: versions compare only within one
    version TEXT,                  -- NULL: it came without one
    uid TEXT,                      -- of the object
    deleted INTEGER NOT NULL DEFAULT 0,
    changed_at INTEGER NOT NULL,   -- wall clock, ms
    value BLOB                     -- JSON text; NULL once deleted
  ) WITHOUT ROWID;
  CREATE INDEX meta_type ON meta (type) WHERE deleted = 0;
  CREATE INDEX meta_tombstone ON meta (changed_at) WHERE deleted = 1;

  -- Messages on their way to the cloud, in the order of their acceptance. AUTOINCREMENT: a position is never
  -- given twice.
  CREATE TABLE outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    key TEXT,                      -- resource path of state; NULL for an event
    operation TEXT NOT NULL,
    version TEXT,
    priority INTEGER NOT NULL,
    expires_at INTEGER,
    size INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    packed BLOB NOT NULL
  );
  CREATE UNIQUE INDEX outbox_state ON outbox (key) WHERE key IS NOT NULL;

  -- What the cloud can never take: kept for people, oldest dropped first.
  CREATE TABLE refused (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    refused_at INTEGER NOT NULL,
    code TEXT NOT NULL,
    text TEXT NOT NULL,
    packed BLOB NOT NULL
  );
  `,
  `${eventBusTables}${deviceTwinTables}${serviceBusTables}${metaServerTables}${edgedTables}${tokenTable}`,
  `
  -- What this node has last reported of its pods and of itself, for programs of this node.
  CREATE TABLE report (
    id TEXT PRIMARY KEY,           -- resource path of what it is about; of a node: node/<name>
    key TEXT NOT NULL,             -- resource path of what it is about
    object BLOB,                   -- the node as it registered itself, JSON text
    patch BLOB                     -- the newest status, strategic merge patch
  ) WITHOUT ROWID;
  `,
  `
  -- What has expired makes room in a full outbox: looked for at each message that finds it full.
  CREATE INDEX outbox_expiry ON outbox (expires_at) WHERE expires_at IS NOT NULL;
  `,
  serviceBusTurns,
  `
  -- What this node tells a hub that it has: read without touching the rows, which hold the objects.
  -- Messages that are urgent are found behind any number of others.
  CREATE INDEX outbox_urgent ON outbox (position) WHERE priority > 0;
  CREATE INDEX meta_held ON meta (origin, key, version) WHERE deleted = 0 AND version IS NOT NULL;
  `,
];
