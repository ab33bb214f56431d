import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type HubOptionsInput, type HubServerParts, type RunningHub, startHub } from "../../cloudhub/index.ts";
import { type Logger, silentLogger } from "../../platform/logger.ts";
import { joinAsStockEdge, type StockEdge } from "./stock-edge.ts";

/** A hub on free ports with a directory of its own. */
export interface TestHub extends RunningHub {
  readonly dataDir: string;
}
