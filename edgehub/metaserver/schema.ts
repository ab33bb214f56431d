export const metaServerTables = `
  -- Objects that programs of this node got from the cloud and that are not among its resources: for times without it.
  CREATE TABLE fetched_object (
    key TEXT PRIMARY KEY,          -- /<group>/<version>/<resource>/<namespace>/<name>
    fetched_at INTEGER NOT NULL,   -- wall clock, ms
    value BLOB NOT NULL            -- JSON text
  );
  CREATE INDEX fetched_object_age ON fetched_object (fetched_at);
`;
