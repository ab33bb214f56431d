export const edgedTables = `
  -- What Edged must know again after a restart: restart counts, back-off, the last status sent, by pod uid.
  CREATE TABLE edged_pod (
    uid TEXT PRIMARY KEY,
    key TEXT NOT NULL,             -- resource path
    state TEXT NOT NULL            -- JSON
  ) WITHOUT ROWID;
`;
