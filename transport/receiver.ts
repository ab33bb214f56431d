import {
  asHubError,
  type ErrorCode,
  type Frame,
  HubError,
  type LinkCodec,
  type Message,
  type Receipt,
  type Received,
} from "../protocol/index.ts";
import type { ChannelCounters, ChannelOwner, ReceiptContent } from "./channel-parts.ts";

export interface ReceiverParts {
  readonly codec: LinkCodec;
  readonly owner: ChannelOwner;
  readonly counters: ChannelCounters;
  /** What the peer was granted; `undefined` for a dialect without hello. */
  readonly windowMessages: number | undefined;
  /** Sends, with what else leaves in this turn. */
  send(messages: readonly Uint8Array[]): void;
  /** There are acks to be taken. */
  wake(): void;
}

/** The receiving half of a channel: turns what the owner makes of a message into ack or nack. */
export class Receiver {
  readonly #parts: ReceiverParts;
  #acks: Received[] = [];
  #receipts: Receipt[] = [];
  /** Positions the owner is at work on: a repeat of one of them is not handed over again. */
  #atWork: Set<number> | undefined;
  /** Event lanes in which a message was refused: later ones wait for the sender to go back. */
  #refusedLanes: Set<number> | undefined;
  #closed = false;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
  }

  /** Throws `E_WINDOW_EXCEEDED` if the peer sends more than it was granted, twice over. */
  message({ position, message, resume }: Extract<Frame, { type: "message" }>): void {
    const { owner, counters, windowMessages } = this.#parts;
    counters.received++;
    if (position === 0) {
      owner
        .received(message)
        .catch((error: unknown) => owner.fault(asHubError(error), "a message was not taken"));
      return;
    }
    // Most nodes send little: what is not used is not there.
    this.#atWork ??= new Set();
    if (this.#atWork.has(position)) return;
    if (windowMessages !== undefined && this.#atWork.size >= 2 * windowMessages) {
      const text = `more than ${this.#atWork.size} unacknowledged messages; ${windowMessages} were granted`;
      throw new HubError("E_WINDOW_EXCEEDED", text);
    }
    const lane = message.delivery.kind === "event" ? message.delivery.priority : undefined;
    if (lane !== undefined && resume) this.#refusedLanes?.delete(lane);
    if (lane !== undefined && this.#refusedLanes?.has(lane)) {
      this.#nack({ position, message }, new HubError("E_OUT_OF_ORDER", "an earlier event was refused"));
      return;
    }
    this.#atWork.add(position);
    owner.received(message).then(
      (receipt) => this.#taken({ position, message }, receipt),
      (error: unknown) => this.#notTaken({ position, message }, asHubError(error), lane),
    );
  }

  /** A message that could not even be read. */
  unusable({ position, error }: Extract<Frame, { type: "unusable" }>): void {
    this.#parts.counters.refused++;
    this.#parts.owner.fault(error, "a message was refused");
    if (position > 0) this.#nack({ position, message: unreadable }, error);
  }

  /** The acks since the last call, for the wire. */
  takeAcks(): readonly Uint8Array[] {
    if (this.#acks.length === 0) return [];
    const bytes = this.#parts.codec.acks(this.#acks, this.#receipts);
    this.#acks = [];
    this.#receipts = [];
    return bytes;
  }

  /** Nothing that the owner finishes from now on is answered. */
  close(): void {
    this.#closed = true;
  }

  #taken(received: Received, receipt: ReceiptContent | undefined): void {
    this.#atWork?.delete(received.position);
    if (this.#closed || !this.#parts.codec.acknowledges) return;
    this.#acks.push(received);
    if (receipt) this.#receipts.push({ ...receipt, position: received.position });
    this.#parts.wake();
  }

  #notTaken(received: Received, error: HubError, lane: number | undefined): void {
    const { codec, owner, counters } = this.#parts;
    this.#atWork?.delete(received.position);
    if (this.#closed) return;
    if (lane !== undefined && error.retryable && codec.resumes) {
      this.#refusedLanes ??= new Set();
      this.#refusedLanes.add(lane);
    }
    counters.refused++;
    owner.fault(error, "a message was not taken");
    if (codec.acknowledges) this.#nack(received, error);
  }

  #nack(received: Received, { code, message, retryable }: HubError): void {
    const refusal: { code: ErrorCode; text: string; retryable: boolean } = {
      code,
      text: message.slice(0, 500),
      retryable,
    };
    this.#parts.send(this.#parts.codec.nack(received, refusal));
  }
}

/** Stands for a message that could not be read, in a nack that needs its position only. */
const unreadable = {
  group: "",
  operation: "error",
  delivery: { kind: "volatile" },
} as unknown as Message;
