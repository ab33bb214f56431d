export const serviceBusTables = `
  -- Addresses in the cloud that local programs may call; KubeEdge's target_urls.
  CREATE TABLE target_urls (url TEXT PRIMARY KEY) WITHOUT ROWID;
  -- Requests that were executed: a repeat gets the same answer. NULL: begun, and not finished before the agent died.
  CREATE TABLE service_answer (
    request TEXT PRIMARY KEY,      -- message id
    begun_at INTEGER NOT NULL,
    answer BLOB                    -- packed message
  ) WITHOUT ROWID;
  CREATE INDEX service_answer_age ON service_answer (begun_at);
`;
