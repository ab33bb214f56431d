import { networkInterfaces } from "node:os";
import type { Clock } from "./clock.ts";

export interface NetworkWatchParts {
  readonly clock: Clock;
  /** Addresses this machine has now; default: those of its interfaces, without loopback. */
  readonly addresses?: () => readonly string[];
}

const lookEveryMs = 1_000;

/**
 * Notices that the network has come back: an address that was not there before.
 *
 * @returns Stops watching.
 */
export function watchNetwork(parts: NetworkWatchParts, cameBack: () => void): () => void {
  const read = parts.addresses ?? outwardAddresses;
  let known = new Set(read());
  let cancel: () => void = () => {};
  const look = (): void => {
    const now = new Set(read());
    const isNew = [...now].some((address) => !known.has(address));
    known = now;
    if (isNew) cameBack();
    cancel = parts.clock.after(lookEveryMs, look);
  };
  cancel = parts.clock.after(lookEveryMs, look);
  return () => cancel();
}

function outwardAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flat()
    .flatMap((one) => (one === undefined || one.internal ? [] : [one.address]));
}
