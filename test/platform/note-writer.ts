import { parentPort, workerData } from "node:worker_threads";
import { serveWriter } from "../../platform/writer.ts";
import { NoteTables } from "./note-tables.ts";

if (parentPort) serveWriter(parentPort, () => new NoteTables(workerData as string));
