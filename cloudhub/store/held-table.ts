import type { Database } from "../../platform/sqlite.ts";
import { prepareAll, type Statements } from "../../platform/sqlite.ts";
import {
  BucketDigest,
  bucketOf,
  compareVersions,
  type HeldVersion,
  type ResourceVersion,
} from "../../protocol/index.ts";
import type { AckedPuts } from "./acked-puts.ts";
import type { CorrectedRow, StoreOp } from "./sqlite-ops.ts";

type Op<Name extends StoreOp["op"]> = Extract<StoreOp, { op: Name }>;

interface Row {
  readonly version: ResourceVersion | null;
  readonly deleted: number;
  readonly accepted_version: ResourceVersion | null;
  readonly accepted_deleted: number;
  readonly accepted_id: string | null;
  readonly waiting: number | null;
  readonly refused: number | null;
}

interface WaitingPut {
  readonly position: number;
  readonly id: string;
  readonly version: ResourceVersion;
  readonly size: number;
}

/** A node's word about one resource; null: it has none of it. */
interface Said {
  readonly node: number;
  readonly resource: string;
  readonly version: ResourceVersion | null;
  readonly now: number;
}

export interface HeldTableParts {
  readonly database: Database;
  readonly ackedPuts: AckedPuts;
  /** A message has left a node's queue. */
  readonly left: (node: number, size: number) => void;
}

/** What nodes are thought to have, against what they say they have. Every call runs inside the caller's transaction. */
export class HeldTable {
  readonly #parts: HeldTableParts;
  readonly #sql: Statements<keyof typeof sqlTexts>;

  constructor(parts: HeldTableParts) {
    this.#parts = parts;
    this.#sql = prepareAll(parts.database, sqlTexts);
  }

  /** Part of the digest of what a node is thought to have. */
  digest({ node, count, after, limit }: Op<"digest">): { buckets: Uint32Array; next: string | undefined } {
    const digest = new BucketDigest(count);
    const next = this.#page({ node, after, limit }, ({ resource, version }) => digest.add(resource, version));
    return { buckets: digest.buckets, next };
  }

  /** Part of what a node is thought to have in some buckets. */
  held({ node, count, buckets, after, limit }: Op<"held">): {
    held: HeldVersion[];
    next: string | undefined;
  } {
    const wanted = new Set(buckets);
    const held: HeldVersion[] = [];
    const next = this.#page({ node, after, limit }, (one) => {
      if (wanted.has(bucketOf(one.resource, count))) held.push(one);
    });
    return { held, next };
  }

  /**
   * The node says what it has of some resources: the checkpoints follow. What waits for it and it has already is done
   * with; what it has lost, and nothing that waits brings, counts as never accepted, so that it can be published again.
   */
  correct({ node, held, now }: Op<"correct">): CorrectedRow {
    this.#parts.ackedPuts.writeNode(node);
    const corrected: CorrectedRow = { settled: [], deletions: [], lost: 0, ahead: 0 };
    for (const [resource, version] of held)
      this.#correctOne({ node, resource, version: version as ResourceVersion | null, now }, corrected);
    return corrected;
  }

  #page(
    { node, after, limit }: { node: number; after: string; limit: number },
    take: (held: HeldVersion) => void,
  ): string | undefined {
    if (after === "") this.#parts.ackedPuts.writeNode(node);
    const rows = this.#sql.page.all(node, after, limit) as HeldVersion[];
    for (const row of rows) take(row);
    return rows.length < limit ? undefined : rows.at(-1)?.resource;
  }

  #correctOne({ node, resource, version, now }: Said, corrected: CorrectedRow): void {
    const row = this.#sql.row.get(node, resource) as Row | undefined;
    if (row === undefined) {
      if (version === null) return;
      this.#sql.add.run({ node, resource, version, now });
      corrected.ahead++;
    } else if (version === versionOf(row)) {
      this.#sql.listed.run(node, resource);
    } else {
      const isPending = row.accepted_version !== row.version || row.accepted_deleted !== row.deleted;
      const settled = this.#settle(node, row, version, now);
      if (settled) corrected.settled.push({ id: settled.id, resource, version: settled.version });
      const at = version === null ? null : now;
      if (isPending && settled === undefined) {
        this.#sql.correct.run({ node, resource, version, at });
        return;
      }
      const isNewest = settled?.version === version;
      const acceptedId = isNewest ? row.accepted_id : null;
      this.#sql.correctAll.run({ node, resource, version, at, acceptedId });
      if (version === null && row.refused === null) this.#sql.forget.run(node, resource);
      if (!isNewest) judge(row, { resource, version }, corrected);
    }
  }

  /** The put that waits, if the node has it or a newer one. */
  #settle(node: number, row: Row, version: ResourceVersion | null, now: number): WaitingPut | undefined {
    if (row.waiting === null || version === null) return undefined;
    const put = this.#sql.waiting.get(row.waiting) as WaitingPut | undefined;
    if (put === undefined || compareVersions(put.version, version) > 0) return undefined;
    this.#sql.settle.run(now, now, put.position);
    this.#parts.left(node, put.size);
    return put;
  }
}

function versionOf(row: Row): ResourceVersion | null {
  return row.deleted === 1 ? null : row.version;
}

/** What the node has is not what it was thought to have, and nothing that waits changes that. */
function judge(
  row: Row,
  { resource, version }: Pick<Said, "resource" | "version">,
  corrected: CorrectedRow,
): void {
  const known = row.version;
  const isOlder = version === null || (known !== null && compareVersions(version, known) < 0);
  if (row.deleted === 1 && known !== null && version !== null && compareVersions(version, known) <= 0)
    corrected.deletions.push({ resource, version: known });
  else if (isOlder) corrected.lost++;
  else corrected.ahead++;
}

const sqlTexts = {
  page: `SELECT resource, version FROM checkpoint
      WHERE node = ? AND resource > ? AND listed = 1 AND deleted = 0 AND version IS NOT NULL ORDER BY resource LIMIT ?`,
  row: `SELECT version, deleted, accepted_version, accepted_deleted, accepted_id, waiting, refused FROM checkpoint
      WHERE node = ? AND resource = ?`,
  add: `INSERT INTO checkpoint (node, resource, version, deleted, at, accepted_version, accepted_deleted, listed)
      VALUES ($node, $resource, $version, 0, $now, $version, 0, 1)`,
  listed: "UPDATE checkpoint SET listed = 1 WHERE node = ? AND resource = ? AND listed = 0",
  correct:
    "UPDATE checkpoint SET version = $version, deleted = 0, at = $at, listed = 1 WHERE node = $node AND resource = $resource",
  correctAll: `UPDATE checkpoint SET version = $version, deleted = 0, at = $at, listed = 1, accepted_version = $version,
        accepted_deleted = 0, accepted_id = $acceptedId, waiting = NULL
      WHERE node = $node AND resource = $resource`,
  forget: "DELETE FROM checkpoint WHERE node = ? AND resource = ?",
  waiting:
    "SELECT position, id, version, size FROM message WHERE position = ? AND state = 0 AND kind = 1 AND operation <> 'delete'",
  settle: "UPDATE message SET state = 1, packed = NULL, persisted_at = ?, ended_at = ? WHERE position = ?",
};
