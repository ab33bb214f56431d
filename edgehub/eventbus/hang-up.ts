import type { Duplex } from "node:stream";
import type { Clock } from "../../platform/clock.ts";

const patienceMs = 5_000;

/**
 * Ends a stream behind what was written to it, so that confirmations still arrive: who does not get them sends
 * everything again, for ever if the same message is refused each time.
 *
 * @param done Called once all is written, or cannot be in time.
 */
export function hangUp(stream: Duplex, clock: Clock, done: () => void): void {
  let isDone = false;
  const once = (): void => {
    if (isDone) return;
    isDone = true;
    cancel();
    done();
  };
  const cancel = clock.after(patienceMs, once);
  stream.end(once);
}
