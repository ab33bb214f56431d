import { hostname } from "node:os";
import type { Logger } from "../platform/logger.ts";
import { version } from "../platform/version.ts";
import { asHubError, type Hello } from "../protocol/index.ts";
import type { EdgeOptions } from "./options.ts";
import { Resumption } from "./resume.ts";
import type { EdgeStore } from "./store/edge-store.ts";

/** What this node says first to a hub of our dialect. */
export interface Greeting {
  readonly hello: Omit<Hello, "wallTime">;
  /** The node has said in its hello what it has of the hub that it was connected to last. */
  readonly resumption: Resumption | undefined;
}

export const edgeSoftware = `edgehub/${version}`;
/** Where the node remembers the store of the hub that it was connected to last. */
const hubNote = "hub";

/** Made anew for each dial: what the node has may have changed. */
export function greetingOf(store: EdgeStore, { delivery, hub }: EdgeOptions): Greeting {
  const known = hub.dialect === "auto" ? store.recall(hubNote) : undefined;
  const resumption = known === undefined ? undefined : new Resumption(store.held, known);
  return {
    resumption,
    hello: {
      software: `${edgeSoftware} ${hostname()}`,
      storeId: store.storeId,
      windowMessages: delivery.windowMessages,
      windowBytes: delivery.windowBytes,
      maxMessageBytes: delivery.messageBytes,
      resumes: true,
      ...(resumption && { held: { storeId: resumption.origin, digest: resumption.digest() } }),
    },
  };
}

/** The node knows now which hub it is; what cannot be written is learned again. */
export function rememberHub(store: EdgeStore, storeId: string, log: Logger): void {
  try {
    if (store.recall(hubNote) !== storeId) store.remember(hubNote, storeId);
  } catch (error) {
    log.warn("which hub this is could not be remembered", { error: asHubError(error) });
  }
}
