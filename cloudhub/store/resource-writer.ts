import { parentPort, workerData } from "node:worker_threads";
import { serveWriter } from "../../platform/writer.ts";
import { ResourceTables, type ResourceTablesOptions } from "./resource-tables.ts";

// The thread that writes objects: one database, one transaction at a time.
if (parentPort) serveWriter(parentPort, () => new ResourceTables(workerData as ResourceTablesOptions));
