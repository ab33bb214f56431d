import type { Clock } from "../platform/clock.ts";
import {
  asHubError,
  type ControlFrame,
  type DeliveryKind,
  DeliveryQueue,
  type DeliveryQueueOptions,
  type ErrorCode,
  type Frame,
  type Hello,
  HubError,
  Keepalive,
  type KeepaliveOptions,
  type LinkCodec,
  type Message,
  type MessageStore,
  type Receipt,
  type Received,
  type SendRecord,
  type Settled,
  type StoredMessage,
} from "../protocol/index.ts";
import type { CloseReason, Connection } from "./connection.ts";

/** What became of a message beyond "it is durable here"; goes back with the ack. */
export type ReceiptContent = Omit<Receipt, "position">;

/** Who is behind a channel. */
export interface ChannelOwner {
  /**
   * Takes a message. Resolves once it is durable or done: then it is acked. Rejects with a HubError: then
   * it is nacked, and comes again if the error is retryable. Messages are handed over in the order in which
   * they came, without waiting for earlier ones.
   */
  received(message: Message): Promise<ReceiptContent | undefined>;
  /** The peer's own words about itself, calls and replies. */
  control(frame: Extract<Frame, { type: "hello" | "call" | "reply" }>): void;
  /** Something was refused or failed; the channel goes on. To be counted and logged. */
  fault(error: HubError, what: string): void;
  /** Once; nothing else is called afterwards. */
  closed(reason: CloseReason): void;
}

export interface ChannelOptions {
  readonly queue: DeliveryQueueOptions;
  readonly keepalive: KeepaliveOptions;
  /** True: any traffic proves the peer alive. False: only its pings do. */
  readonly anyTrafficCounts: boolean;
  /** What this side grants the peer; `undefined` for a dialect without hello. */
  readonly hello: Omit<Hello, "wallTime"> | undefined;
  /** The greatest window used, whatever the peer grants. */
  readonly maxWindowMessages: number;
  readonly maxWindowBytes: number;
}

/** Counted over all channels of a process; only ever grows. */
export interface ChannelCounters {
  sent: number;
  resent: number;
  settled: number;
  nacked: number;
  expired: number;
  received: number;
  refused: number;
  ignored: number;
  bytesSent: number;
  bytesReceived: number;
}

export function newCounters(): ChannelCounters {
  return {
    sent: 0,
    resent: 0,
    settled: 0,
    nacked: 0,
    expired: 0,
    received: 0,
    refused: 0,
    ignored: 0,
    bytesSent: 0,
    bytesReceived: 0,
  };
}

interface ChannelParts {
  readonly connection: Connection;
  readonly codec: LinkCodec;
  readonly owner: ChannelOwner;
  readonly clock: Clock;
  readonly counters: ChannelCounters;
}

/** A failed write of checkpoints is tried again after so long; nothing new is sent meanwhile. */
const settleRetryMs = 1_000;
/** Every peer takes messages of so many bytes, before it has said how many. */
const leastMaxMessageBytes = 1_024;
/** So many acked messages may wait for their checkpoint before nothing new is sent. */
const maxUnwritten = 4_096;

/**
 * The shell around the delivery machine, the same for every link and direction: reads the store as fast as
 * the window allows, sends, repeats, turns `received()` into ack or nack, settles in batches. All output of
 * a turn of the event loop leaves together. One timer.
 */
export class MessageChannel {
  readonly #connection: Connection;
  readonly #codec: LinkCodec;
  readonly #owner: ChannelOwner;
  readonly #clock: Clock;
  readonly #counters: ChannelCounters;
  readonly #options: ChannelOptions;
  readonly #queue: DeliveryQueue<StoredMessage>;
  readonly #keepalive: Keepalive;
  readonly #ended = new AbortController();
  #store: MessageStore | undefined;
  #out: Uint8Array[] = [];
  #acks: Received[] = [];
  #receipts: Receipt[] = [];
  /** Positions the owner is at work on: a repeat of one of them is not handed over again. */
  readonly #atWork = new Set<number>();
  /** Event lanes in which a message was refused: later ones wait for the sender to go back. */
  readonly #refusedLanes = new Set<number>();
  #unwritten = 0;
  #settleFailed = false;
  #congested = false;
  #flushScheduled = false;
  #wakeAt = Number.POSITIVE_INFINITY;
  #cancelWake: () => void = () => {};
  #roomInQueue: (() => void) | undefined;
  #peerMaxMessageBytes: number;
  /** The peer has said what it takes, or has no word for it. Nothing stored is sent before. */
  #granted: boolean;
  #closed = false;

