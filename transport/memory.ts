import type { Clock } from "../platform/clock.ts";
import type { ErrorCode } from "../protocol/index.ts";
import type { CloseReason, Connection, ConnectionEvents, Peer } from "./connection.ts";

/** What a simulated link does to what passes. All may change while it is in use. */
export interface MemoryLink {
  /** One way, ms. */
  delayMs: number;
  /** True: nothing arrives, nothing ends; what was sent meanwhile arrives afterwards. */
  frozen: boolean;
  /** Ends both ends, as a lost connection. */
  cut(): void;
  /** Delivers what waited while frozen. */
  thaw(): void;
}

/** A pair of connected ends in this process; for tests and simulations, on any clock. */
export function memoryPair(
  clock: Clock,
  peers: { a?: Peer; b?: Peer } = {},
): { a: Connection; b: Connection; link: MemoryLink } {
  const waiting: (() => void)[] = [];
  const link: MemoryLink = {
    delayMs: 0,
    frozen: false,
    cut: () => {
      const reason = { code: "E_LINK_LOST" as const, text: "the link was cut", remote: true };
      a.end(reason);
      b.end(reason);
    },
    thaw: () => {
      link.frozen = false;
      for (const run of waiting.splice(0)) run();
    },
  };
  /** One direction: what is sent later never arrives earlier, though the delay shrinks. */
  const direction = (): ((run: () => void) => void) => {
    let last = 0;
    return (run) => {
      last = Math.max(last, clock.now() + link.delayMs);
      clock.after(last - clock.now(), () => void (link.frozen ? waiting.push(run) : run()));
    };
  };
  const nobody: Peer = { address: "memory", certificate: undefined };
  const a: MemoryEnd = new MemoryEnd(peers.b ?? nobody, direction());
  const b: MemoryEnd = new MemoryEnd(peers.a ?? nobody, direction());
  a.other = b;
  b.other = a;
  return { a, b, link };
}

class MemoryEnd implements Connection {
  readonly peer: Peer;
  bytesReceived = 0;
  other: MemoryEnd | undefined;
  readonly #carry: (run: () => void) => void;
  #events: ConnectionEvents | undefined;
  #early: Uint8Array[] = [];
  #ended = false;

  constructor(peer: Peer, carry: (run: () => void) => void) {
    this.peer = peer;
    this.#carry = carry;
  }

  start(events: ConnectionEvents): void {
    this.#events = events;
    for (const chunk of this.#early.splice(0)) events.data(chunk);
  }

  send(messages: readonly Uint8Array[], flushed?: () => void): boolean {
    if (this.#ended) return true;
    for (const message of messages) this.#carry(() => this.other?.arrive(message));
    if (flushed) this.#carry(() => this.#ended || flushed());
    return true;
  }

  close(reason: { code: ErrorCode; text: string }): void {
    this.#carry(() => this.other?.end({ ...reason, remote: true }));
    this.end({ ...reason, remote: false });
  }

  destroy(reason: { code: ErrorCode; text: string }): void {
    this.#carry(() => this.other?.end({ code: "E_LINK_LOST", text: "the connection ended", remote: true }));
    this.end({ ...reason, remote: false });
  }

  arrive(message: Uint8Array): void {
    if (this.#ended) return;
    this.bytesReceived += message.length;
    if (this.#events) this.#events.data(message);
    else this.#early.push(message);
  }

  end(reason: CloseReason): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#events?.closed(reason);
  }
}
