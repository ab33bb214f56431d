import { join } from "node:path";
import type { Clock } from "../platform/clock.ts";
import type { DataDirectory } from "../platform/data-directory.ts";
import { HubError } from "../protocol/index.ts";
import type { HubOptions } from "./options.ts";
import type { HubStore } from "./store/hub-store.ts";
import { openHubStore } from "./store/sqlite-hub-store.ts";
import type { SqliteResourceStore } from "./store/sqlite-resource-store.ts";

/** Opens what keeps messages and nodes. Rejects as `openDatabase`. */
export function openStore(
  options: HubOptions,
  create: boolean,
  clock: Clock,
  onDeath: (error: HubError) => void,
): Promise<HubStore> {
  const { limits, store } = options;
  const file = join(options.dataDir, "hub.db");
  return openHubStore(
    {
      file,
      create,
      synchronous: store.synchronous,
      maxBytes: store.maxBytes,
      limits: {
        maxBacklogMessages: limits.backlogMessages,
        maxBacklogBytes: limits.backlogBytes,
        ledgerMessages: store.ledgerMessages,
      },
      tombstoneMs: store.tombstoneMs,
      ledgerMs: store.ledgerMs,
    },
    clock,
    onDeath,
  );
}

/** Opens what keeps the objects. Rejects as `openDatabase`. */
export async function openResources(
  { dataDir, store, objects }: HubOptions,
  create: boolean,
  clock: Clock,
  onDeath: (error: HubError) => void,
): Promise<SqliteResourceStore> {
  const { openResourceStore } = await import("./store/sqlite-resource-store.ts");
  return await openResourceStore(
    {
      file: join(dataDir, "resources.db"),
      create,
      synchronous: store.synchronous,
      maxBytes: store.maxBytes,
      maxObjectCharacters: objects.maxBytes,
      history: { changes: objects.historyChanges, characters: objects.historyBytes },
    },
    clock,
    onDeath,
  );
}

/**
 * Databases and CA must be those that were set up together here.
 *
 * @param found `resourcesId`: `undefined` while that database is not open.
 * Throws `E_STORE_CORRUPT`.
 */
export function checkRecord(
  directory: DataDirectory,
  found: { storeId: string; caHash: string; resourcesId: string | undefined },
  dataDir: string,
): void {
  const { recorded } = directory;
  const { storeId, caHash, resourcesId } = found;
  if (recorded === undefined) {
    if (resourcesId !== undefined) directory.record({ storeId, caHash, resourcesId });
    return;
  }
  const foreign = (file: string): HubError =>
    new HubError(
      "E_STORE_CORRUPT",
      `${join(dataDir, file)} is not the database that belongs here; restore the right one from a backup`,
    );
  if (recorded.storeId !== storeId) throw foreign("hub.db");
  if (recorded.caHash !== caHash) {
    throw new HubError(
      "E_STORE_CORRUPT",
      `the CA is not the one that this hub was set up with (hash ${recorded.caHash}, found ${caHash}): no node would trust it. Restore ${join(dataDir, "pki")}, or ca.certificateFile and ca.keyFile`,
    );
  }
  if (resourcesId === undefined) return;
  // Set up by a version that kept no objects.
  if (recorded.resourcesId === undefined) directory.record({ storeId, caHash, resourcesId });
  else if (recorded.resourcesId !== resourcesId) throw foreign("resources.db");
}
