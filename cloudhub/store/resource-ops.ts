/** The database of Kubernetes objects, and what crosses from the main thread to its writer. */

/** "RES1" in ASCII. */
export const resourceApplicationId = 0x52455331;

export const resourceMigrations: readonly string[] = [
  `
  -- store_id.
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

  -- Every state of every object that is still of interest: those that are now, and those that changes which can still
  -- be followed began with. New rows go to the end.
  CREATE TABLE version (
    revision INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    previous INTEGER NOT NULL,     -- revision of the state before; 0: there was none
    value TEXT                     -- JSON; NULL: deleted
  );

  -- What is now.
  CREATE TABLE object (
    type TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (type, namespace, name)
  ) WITHOUT ROWID;

  -- Changes of a type up to this revision cannot be followed any more.
  CREATE TABLE horizon (type TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
  `,
];

export type ResourceOp =
  | { readonly op: "open" }
  | { readonly op: "load"; readonly after: number }
  | WriteOp
  /** Rows that nobody needs any more, now that changes of the type up to `horizon` are forgotten. */
  | {
      readonly op: "forget";
      readonly type: string;
      readonly horizon: number;
      readonly rows: Float64Array;
    };

export interface WriteOp {
  readonly op: "write";
  readonly revision: number;
  readonly type: string;
  readonly namespace: string;
  readonly name: string;
  /** The revision that this write was decided on; 0: there was nothing. */
  readonly previous: number;
  /** JSON; null: it is deleted. */
  readonly value: string | null;
}

export type VersionRow = Omit<WriteOp, "op">;

/** What the writer found when it opened the database. */
export interface OpenedRow {
  readonly storeId: string;
  readonly horizons: readonly { readonly type: string; readonly revision: number }[];
}
