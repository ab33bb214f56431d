export const edgedTables = `
  -- What Edged must know again after a restart: restart counts, back-off, the last status sent, by pod uid.
  CREATE TABLE edged_pod (
    uid TEXT PRIMARY KEY,
    key TEXT NOT NULL,             -- resource path
    state TEXT NOT NULL            -- JSON
  ) WITHOUT ROWID;

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
