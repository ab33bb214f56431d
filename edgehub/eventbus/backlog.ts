import { asHubError, type HubError } from "../../protocol/index.ts";

export interface BacklogParts {
  /** Publishes. Rejects with `E_LINK_LOST` if it may not have arrived. */
  send(topic: string, payload: Uint8Array | string): Promise<void>;
  /** The broker does not want it, or there is too much. */
  lost(topic: string, reason: HubError | "too much waits"): void;
}

interface Entry {
  readonly topic: string;
  readonly payload: Uint8Array | string;
  readonly bytes: number;
  /** The connection it was sent on; 0: none. */
  sentOn: number;
}

const maxMessages = 10_000;
const maxBytes = 16 << 20;
/** Sent and not confirmed. */
const maxUnconfirmed = 100;

/**
 * What is to be published at a broker that may be away: in order, and again what was not confirmed. Of too much the oldest
 * is dropped, as what comes later tells more of the present.
 */
export class Backlog {
  readonly #parts: BacklogParts;
  /** By number, in order: those that were sent on this connection first. */
  readonly #entries = new Map<number, Entry>();
  #numbers = 0;
  #bytes = 0;
  #unconfirmed = 0;
  #connection = 0;
  #isUp = false;

  constructor(parts: BacklogParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#entries.size;
  }

  add(topic: string, payload: Uint8Array | string): void {
    const bytes = Buffer.byteLength(payload);
    this.#entries.set(++this.#numbers, { topic, payload, bytes, sentOn: 0 });
    this.#bytes += bytes;
    for (const [number, oldest] of this.#entries) {
      if (this.#entries.size <= maxMessages && this.#bytes <= maxBytes) break;
      this.#remove(number);
      this.#parts.lost(oldest.topic, "too much waits");
    }
    this.#sendMore();
  }

  /** There is a new connection. */
  connected(): void {
    this.#connection++;
    this.#isUp = true;
    this.#unconfirmed = 0;
    this.#sendMore();
  }

  #sendMore(): void {
    if (!this.#isUp) return;
    for (const [number, entry] of this.#entries) {
      if (this.#unconfirmed >= maxUnconfirmed) return;
      if (entry.sentOn !== this.#connection) void this.#send(number, entry);
    }
  }

  async #send(number: number, entry: Entry): Promise<void> {
    const connection = this.#connection;
    entry.sentOn = connection;
    this.#unconfirmed++;
    let refused: HubError | undefined;
    try {
      await this.#parts.send(entry.topic, entry.payload);
    } catch (error) {
      refused = asHubError(error);
    }
    const isCurrent = connection === this.#connection;
    if (isCurrent) this.#unconfirmed--;
    if (refused?.code === "E_LINK_LOST") {
      if (isCurrent) this.#isUp = false;
      return;
    }
    if (this.#remove(number) && refused) this.#parts.lost(entry.topic, refused);
    this.#sendMore();
  }

  #remove(number: number): boolean {
    this.#bytes -= this.#entries.get(number)?.bytes ?? 0;
    return this.#entries.delete(number);
  }
}
