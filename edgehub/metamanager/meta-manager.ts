import type { Logger } from "../../platform/logger.ts";
import { HubError, type Message } from "../../protocol/index.ts";
import type { EdgeModule } from "../dispatcher.ts";
import type { EdgeStore } from "../store/edge-store.ts";

/**
 * Keeps what the cloud says shall be on this node. A message is acked when its transaction is on the disk; a
 * repeat or an older version changes nothing and is acked as well. Messages of one resource are applied in
 * the order in which they came, because the group commit keeps that order.
 */
export class MetaManager implements EdgeModule {
  readonly name = "metamanager";
  readonly groups = ["resource", "func"];
  readonly #store: EdgeStore;
  readonly #log: Logger;

  constructor(store: EdgeStore, log: Logger) {
    this.#store = store;
    this.#log = log;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  async handle(message: Message, origin: string): Promise<void> {
    const { operation, resource, content } = message;
    if (message.parentId !== undefined) {
      this.#log.debug("an answer that nobody waits for", { resource: resource.path });
      return;
    }
    if (operation !== "insert" && operation !== "update" && operation !== "delete") {
      throw new HubError("E_BAD_OPERATION", `MetaManager takes insert, update and delete, not ${operation}`);
    }
    if (operation !== "delete" && content.length === 0)
      throw new HubError("E_BAD_MESSAGE", `${resource.path}: ${operation} without content`);
    const applied = await this.#store.apply(message, origin);
    this.#log.debug("resource applied", {
      resource: resource.path,
      version: message.resourceVersion,
      applied,
    });
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
