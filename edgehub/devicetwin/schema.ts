export const deviceTwinTables = `
  -- Devices with their attributes and twins, as JSON: a device is read and written as a whole.
  CREATE TABLE device (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    state TEXT NOT NULL,
    last_online TEXT NOT NULL,
    attributes TEXT NOT NULL,
    twins TEXT NOT NULL
  ) WITHOUT ROWID;
  -- What a KubeEdge cloud has not confirmed yet, by message id.
  CREATE TABLE twin_unconfirmed (
    id TEXT PRIMARY KEY,
    sent_at INTEGER NOT NULL,
    packed BLOB NOT NULL
  ) WITHOUT ROWID;
`;
