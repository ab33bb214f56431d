export const serviceBusTables = `
  -- Addresses in the cloud that local programs may call; KubeEdge's target_urls.
  CREATE TABLE target_urls (url TEXT PRIMARY KEY) WITHOUT ROWID;
  -- Calls of the cloud to services of this node; answered ones are kept for a while, so that a repeat gets the same
  -- answer. Invariant: either call or answer is NULL.
  CREATE TABLE service_answer (
    request TEXT NOT NULL PRIMARY KEY, -- message id
    begun_at INTEGER NOT NULL,         -- wall clock, ms
    call BLOB,                         -- packed message; NULL once answered
    answer BLOB                        -- content of the answer; NULL: not finished
  );
  CREATE INDEX service_answer_age ON service_answer (begun_at);
`;

export const serviceBusTurns = `
  -- 0: the call waits for its turn, so the service knows nothing of it yet.
  ALTER TABLE service_answer ADD COLUMN started INTEGER NOT NULL DEFAULT 1;
`;