  constructor(parts: ChannelParts, options: ChannelOptions) {
    this.#connection = parts.connection;
    this.#codec = parts.codec;
    this.#owner = parts.owner;
    this.#clock = parts.clock;
    this.#counters = parts.counters;
    this.#options = options;
    this.#granted = options.hello === undefined;
    this.#peerMaxMessageBytes = this.#granted ? Number.POSITIVE_INFINITY : leastMaxMessageBytes;
    this.#queue = new DeliveryQueue({ ...options.queue, expiresInFlight: !parts.codec.answersAll });
    this.#keepalive = new Keepalive(options.keepalive, parts.clock.now());
  }

  /** Begins to read the connection and to send what the store holds. */
  start(store: MessageStore): void {
    this.#store = store;
    this.#connection.start({
      data: (chunk) => this.#data(chunk),
      drained: () => {
        this.#congested = false;
        this.#flush();
      },
      closed: (reason) => this.#connectionClosed(reason),
    });
    if (this.#options.hello)
      this.control({ type: "hello", hello: { ...this.#options.hello, wallTime: this.#clock.wallTime() } });
    if (this.#options.keepalive.pingAlways) this.control({ type: "ping" });
    void this.#feed(store);
    this.#arm();
  }

  /** Sends a message once, if there is room and the peer takes it. @returns False if it was dropped. */
  sendVolatile(message: Message): boolean {
    if (this.#closed || this.#congested) return false;
    const bytes = this.#codec.volatile(message);
    if (bytes.length > this.#peerMaxMessageBytes) return false;
    this.#out.push(bytes);
    this.#counters.sent++;
    this.#schedule();
    return true;
  }

  /** Sends a word outside the delivery machine; nothing, if the dialect has no such word. */
  control(frame: ControlFrame): void {
    if (this.#closed) return;
    this.#out.push(...this.#codec.control(frame));
    this.#schedule();
  }

  /** How often and when a message in flight was sent. */
  sendsOf(position: number): SendRecord<StoredMessage> | undefined {
    return this.#queue.sendsOf(position);
  }

  get load(): { waiting: number; inFlight: number; inFlightBytes: number } {
    return {
      waiting: this.#queue.waiting,
      inFlight: this.#queue.inFlight,
      inFlightBytes: this.#queue.inFlightBytes,
    };
  }

  /** Ends the link, saying why. */
  close(reason: { code: ErrorCode; text: string }): void {
    if (this.#closed) return;
    this.control({ type: "bye", ...reason });
    this.#send();
    this.#connection.close(reason);
    this.#end({ ...reason, remote: false });
  }

  // ── what arrives ───────────────────────────────────────────────────────────────────────────────────────

  #data(chunk: Uint8Array): void {
    if (this.#closed) return;
    this.#counters.bytesReceived += chunk.length;
    if (this.#options.anyTrafficCounts) this.#keepalive.heard(this.#clock.now());
    const settled: Settled[] = [];
    try {
      for (const frame of this.#codec.push(chunk)) {
        this.#frame(frame, settled);
        if (this.#closed) return;
      }
    } catch (error) {
      this.#fail(asHubError(error));
      return;
    } finally {
      if (settled.length > 0) this.#settle(settled);
    }
    this.#schedule();
  }

  #frame(frame: Frame, settled: Settled[]): void {
    switch (frame.type) {
      case "message":
        this.#message(frame);
        return;
      case "ack":
        for (const position of frame.positions) this.#acked(position, frame.receipts, settled);
        return;
      case "nack":
        this.#nacked(frame);
        return;
      case "ping":
        this.#keepalive.heard(this.#clock.now());
        this.control({ type: "pong" });
        return;
      case "pong":
        return;
      case "answer":
        this.#out.push(frame.bytes);
        return;
      case "bye":
        this.#end({ code: frame.code, text: frame.text, remote: true });
        this.#connection.destroy(frame);
        return;
      case "hello":
        this.#greeted(frame.hello);
        this.#owner.control(frame);
        return;
      case "call":
      case "reply":
        this.#owner.control(frame);
        return;
      case "unusable":
        this.#counters.refused++;
        this.#owner.fault(frame.error, "a message was refused");
        if (frame.position > 0)
          this.#out.push(
            ...this.#codec.nack({ position: frame.position, message: noMessage }, wordsOf(frame.error)),
          );
        return;
      case "ignored":
        this.#counters.ignored++;
        return;
      default:
        frame satisfies never;
    }
  }

  #greeted(hello: Hello): void {
    const messages = Math.max(1, Math.min(hello.windowMessages, this.#options.maxWindowMessages));
    const bytes = Math.max(1, Math.min(hello.windowBytes, this.#options.maxWindowBytes));
    this.#queue.setWindow(messages, bytes);
    this.#peerMaxMessageBytes = hello.maxMessageBytes > 0 ? hello.maxMessageBytes : Number.POSITIVE_INFINITY;
    this.#granted = true;
  }

  #message(frame: Extract<Frame, { type: "message" }>): void {
    const { position, message, resume } = frame;
    this.#counters.received++;
    if (position === 0) {
      this.#owner
        .received(message)
        .catch((error: unknown) => this.#owner.fault(asHubError(error), "a message was not taken"));
      return;
    }
    if (this.#atWork.has(position)) return;
    if (this.#options.hello && this.#atWork.size >= 2 * this.#options.hello.windowMessages) {
      const text = `more than ${this.#atWork.size} unacknowledged messages; ${this.#options.hello.windowMessages} were granted`;
      this.#fail(new HubError("E_WINDOW_EXCEEDED", text));
      return;
    }
    const lane = message.delivery.kind === "event" ? message.delivery.priority : undefined;
    if (lane !== undefined && resume) this.#refusedLanes.delete(lane);
    if (lane !== undefined && this.#refusedLanes.has(lane)) {
      const behind = new HubError("E_OUT_OF_ORDER", "an earlier event was refused");
      this.#out.push(...this.#codec.nack({ position, message }, wordsOf(behind)));
      return;
    }
    this.#atWork.add(position);
    this.#owner.received(message).then(
      (receipt) => this.#taken({ position, message }, receipt),
      (error: unknown) => this.#notTaken({ position, message }, asHubError(error), lane),
    );
  }

  #taken(received: Received, receipt: ReceiptContent | undefined): void {
    this.#atWork.delete(received.position);
    if (this.#closed || !this.#codec.acknowledges) return;
    this.#acks.push(received);
    if (receipt) this.#receipts.push({ ...receipt, position: received.position });
    this.#schedule();
  }

  #notTaken(received: Received, error: HubError, lane: number | undefined): void {
    this.#atWork.delete(received.position);
    if (this.#closed) return;
    if (lane !== undefined && error.retryable && this.#codec.resumes) this.#refusedLanes.add(lane);
    this.#counters.refused++;
    this.#owner.fault(error, "a message was not taken");
    if (!this.#codec.acknowledges) return;
    this.#out.push(...this.#codec.nack(received, wordsOf(error)));
    this.#schedule();
  }

  #acked(position: number, receipts: readonly Receipt[], settled: Settled[]): void {
    const record = this.#queue.ack(position);
    if (record === undefined) {
      this.#counters.ignored++;
      return;
    }
    this.#codec.forget(position);
    const receipt = receipts.length === 0 ? undefined : receipts.find((one) => one.position === position);
    settled.push({ ...record, receipt });
  }

  #nacked(frame: Extract<Frame, { type: "nack" }>): void {
    this.#counters.nacked++;
    const behind = frame.code === "E_OUT_OF_ORDER";
    const givenUp = this.#queue.nack(frame.position, frame.retryable, this.#clock.now(), behind);
    this.#codec.forget(frame.position);
    if (!behind)
      this.#owner.fault(
        new HubError(frame.code, frame.text, { retryable: frame.retryable }),
        "the peer refused a message",
      );
    if (givenUp) this.#write(() => this.#store?.refuse(givenUp, frame.code, frame.text));
  }

  // ── what goes out ──────────────────────────────────────────────────────────────────────────────────────

  /** Hands the store's messages to the queue, no further ahead than the queue can use. */
  async #feed(store: MessageStore): Promise<void> {
    try {
      for await (const batch of store.follow(this.#ended.signal)) {
        for (const item of batch) this.#queue.offer(item);
        this.#schedule();
        if (this.#queue.waiting >= this.#readAhead())
          await new Promise<void>((resolve) => (this.#roomInQueue = resolve));
      }
    } catch (error) {
      if (!this.#closed) this.#fail(asHubError(error));
    }
  }

  /** Twice the window: the next ones are at hand when room comes, and the rest stays in the store. */
  #readAhead(): number {
    return Math.max(2 * this.#queue.windowMessages, 32);
  }
  #schedule(): void {
    if (this.#flushScheduled || this.#closed) return;
    this.#flushScheduled = true;
    this.#clock.atTurnEnd(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#closed) return;
    if (this.#acks.length > 0) {
      this.#out.push(...this.#codec.acks(this.#acks, this.#receipts));
      this.#acks = [];
      this.#receipts = [];
    }
    const unacknowledged = this.#takeFromQueue();
    this.#send(unacknowledged);
    if (this.#roomInQueue && this.#queue.waiting < this.#readAhead() / 2) {
      this.#roomInQueue();
      this.#roomInQueue = undefined;
    }
    this.#arm();
  }

  /** Encodes what may go now. @returns What the peer will not acknowledge. */
  #takeFromQueue(): number[] {
    const unacknowledged: number[] = [];
    const now = this.#clock.now();
    const wallTime = this.#clock.wallTime();
    while (this.#mayTake()) {
      const next = this.#queue.take(now, wallTime);
      if (next === undefined) break;
      const { item } = next;
      if (next.expired) {
        this.#counters.expired++;
        this.#codec.forget(item.position);
        if (next.sends > 0) this.#store?.unacked([next]);
        this.#write(() => this.#store?.expire(item));
      } else if (item.size > this.#peerMaxMessageBytes) {
        this.#tooLarge(item);
      } else if (this.#encode(item, next.resume)) {
        this.#counters.sent++;
        if (next.sends > 1) this.#counters.resent++;
        if (!this.#codec.expectsAck(item)) unacknowledged.push(item.position);
      }
    }
    return unacknowledged;
  }

  #mayTake(): boolean {
    return this.#granted && !this.#congested && !this.#settleFailed && this.#unwritten < maxUnwritten;
  }

  #encode(item: StoredMessage, resume: boolean): boolean {
    try {
      this.#out.push(this.#codec.message(item, resume));
      return true;
    } catch (error) {
      const { code, message } = asHubError(error);
      this.#giveUp(item, code, `cannot be written in dialect ${this.#codec.dialect}: ${message}`);
      return false;
    }
  }

  #tooLarge(item: StoredMessage): void {
    this.#giveUp(
      item,
      "E_TOO_LARGE",
      `the peer takes at most ${this.#peerMaxMessageBytes} bytes, this message has ${item.size}`,
    );
  }

  #giveUp(item: StoredMessage, code: ErrorCode, text: string): void {
    const record = this.#queue.nack(item.position, false, this.#clock.now());
    this.#owner.fault(new HubError(code, text), "a message cannot be sent");
    if (record) this.#write(() => this.#store?.refuse(record, code, text));
  }

  #send(unacknowledged: readonly number[] = []): void {
    if (this.#out.length === 0) return;
    const messages = this.#codec.joinable && this.#out.length > 1 ? [joined(this.#out)] : this.#out;
    this.#out = [];
    for (const message of messages) this.#counters.bytesSent += message.length;
    const flushed =
      unacknowledged.length === 0 ? undefined : () => this.#settleUnacknowledged(unacknowledged);
    if (!this.#connection.send(messages, flushed)) this.#congested = true;
  }

  /** The peer acks nothing of these: they are settled when they have left this process. */
  #settleUnacknowledged(positions: readonly number[]): void {
    const settled: Settled[] = [];
    for (const position of positions) this.#acked(position, [], settled);
    if (settled.length > 0) this.#settle(settled);
    this.#schedule();
  }

  #settle(batch: readonly Settled[]): void {
    this.#unwritten += batch.length;
    this.#store?.settle(batch).then(
      () => {
        const held = this.#settleFailed || this.#unwritten >= maxUnwritten;
        this.#unwritten -= batch.length;
        this.#counters.settled += batch.length;
        this.#settleFailed = false;
        if (held) this.#schedule();
      },
      (error: unknown) => {
        this.#unwritten -= batch.length;
        if (this.#closed) return;
        this.#settleFailed = true;
        this.#owner.fault(asHubError(error), "acked messages could not be checkpointed; trying again");
        this.#clock.after(settleRetryMs, () => this.#closed || this.#settle(batch));
      },
    );
  }

  /** Runs a store write nobody waits for, until it succeeds. */
  #write(write: () => Promise<void> | undefined): void {
    write()?.catch((error: unknown) => {
      if (this.#closed) return;
      this.#owner.fault(asHubError(error), "the store failed; trying again");
      this.#clock.after(settleRetryMs, () => this.#closed || this.#write(write));
    });
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Arms the timer for the earliest moment at which something may be due; a timer that is too early stays.
   * While nothing may be taken, the queue wakes nobody: what ends that state looks at it again.
   */
  #arm(): void {
    const queueAt = this.#mayTake() ? this.#queue.nextWakeAt() : Number.POSITIVE_INFINITY;
    const at = Math.min(queueAt, this.#keepalive.nextWakeAt());
    if (this.#closed || at >= this.#wakeAt) return;
    this.#cancelWake();
    this.#wakeAt = at;
    this.#cancelWake = this.#clock.after(Math.max(at - this.#clock.now(), 1), () => this.#wake());
  }

  #wake(): void {
    this.#wakeAt = Number.POSITIVE_INFINITY;
    if (this.#closed) return;
    const due = this.#keepalive.poll(this.#clock.now());
    if (due === "ping") this.control({ type: "ping" });
    // A process that slept has its peer's words still unread: look once more after this turn's input.
    if (due === "dead") this.#clock.atTurnEnd(() => this.#clock.atTurnEnd(() => this.#dieIfSilent()));
    else this.#flush();
    this.#arm();
  }

  #dieIfSilent(): void {
    if (this.#closed || this.#keepalive.poll(this.#clock.now()) !== "dead") {
      this.#arm();
      return;
    }
    const silentMs = this.#options.keepalive.deadAfterMs;
    const reason = { code: "E_PEER_SILENT", text: `nothing heard for ${silentMs / 1000} s` } as const;
    this.#end({ ...reason, remote: true });
    this.#connection.destroy(reason);
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────

  #fail(error: HubError): void {
    if (this.#closed) return;
    this.#owner.fault(error, "the link is closed");
    this.close({ code: error.code, text: error.message });
  }

  /** The connection has ended; if it broke the rules of its transport, that is the peer's fault. */
  #connectionClosed(reason: CloseReason): void {
    const isFault = !this.#closed && (reason.code === "E_BAD_FRAME" || reason.code === "E_TOO_LARGE");
    if (isFault) this.#owner.fault(new HubError(reason.code, reason.text), "the link is closed");
    this.#end(reason);
  }

  #end(reason: CloseReason): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelWake();
    this.#ended.abort();
    this.#roomInQueue?.();
    this.#store?.unacked([...this.#queue.unacked()]);
    this.#owner.closed(reason);
  }
}

function wordsOf(error: HubError): { code: ErrorCode; text: string; retryable: boolean } {
  return { code: error.code, text: error.message.slice(0, 500), retryable: error.retryable };
}

/** Stands for a message that could not be read, in a nack that needs its position only. */
const noMessage = {
  group: "",
  operation: "error",
  delivery: { kind: "volatile" as DeliveryKind },
} as unknown as Message;

function joined(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
