import { createHash } from "node:crypto";

/** A broker that knows no better sends us what we published; after so long it is not expected any more. */
const waitMs = 60_000;
const maxWaiting = 10_000;

/**
 * What we published to topics that we listen to ourselves, until the broker has sent it back: it must not go up as
 * if a device had sent it. Only for MQTT 3.1.1: MQTT 5 can be asked for no echoes.
 */
export class Echoes {
  /** Topic and payload as a digest → when each such publish was made; oldest first. */
  readonly #waiting = new Map<string, number[]>();
  #count = 0;

  /** @param now Monotonic ms. */
  expect(topic: string, payload: Uint8Array | string, now: number): void {
    if (this.#count >= maxWaiting) this.#forgetOldest();
    const key = keyOf(topic, payload);
    const times = this.#waiting.get(key) ?? [];
    times.push(now);
    // Behind the others: the first key of the map is the one not heard of for longest.
    this.#waiting.delete(key);
    this.#waiting.set(key, times);
    this.#count++;
  }

  /** @returns True if this is what we published ourselves; true once for each publish. */
  take(topic: string, payload: Uint8Array, now: number): boolean {
    if (this.#count === 0) return false;
    const key = keyOf(topic, payload);
    const all = this.#waiting.get(key);
    if (all === undefined) return false;
    const fresh = all.filter((at) => now - at < waitMs);
    const isOwn = fresh.shift() !== undefined;
    this.#count -= all.length - fresh.length;
    if (fresh.length > 0) this.#waiting.set(key, fresh);
    else this.#waiting.delete(key);
    return isOwn;
  }

  /** The broker has lost what it had for us: nothing of it comes back. */
  forgetAll(): void {
    this.#waiting.clear();
    this.#count = 0;
  }

  #forgetOldest(): void {
    for (const [key, times] of this.#waiting) {
      this.#waiting.delete(key);
      this.#count -= times.length;
      return;
    }
  }
}

function keyOf(topic: string, payload: Uint8Array | string): string {
  return createHash("sha256").update(topic).update("\0").update(payload).digest("base64");
}
