import type { Database, Statement } from "../../platform/sqlite.ts";
import {
  compareVersions,
  type HeldContent,
  type Message,
  parseVersion,
  type ResourceVersion,
} from "../../protocol/index.ts";

/** A resource as this node has it. */
export interface MetaRecord {
  /** Resource path. */
  readonly key: string;
  readonly type: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly source: string;
  readonly version: ResourceVersion | undefined;
  readonly uid: string | undefined;
  /** Wall clock, ms since 1970. */
  readonly changedAt: number;
  /** JSON text. */
  readonly value: Uint8Array;
}

/** What a message did to the table. `unchanged`: the node had this version, or a newer one, already. */
export type Applied = "stored" | "deleted" | "unchanged";

interface Row {
  readonly origin: string;
  readonly version: ResourceVersion | null;
  readonly uid: string | null;
  readonly deleted: number;
}

/** The resources of this node. Every call runs inside the caller's transaction. */
export class MetaTable {
  readonly #find: Statement<unknown[]>;
  readonly #put: Statement<unknown[]>;
  readonly #delete: Statement<unknown[]>;
  readonly #content: Statement<unknown[]>;
  readonly #get: Statement<unknown[]>;
  readonly #list: Statement<unknown[]>;
  readonly #samples: Statement<unknown[]>;
  readonly #keys: Statement<unknown[]>;
  readonly #count: Statement<unknown[]>;
  readonly #prune: Statement<unknown[]>;

  constructor(database: Database) {
    const columns = "key, type, namespace, name, source, version, uid, changed_at, value";
    this.#find = database.prepare("SELECT origin, version, uid, deleted FROM meta WHERE key = ?");
    this.#put =
      database.prepare(`INSERT INTO meta (key, type, namespace, name, source, origin, version, uid, deleted, changed_at, value)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)
      ON CONFLICT DO UPDATE SET source = excluded.source, origin = excluded.origin, version = excluded.version, uid = excluded.uid,
        deleted = 0, changed_at = excluded.changed_at, value = excluded.value`);
    this.#delete =
      database.prepare(`INSERT INTO meta (key, type, namespace, name, source, origin, version, uid, deleted, changed_at, value)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?, NULL)
      ON CONFLICT DO UPDATE SET source = excluded.source, origin = excluded.origin, version = excluded.version, uid = excluded.uid,
        deleted = 1, changed_at = excluded.changed_at, value = NULL`);
    this.#content = database.prepare(
      "SELECT version, value FROM meta WHERE key = ? AND origin = ? AND deleted = 0 AND version IS NOT NULL",
    );
    this.#get = database.prepare(`SELECT ${columns} FROM meta WHERE key = ? AND deleted = 0`);
    this.#list = database.prepare(
      `SELECT ${columns} FROM meta WHERE deleted = 0 AND (? IS NULL OR type = ?) ORDER BY key`,
    );
    this.#samples = database.prepare(
      `SELECT ${columns} FROM meta WHERE key IN (SELECT min(key) FROM meta WHERE deleted = 0 GROUP BY type)`,
    );
    this.#keys = database.prepare("SELECT key FROM meta WHERE deleted = 0");
    this.#count = database.prepare("SELECT count(*) AS count FROM meta WHERE deleted = 0");
    this.#prune = database.prepare("DELETE FROM meta WHERE deleted = 1 AND changed_at < ?");
  }

  /**
   * Puts or deletes a resource, unless the node has this version or a newer one. A delete that names another
   * object than the stored one (another uid) deletes nothing.
   *
   * @param origin The store that numbered the version: one of another store always counts as newer.
   */
  apply(message: Message, origin: string, wallTime: number): Applied {
    const { resource, source, content } = message;
    const row = this.#find.get(resource.path) as Row | undefined;
    const uid = uidOf(content);
    const isDelete = message.operation === "delete";
    if (row && row.origin === origin && !isNews(message, row, isDelete)) return "unchanged";
    if (isDelete && row?.deleted === 0 && row.uid !== null && uid !== undefined && row.uid !== uid)
      return "unchanged";
    const version = message.resourceVersion ?? row?.version ?? null;
    const words = [
      resource.path,
      resource.type,
      resource.namespace ?? null,
      resource.name,
      source,
      origin,
      version,
      uid ?? null,
      wallTime,
    ];
    if (isDelete) {
      this.#delete.run(...words);
      return row?.deleted === 0 ? "deleted" : "unchanged";
    }
    this.#put.run(...words, content);
    return "stored";
  }

  /** The content of a resource as it came from that store; `undefined`: it is not here, or from another one. */
  contentOf(key: string, origin: string): HeldContent | undefined {
    const row = this.#content.get(key, origin) as { version: string; value: Uint8Array } | undefined;
    return row && { version: row.version, content: row.value };
  }

  get(key: string): MetaRecord | undefined {
    const row = this.#get.get(key);
    return row === undefined ? undefined : recordOf(row as RecordRow);
  }

  /** @param type Lower-case kind; `undefined`: all. */
  list(type?: string): MetaRecord[] {
    return (this.#list.all(type ?? null, type ?? null) as RecordRow[]).map(recordOf);
  }

  /** One resource of each type. */
  samples(): MetaRecord[] {
    return (this.#samples.all() as RecordRow[]).map(recordOf);
  }

  /** Paths of all resources. */
  keys(): string[] {
    return (this.#keys.all() as { key: string }[]).map((row) => row.key);
  }

  count(): number {
    return (this.#count.get() as { count: number }).count;
  }

  /** Forgets deletions older than this. */
  prune(before: number): void {
    this.#prune.run(before);
  }
}

function isNews(message: Message, row: Row, isDelete: boolean): boolean {
  const { resourceVersion } = message;
  if (isDelete && row.deleted === 1)
    return (
      resourceVersion !== undefined &&
      row.version !== null &&
      compareVersions(resourceVersion, row.version) > 0
    );
  if (resourceVersion === undefined || row.version === null) return true;
  const order = compareVersions(resourceVersion, row.version);
  return order > 0 || (order === 0 && isDelete);
}

/** `metadata.uid` of the object; most messages have one near their beginning, and few are parsed in vain. */
function uidOf(content: Uint8Array): string | undefined {
  if (content.length === 0) return undefined;
  const text = new TextDecoder().decode(content);
  if (!text.includes('"uid"')) return undefined;
  try {
    const uid: unknown = (JSON.parse(text) as { metadata?: { uid?: unknown } } | null)?.metadata?.uid;
    return typeof uid === "string" && uid !== "" ? uid : undefined;
  } catch {
    return undefined;
  }
}

interface RecordRow {
  readonly key: string;
  readonly type: string;
  readonly namespace: string | null;
  readonly name: string;
  readonly source: string;
  readonly version: string | null;
  readonly uid: string | null;
  readonly changed_at: number;
  readonly value: Uint8Array;
}

function recordOf(row: RecordRow): MetaRecord {
  return {
    key: row.key,
    type: row.type,
    namespace: row.namespace ?? undefined,
    name: row.name,
    source: row.source,
    version: row.version === null ? undefined : parseVersion(row.version),
    uid: row.uid ?? undefined,
    changedAt: row.changed_at,
    value: row.value,
  };
}
