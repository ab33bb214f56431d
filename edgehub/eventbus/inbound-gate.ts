import type { EventEmitter } from "node:events";

const maxPackets = 1_000;
const maxBytes = 1 << 20;

/** What is used of the broker's client, which is not part of its interface. */
export interface PacketSource {
  readonly _parser: EventEmitter;
  /** It has been let in. */
  readonly connected: boolean;
  /** Called when a packet has been dealt with. */
  _nextBatch(error?: unknown): void;
}

/**
 * Lets the broker read no more from a client than it can deal with: a packet is dealt with once it is durable, and all
 * who listen have taken it. Without it, one that does not read would have all others' messages kept in memory, and what
 * comes with a CONNECT would be taken before that has been looked at: from whoever has no password, too.
 */
export class InboundGate {
  readonly #reopened: () => void;
  /** Packets read and not dealt with. */
  #packets = 0;
  /** Read since there were none of these. */
  #bytes = 0;
  #isShut = false;
  #source: PacketSource | undefined;

  /** @param reopened There is room again after a read that got nothing. */
  constructor(reopened: () => void) {
    this.#reopened = reopened;
  }

  watch(source: PacketSource): void {
    this.#source = source;
    const next = source._nextBatch.bind(source);
    // Ahead of the broker, which may be done with the packet at once.
    source._parser.prependListener("packet", () => this.#packets++);
    source._nextBatch = (error) => {
      this.#packets = Math.max(0, this.#packets - 1);
      next(error);
      if (this.#isShut && this.#packets === 0) {
        this.#isShut = false;
        this.#reopened();
      }
    };
  }

  /** @param take Gets what there is. @returns Null: nothing, or no room. */
  read(take: () => Uint8Array | null): Uint8Array | null {
    if (this.#packets === 0) this.#bytes = 0;
    const isConnecting = this.#packets > 0 && this.#source?.connected !== true;
    this.#isShut = isConnecting || this.#packets >= maxPackets || this.#bytes >= maxBytes;
    if (this.#isShut) return null;
    const chunk = take();
    this.#bytes += chunk?.length ?? 0;
    return chunk;
  }
}
