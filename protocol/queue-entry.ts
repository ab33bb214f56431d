import type { Outgoing } from "./delivery-queue.ts";

/** A message in the queue and what became of it so far. */
export interface Entry<T extends Outgoing> {
  item: T;
  /** The order in which entries came. A put that replaces another takes over its place. */
  readonly place: number;
  sends: number;
  firstSentAt: number;
  lastSentAt: number;
  inFlight: boolean;
  /** In flight: monotonic ms of the last time it was sent, and how long it may take from then. */
  sentAt: number;
  timeoutMs: number;
  /** Refused state: when to try again. */
  dueAt: number;
  refusals: number;
  /** Events: settled, given up or expired. */
  done: boolean;
}

export function newEntry<T extends Outgoing>(item: T): Entry<T> {
  return {
    item,
    place: item.position,
    sends: 0,
    firstSentAt: 0,
    lastSentAt: 0,
    inFlight: false,
    sentAt: 0,
    timeoutMs: 0,
    dueAt: 0,
    refusals: 0,
    done: false,
  };
}
