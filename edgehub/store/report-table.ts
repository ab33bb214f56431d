import { type Database, prepareAll, type Statements } from "../../platform/sqlite.ts";
import type { Message } from "../../protocol/index.ts";

/** What this node has last reported of a pod or of itself. */
export interface Report {
  /** Resource path of the object it is about. */
  readonly key: string;
  /** The object as it was registered, JSON text; `undefined`: the cloud made it. */
  readonly object: Uint8Array | undefined;
  /** The newest status: a strategic merge patch as JSON text, which may stand in a JSON string. */
  readonly patch: Uint8Array | undefined;
}

/** Type of a report → type of what it is about. Source: KubeEdge's podpatch, nodepatch. */
const reportTypes: Readonly<Record<string, "pod" | "node">> = {
  podpatch: "pod",
  nodepatch: "node",
  node: "node",
};

/**
 * The newest reports that went up, so that programs of this node see with the pods how they are, without a link too.
 * A report is written in one transaction with its message. There is one for each pod of the node and one for the node:
 * what is about others is not kept, and it goes with its object.
 */
export class ReportTable {
  readonly #sql: Statements<keyof typeof sqlTexts>;
  readonly #listeners = new Set<(key: string) => void>();
  /** Changed and not told yet. */
  readonly #changed = new Set<string>();

  constructor(database: Database) {
    this.#sql = prepareAll(database, sqlTexts);
  }

  /** Keeps what a message for the cloud reports. Inside the caller's transaction; {@link announce} follows. */
  keep(message: Message): void {
    const { operation, resource, source } = message;
    const about = source === "edged" ? reportTypes[resource.type] : undefined;
    const isPatch = operation === "patch" && resource.type !== about;
    if (about === undefined || (!isPatch && !(operation === "insert" && resource.type === "node"))) return;
    const key = `${resource.namespace ?? "null"}/${about}/${resource.name}`;
    const row = { id: idOf(about, key, resource.name), key, content: message.content };
    if (!isPatch) this.#sql.register.run(row);
    else if (about === "pod") this.#sql.putOfPod.run(row);
    else if (resource.name === message.node) this.#sql.put.run(row);
    this.#changed.add(key);
  }

  /** What was kept is on the disk: whoever listens is told. */
  announce(): void {
    for (const key of this.#changed) for (const listener of this.#listeners) listener(key);
    this.#changed.clear();
  }

  /** The object has gone. Inside the caller's transaction. @param key Its resource path. */
  forget(key: string): void {
    this.#sql.forget.run(key);
  }

  /** @param key Resource path of a pod or a node; a node has none, or any, namespace. */
  get(key: string): Report | undefined {
    const [, type = "", name = ""] = key.split("/");
    const row = this.#sql.get.get(idOf(type, key, name)) as Row | undefined;
    return row && { key: row.key, object: row.object ?? undefined, patch: row.patch ?? undefined };
  }

  /** The node as it registered itself; `undefined`: it has not. */
  registered(): Report | undefined {
    const row = this.#sql.registered.get() as Row | undefined;
    return row && { key: row.key, object: row.object ?? undefined, patch: row.patch ?? undefined };
  }

  /** Tells of every new report, by the path of what it is about. @returns Stops telling. */
  onChange(listener: (key: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

interface Row {
  readonly key: string;
  readonly object: Uint8Array | null;
  readonly patch: Uint8Array | null;
}

/** KubeEdge 1.15 has nodes in namespace default, later ones in none. */
function idOf(type: string, key: string, name: string): string {
  return type === "node" ? `node/${name}` : key;
}

const putText = `INSERT INTO report (id, key, patch) SELECT $id, $key, $content`;
const updateText = "ON CONFLICT DO UPDATE SET key = excluded.key, patch = excluded.patch";
const sqlTexts = {
  register: `INSERT INTO report (id, key, object) VALUES ($id, $key, $content)
    ON CONFLICT DO UPDATE SET key = excluded.key, object = excluded.object`,
  put: `${putText} WHERE true ${updateText}`,
  putOfPod: `${putText} WHERE EXISTS (SELECT 1 FROM meta WHERE meta.key = $key AND deleted = 0) ${updateText}`,
  get: "SELECT key, object, patch FROM report WHERE id = ?",
  registered: "SELECT key, object, patch FROM report WHERE object IS NOT NULL",
  forget: "DELETE FROM report WHERE key = ?",
};
