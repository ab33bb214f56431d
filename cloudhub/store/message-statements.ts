import { type Database, prepareAll, type Statements } from "../../platform/sqlite.ts";
import { pageColumns } from "./sqlite-ops.ts";

const columns =
  "position, id, resource, operation, kind, version, priority, expires_at, size, accepted_at, packed";
const ledgerColumns =
  "position, state, id, resource, operation, kind, version, priority, expires_at, size, accepted_at, sends, " +
  "first_sent_at, last_sent_at, persisted_at, ended_at, reason";

const stateColumns =
  "resource, version, deleted, at, accepted_version, accepted_deleted, accepted_id, waiting, refused";

/** A link counts its own sends; those of earlier links stay. */
const sent = "sends = sends + ?, first_sent_at = coalesce(first_sent_at, ?), last_sent_at = ?";

export type MessageStatements = Statements<keyof typeof messageSql>;

/** Prepares the SQL of `MessageTable`. */
export function prepareMessages(database: Database): MessageStatements {
  const sql = prepareAll(database, messageSql);
  // Run for each message that is sent and acked: rows without the columns' names are cheaper to make.
  sql.waiting.raw();
  sql.settle.raw();
  return sql;
}

/** What {@link MessageStatements} `settle` returns of a message. */
export type SettledRow = readonly [
  node: number,
  state: number,
  kind: number,
  resource: string,
  version: string | null,
  isDelete: number,
  size: number,
];

