import type { Outgoing } from "./delivery-queue.ts";
import type { Departure } from "./window-control.ts";

/** A message in the queue and what became of it so far. */
export interface Entry<T extends Outgoing> {
  item: T;
  /** The order in which entries came. A put that replaces another takes over its place. */
  readonly place: number;
  sends: number;
  firstSentAt: number;
  lastSentAt: number;
  inFlight: boolean;
  /** State: the next entry of the same resource. */
  behind: Entry<T> | undefined;
  /** In flight: monotonic ms of the last time it was sent, and how long it may take from then. */
  sentAt: number;
  timeoutMs: number;
  /** In flight: bytes it takes on the wire in the form in which it was sent. */
  wireBytes: number;
  /** In flight for the first time: how things stood when it was sent, if the window follows the link. */
  departure: Departure | undefined;
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
    behind: undefined,
    sentAt: 0,
    timeoutMs: 0,
    wireBytes: 0,
    departure: undefined,
    dueAt: 0,
    refusals: 0,
    done: false,
  };
}
