import { parentPort, workerData } from "node:worker_threads";
import { serveWriter } from "../../platform/writer.ts";
import { HubTables, type HubTablesOptions } from "./hub-tables.ts";

// The writer's thread: one database, one transaction at a time.
if (parentPort)
  serveWriter(
    parentPort,
    () => new HubTables(workerData as HubTablesOptions, { wallTime: () => Date.now() }),
  );
