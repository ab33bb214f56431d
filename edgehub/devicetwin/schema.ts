export const deviceTwinTables = `
  -- Devices with their attributes and twins, as JSON objects by name: a device is read and written as a whole.
  CREATE TABLE device (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    state TEXT NOT NULL,
    last_online TEXT NOT NULL,
    attributes TEXT NOT NULL,
    twins TEXT NOT NULL
  ) WITHOUT ROWID;
  -- What the cloud may not have taken, by what it is about: only the newest value of it is repeated.
  CREATE TABLE twin_unconfirmed (
    device TEXT NOT NULL,
    property TEXT NOT NULL,               -- empty: the device's state
    id TEXT NOT NULL,                     -- of the message that told it
    -- -1: safe in the outbox; 0: since the last look at what to repeat; else repeats, and one
    waited INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (device, property)
  ) WITHOUT ROWID;
  CREATE INDEX twin_unconfirmed_id ON twin_unconfirmed (id);
`;
