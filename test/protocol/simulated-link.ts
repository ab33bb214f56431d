import type { ErrorCode } from "../../protocol/errors.ts";
import type { Connection, ConnectionEvents, Peer } from "../../transport/connection.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** Counts timers: a channel that is woken again and again for nothing shows here. */
export class CountingClock extends FakeClock {
  timers = 0;

  override after(delayMs: number, run: () => void): () => void {
    this.timers++;
    return super.after(delayMs, run);
  }
}

/** A connection whose buffer is full at times. */
export class NarrowConnection implements Connection {
  readonly peer: Peer;
  readonly #inner: Connection;
  readonly #clock: FakeClock;
  readonly #fullForMs: () => number;
  #events: ConnectionEvents | undefined;

  /** @param fullForMs Asked after each send: for how long is it full now? 0: it is not. */
  constructor(inner: Connection, clock: FakeClock, fullForMs: () => number) {
    this.peer = inner.peer;
    this.#inner = inner;
    this.#clock = clock;
    this.#fullForMs = fullForMs;
  }

  get bytesReceived(): number {
    return this.#inner.bytesReceived;
  }

  start(events: ConnectionEvents): void {
    this.#events = events;
    this.#inner.start(events);
  }

  send(messages: readonly Uint8Array[], flushed?: () => void): boolean {
    this.#inner.send(messages, flushed);
    const fullForMs = this.#fullForMs();
    if (fullForMs > 0) this.#clock.after(fullForMs, () => this.#events?.drained());
    return fullForMs === 0;
  }

  close(reason: { code: ErrorCode; text: string }): void {
    this.#inner.close(reason);
  }

  destroy(reason: { code: ErrorCode; text: string }): void {
    this.#inner.destroy(reason);
  }
}