const messageSql = {
  // ── accepting
  resource:
    "SELECT version, deleted, accepted_version, accepted_deleted, waiting, refused FROM checkpoint WHERE node = ? AND resource = ?",
  accept: `INSERT INTO checkpoint (node, resource, accepted_version, accepted_deleted, accepted_id, accepted_at, waiting, listed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET accepted_version = excluded.accepted_version, accepted_deleted = excluded.accepted_deleted,
        accepted_id = excluded.accepted_id, accepted_at = excluded.accepted_at, waiting = excluded.waiting, refused = NULL,
        listed = max(listed, excluded.listed)`,
  insert: `INSERT INTO message (position, node, state, id, resource, operation, kind, version, priority, expires_at, size, accepted_at, packed)
      VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  supersede:
    "UPDATE message SET state = 2, ended_at = ?, packed = NULL WHERE position = ? AND state = 0 RETURNING size",
  supersedeRefused:
    "UPDATE message SET state = 2, ended_at = ?, packed = NULL WHERE position = ? AND state = 4",
  lastPosition: "SELECT max(position) AS last FROM message",
  readVersion: "SELECT value FROM meta WHERE name = 'version'",
  writeVersion:
    "INSERT INTO meta (name, value) VALUES ('version', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
  // ── sending
  // Checkpoints of one node, some hundred at a time.
  sliceEnd:
    "SELECT resource FROM checkpoint WHERE node = ? AND resource > ? ORDER BY resource LIMIT 1 OFFSET ?",
  putsInSlice:
    "SELECT waiting AS position FROM checkpoint WHERE node = ? AND resource > ? AND resource <= ? AND waiting > ? AND waiting <= ?",
  putsInLastSlice:
    "SELECT waiting AS position FROM checkpoint WHERE node = ? AND resource > ? AND waiting > ? AND waiting <= ?",
  orderedPositions: `SELECT position FROM message WHERE node = ? AND position > ? AND position <= ?
        AND state = 0 AND (kind = 2 OR operation = 'delete') ORDER BY position LIMIT ?`,
  urgent:
    "SELECT position FROM message WHERE node = ? AND position > ? AND state = 0 AND priority > 0 ORDER BY position LIMIT ?",
  waiting: `SELECT ${pageColumns.join()}, packed FROM message WHERE position = ? AND state = 0`,
  backlog:
    "SELECT count(*) AS messages, coalesce(sum(size), 0) AS bytes FROM message WHERE node = ? AND state = 0",
  recentEvents: "SELECT id FROM message WHERE node = ? AND kind = 2 ORDER BY position DESC LIMIT ?",
  unacked: `UPDATE message SET ${sent} WHERE position = ?`,
  // ── ends
  settle: `UPDATE message SET state = CASE state WHEN 0 THEN 1 ELSE 5 END, packed = NULL, ${sent}, persisted_at = ?, ended_at = ?
      WHERE position = ? AND state IN (0, 2) RETURNING node, state, kind, resource, version, operation = 'delete', size`,
  // The version only grows; the put that waits is done with if this was it.
  checkpoint: `UPDATE checkpoint SET version = $version, deleted = $deleted, at = $at,
        waiting = CASE waiting WHEN $position THEN NULL ELSE waiting END
      WHERE node = $node AND resource = $resource AND (version IS NULL OR length(version) < length($version)
        OR (length(version) = length($version) AND version <= $version))`,
  ackedPuts: `SELECT c.resource, m.version, m.ended_at AS at, m.position FROM checkpoint c JOIN message m ON m.position = c.waiting
      WHERE c.node = ? AND c.waiting IS NOT NULL AND m.state = 1`,
  refuse: `UPDATE message SET state = 4, ${sent}, reason = ?, ended_at = ?
      WHERE position = ? AND state = 0 RETURNING node, resource, kind, size, version`,
  // The same version may be published again, so it counts as never accepted.
  refused: `UPDATE checkpoint SET refused = $position,
        accepted_version = CASE accepted_version WHEN $version THEN version ELSE accepted_version END,
        waiting = CASE waiting WHEN $position THEN NULL ELSE waiting END
      WHERE node = $node AND resource = $resource`,
  expire:
    "UPDATE message SET state = 3, ended_at = ?, packed = NULL WHERE position = ? AND state = 0 RETURNING node, size",
  // ── asking
  // A put that was acked lately is known by its message only, see AckedPuts.
  readCheckpoint: `SELECT coalesce(m.version, c.version) AS version, iif(m.position IS NULL, c.deleted, 0) AS deleted,
        coalesce(m.ended_at, c.at) AS at
      FROM checkpoint c LEFT JOIN message m ON m.position = c.waiting AND m.state = 1
      WHERE c.node = ? AND c.resource = ? AND coalesce(m.version, c.version) IS NOT NULL`,
  resourcesInSlice: `SELECT ${stateColumns} FROM checkpoint
      WHERE node = ? AND resource > ? AND resource <= ? AND resource GLOB ? ORDER BY resource LIMIT ?`,
  resourcesInLastSlice: `SELECT ${stateColumns} FROM checkpoint
      WHERE node = ? AND resource > ? AND resource GLOB ? ORDER BY resource LIMIT ?`,
  // Here too.
  holding: `SELECT c.node, c.version, c.deleted, c.at, c.accepted_version, c.accepted_deleted, c.accepted_at, c.waiting,
        m.state AS waiting_state, m.version AS waiting_version, m.ended_at AS waiting_ended_at,
        r.version AS refused_version, r.accepted_at AS refused_accepted_at, r.reason AS refused_reason
      FROM checkpoint c LEFT JOIN message m ON m.position = c.waiting LEFT JOIN message r ON r.position = c.refused
      WHERE c.node = ? AND c.resource = ?`,
  ledger: `SELECT ${ledgerColumns} FROM message WHERE node = ? ORDER BY position DESC`,
  packed: "SELECT packed FROM message WHERE node = ? AND position = ?",
  refusedRows: `SELECT ${columns} FROM message WHERE node = ? AND state = 4 AND (? IS NULL OR position = ?) ORDER BY position`,
  forget: "DELETE FROM message WHERE position = ?",
  // ── housekeeping
  sweepExpired:
    "UPDATE message SET state = 3, ended_at = ?, packed = NULL WHERE expires_at <= ? AND expires_at IS NOT NULL AND state = 0",
  sweepTombstones:
    "DELETE FROM checkpoint WHERE deleted = 1 AND at < ? AND accepted_version IS version AND waiting IS NULL AND refused IS NULL",
  cut: `DELETE FROM message WHERE position IN (SELECT position FROM message
        WHERE node = $node AND state IN (1, 2, 3, 5) AND (ended_at < $before OR position <
          (SELECT position FROM message WHERE node = $node ORDER BY position DESC LIMIT 1 OFFSET $keep))
        ORDER BY position LIMIT $most)`,
  removeMessages: "DELETE FROM message WHERE node = ?",
  removeCheckpoints: "DELETE FROM checkpoint WHERE node = ?",
};
