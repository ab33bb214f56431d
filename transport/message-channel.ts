import type { Clock } from "../platform/clock.ts";
import type { Deadline } from "../platform/deadlines.ts";
import {
  asHubError,
  type ControlFrame,
  DeliveryQueue,
  type ErrorCode,
  type Frame,
  type Hello,
  HubError,
  Keepalive,
  type Learned,
  type LinkCodec,
  type Message,
  type MessageStore,
  type Receipt,
  type SendRecord,
  type Settled,
  type StoredMessage,
} from "../protocol/index.ts";
import {
  type Beginning,
  type ChannelCounters,
  type ChannelOptions,
  type ChannelOwner,
  type ChannelParts,
  type WakeUps,
  wakeUpsOf,
} from "./channel-parts.ts";
import type { CloseReason, Connection, ConnectionEvents } from "./connection.ts";
import { Outgoing } from "./outgoing.ts";
import type { PacedWork } from "./paced-work.ts";
import { Receiver, type ReceiverParts } from "./receiver.ts";
import { Settlement, type SettlementParts } from "./settlement.ts";
import { StoreReader, type StoreReaderParts } from "./store-reader.ts";

/** So many messages are encoded for one peer before others have their turn: about a millisecond of work. */
const takenPerTurn = 64;
/** Every peer takes messages of so many bytes, before it has said how many. */
const leastMaxMessageBytes = 1_024;
const empty = new Uint8Array(0);

/** What a link does when it is its turn to end. */
interface Ending {
  end(): void;
  surely: boolean;
  readonly run: () => void;
}

/**
 * The shell around the delivery machine, the same for every link and direction: reads the store as fast as
 * the window allows, sends, repeats, turns `received()` into ack or nack, settles in batches. All output of
 * a turn of the event loop leaves together. One deadline.
 */
export class MessageChannel implements ConnectionEvents {
  /** There where ends wait for their turn. A method: called as one, and no function of its own for each link. */
  readonly hungUp: (() => void) | undefined;
  readonly #connection: Connection;
  readonly #codec: LinkCodec;
  readonly #owner: ChannelOwner;
  readonly #clock: Clock;
  readonly #counters: ChannelCounters;
  readonly #options: ChannelOptions;
  readonly #queue: DeliveryQueue<StoredMessage>;
  readonly #keepalive: Keepalive;
  readonly #inner: StoreReaderParts & ReceiverParts & SettlementParts;
  readonly #endings: PacedWork | undefined;
  /** Waits there. */
  #ending: Ending | undefined;
  readonly #reader: StoreReader;
  readonly #out: Outgoing;
  readonly #receiver: Receiver;
  #store: MessageStore | undefined;
  #settlement: Settlement | undefined;
  /** What the connection had brought when something was heard last. */
  #bytesHeard = 0;
  #congested = false;
  #flushScheduled = false;
  readonly #wakeUps: WakeUps;
  readonly #wakeUp: Deadline<() => void>;
  #peerMaxMessageBytes: number;
  /** The peer has said what it takes, or has no word for it. Nothing stored is sent before. */
  #granted: boolean;
  #caughtUp = false;
  #closed = false;

  constructor(parts: ChannelParts, options: ChannelOptions) {
    this.#connection = parts.connection;
    this.#codec = parts.codec;
    this.#owner = parts.owner;
    this.#clock = parts.clock;
    this.#counters = parts.counters;
    this.#endings = parts.endings;
    if (parts.endings !== undefined) this.hungUp = this.#peerHungUp;
    this.#options = options;
    this.#granted = options.hello === undefined;
    this.#peerMaxMessageBytes = this.#granted ? Number.POSITIVE_INFINITY : leastMaxMessageBytes;
    const expires = { ...options.queue, expiresInFlight: true };
    this.#queue = new DeliveryQueue(parts.codec.answersAll ? options.queue : expires);
    this.#keepalive = new Keepalive(options.keepalive, parts.clock.now());
    this.#wakeUps = parts.wakeUps ?? wakeUpsOf(parts.clock);
    this.#wakeUp = this.#wakeUps.of(() => this.#wake());
    const { codec, owner, clock, counters } = parts;
    // One for all of them: there are thousands of links.
    this.#inner = {
      codec,
      owner,
      clock,
      counters,
      queue: this.#queue,
      windowMessages: options.hello?.windowMessages,
      wake: () => this.#schedule(),
      send: (messages) => this.#add(messages),
      failed: (error) => this.#closed || this.#fail(asHubError(error)),
    };
    this.#reader = new StoreReader(this.#inner);
    this.#receiver = new Receiver(this.#inner);
    this.#out = new Outgoing(
      parts.connection,
      { joinable: codec.joinable, pace: options.pace, now: parts.clock.now() },
      (positions) => this.#haveLeft(positions),
    );
  }

  /** Begins to read the connection and to send what the store holds. */
  start(store: MessageStore, { ready, greeted, firstBytes }: Beginning = {}): void {
    if (firstBytes !== undefined) this.#queue.link?.beginWith(firstBytes);
    this.#store = store;
    this.#settlement = new Settlement(store, this.#inner);
    this.#connection.start(this);
    // What the peer had said before may have ended it.
    if (this.#closed) return;
    if (this.#options.hello && greeted !== true)
      this.control({ type: "hello", hello: { ...this.#options.hello, wallTime: this.#clock.wallTime() } });
    if (this.#options.keepalive.pingAlways) this.control({ type: "ping" });
    this.#reader.start(store, ready);
    this.#arm();
  }

  /** Sends a message once, if there is room and the peer takes it. @returns False if it was dropped. */
  sendVolatile(message: Message): boolean {
    if (this.#closed || this.#congested) return false;
    const bytes = this.#codec.volatile(message);
    if (bytes.length > this.#peerMaxMessageBytes) return false;
    if (!this.#out.addUnanswered({ bytes, position: undefined })) return false;
    this.#counters.sent++;
    this.#schedule();
    return true;
  }

  /** Sends a word outside the delivery machine; nothing, if the dialect has no such word. */
  control(frame: ControlFrame): void {
    if (!this.#closed) this.#add(this.#codec.control(frame));
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

  /** What the link delivered within a round trip; `undefined`: its window does not follow it. */
  get learned(): Learned | undefined {
    return this.#queue.link?.learned;
  }

  /** Does not wait for its turn to end, if its peer is silent or has hung up. */
  endIfWaiting(): void {
    this.#ending?.run();
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

  data(chunk: Uint8Array): void {
    if (this.#closed) return;
    this.#counters.bytesReceived += chunk.length;
    if (this.#options.anyTrafficCounts) this.#heard();
    if (chunk.length === 0 && this.#codec.joinable) this.#pinged();
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
      if (settled.length > 0) this.#settlement?.settle(settled);
    }
    // What acks made room for goes at once: other links of this process need not have been read before.
    if (settled.length > 0) this.#flush();
    else this.#schedule();
  }

  #heard(): void {
    if (this.#ending?.surely === false) this.#stopEnding();
    this.#bytesHeard = this.#connection.bytesReceived;
    this.#keepalive.heard(this.#clock.now());
  }

  #pinged(): void {
    this.#heard();
    if (this.#keepalive.answers(this.#clock.now())) this.#ping();
  }

  #frame(frame: Frame, settled: Settled[]): void {
    switch (frame.type) {
      case "message":
        this.#receiver.message(frame);
        return;
      case "ack":
        for (const position of frame.positions) this.#acked(position, frame.receipts, settled);
        return;
      case "nack":
        this.#nacked(frame);
        return;
      case "ping":
        this.#pinged();
        return;
      case "answer":
        this.#out.addOne(frame.bytes);
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
      case "digest":
      case "differs":
      case "held":
        this.#owner.control(frame);
        return;
      case "unusable":
        this.#receiver.unusable(frame);
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

  #acked(position: number, receipts: readonly Receipt[], settled: Settled[]): void {
    const record = this.#queue.ack(position, this.#clock.now());
    if (record === undefined) {
      this.#counters.ignored++;
      return;
    }
    this.#codec.acked(record.item);
    const receipt = receipts.length === 0 ? undefined : receipts.find((one) => one.position === position);
    settled.push(receipt === undefined ? record : { ...record, receipt });
  }

  #nacked(frame: Extract<Frame, { type: "nack" }>): void {
    this.#counters.nacked++;
    const behind = frame.code === "E_OUT_OF_ORDER";
    const error = new HubError(frame.code, frame.text, { retryable: frame.retryable });
    const sent = this.#queue.sendsOf(frame.position)?.item;
    if (sent !== undefined && this.#codec.refused(sent, frame.code)) {
      this.#queue.again(frame.position, this.#clock.now());
      this.#owner.fault(error, "the peer could not read the form of a message; it goes again in full");
      return;
    }
    const item = behind || !frame.retryable ? undefined : sent;
    const withdrawn = item !== undefined && this.#owner.withdraws?.(item.id, error) === true;
    const again = frame.retryable && !withdrawn;
    const givenUp = this.#queue.nack(frame.position, again, this.#clock.now(), behind);
    if (withdrawn) {
      this.#settlement?.write((store) => store.expire(item));
      return;
    }
    if (!behind) this.#owner.fault(error, "the peer refused a message");
    if (givenUp) this.#settlement?.write((store) => store.refuse(givenUp, frame.code, frame.text));
  }

  // ── what goes out ──────────────────────────────────────────────────────────────────────────────────────

  drained(): void {
    this.#congested = false;
    this.#flush();
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
    this.#out.add(this.#receiver.takeAcks());
    this.#takeFromQueue();
    this.#send();
    this.#reader.goOn();
    if (!this.#caughtUp && this.#isCaughtUp()) {
      this.#caughtUp = true;
      this.#owner.caughtUp?.();
    }
    this.#arm();
  }

  #isCaughtUp(): boolean {
    return this.#reader.hasAll && this.#granted && this.#queue.inFlight === 0 && this.#queue.waiting === 0;
  }

  /** Encodes what may go now, the rest of it in the next turn. */
  #takeFromQueue(): void {
    const now = this.#clock.now();
    const wallTime = this.#clock.wallTime();
    if (this.#queue.link !== undefined) this.#out.setPiece(this.#queue.link.pieceBytes);
    for (let taken = 0; this.#mayTake(); taken++) {
      if (taken === takenPerTurn) {
        this.#schedule();
        break;
      }
      const next = this.#queue.take(now, wallTime);
      if (next === undefined) break;
      const { item } = next;
      if (next.expired) {
        this.#counters.expired++;
        this.#codec.forget(item.position);
        if (next.sends > 0) this.#store?.unacked([next]);
        this.#settlement?.write((store) => store.expire(item));
      } else if (item.size > this.#peerMaxMessageBytes) {
        this.#tooLarge(item);
      } else if (this.#encode(item, next.resume)) {
        this.#counters.sent++;
        if (next.sends > 1) this.#counters.resent++;
      }
    }
  }

  #mayTake(): boolean {
    return this.#granted && !this.#congested && !this.#settlement?.holds;
  }

  #encode(item: StoredMessage, resume: boolean): boolean {
    try {
      const bytes = this.#codec.message(item, resume);
      this.#queue.spent(item, bytes.length, this.#clock.now());
      this.#counters.bytesSaved += Math.max(item.size - bytes.length, 0);
      if (this.#codec.expectsAck(item)) this.#out.addOne(bytes);
      // What cannot wait in line here waits in the queue: it goes when the line is shorter.
      else this.#out.addUnanswered({ bytes, position: item.position });
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
    if (record) this.#settlement?.write((store) => store.refuse(record, code, text));
  }

  #add(messages: readonly Uint8Array[]): void {
    this.#out.add(messages);
    this.#schedule();
  }

  #send(): void {
    const now = this.#clock.now();
    const { bytes, room } = this.#out.flush(now);
    if (bytes === 0) return;
    this.#counters.bytesSent += bytes;
    this.#keepalive.sent(now);
    if (!room) this.#congested = true;
  }

  /** The peer acks nothing of these: they are settled when they have left this process. */
  #haveLeft(positions: readonly number[]): void {
    const settled: Settled[] = [];
    for (const position of positions) this.#acked(position, [], settled);
    if (settled.length > 0) this.#settlement?.settle(settled);
    this.#schedule();
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Arms the timer for the earliest moment at which something may be due; a timer that is too early stays.
   * While nothing may be taken, the queue wakes nobody: what ends that state looks at it again.
   */
  #arm(): void {
    const queueAt = this.#mayTake() ? this.#queue.nextWakeAt(this.#clock.now()) : Number.POSITIVE_INFINITY;
    const at = Math.min(queueAt, this.#keepalive.nextWakeAt(), this.#out.wakeAt());
    const soonest = this.#clock.now() + 1;
    if (this.#closed || this.#ending !== undefined || Math.max(at, soonest) >= this.#wakeUp.at) return;
    this.#wakeUps.set(this.#wakeUp, Math.max(at, soonest));
  }

  #wake(): void {
    if (this.#closed) return;
    const due = this.#keepalive.poll(this.#clock.now());
    if (due === "dead") {
      // A process that slept has its peer's words still unread: it looks once more after this turn's input.
      this.#clock.atTurnEnd(() =>
        this.#clock.atTurnEnd(() => this.#endLater(() => this.#dieIfSilent(), false)),
      );
      return;
    }
    if (due === "ping") this.#ping();
    this.#flush();
    this.#arm();
  }

  #dieIfSilent(): void {
    // Part of a long message counts, though it has no meaning yet.
    if (this.#options.anyTrafficCounts && this.#connection.bytesReceived !== this.#bytesHeard) this.#heard();
    if (this.#closed) return;
    const due = this.#keepalive.poll(this.#clock.now());
    if (due === "ping") this.#ping();
    if (due === "dead") this.#die();
    else this.#arm();
  }

  /** The shortest ping is a transport message without bytes; where each of them is a text, it needs words. */
  #ping(): void {
    if (this.#codec.joinable) this.#add([empty]);
    else this.control({ type: "ping" });
  }

  /**
   * Does what ends this link, when its turn comes; until then nothing wakes it.
   *
   * @param surely Nothing that is heard meanwhile keeps it alive.
   */
  #endLater(end: () => void, surely: boolean): void {
    if (this.#closed || this.#endings === undefined) {
      end();
      return;
    }
    if (this.#ending !== undefined) {
      // It keeps its place.
      if (surely && !this.#ending.surely) Object.assign(this.#ending, { end, surely });
      return;
    }
    const ending: Ending = {
      end,
      surely,
      run: () => {
        this.#stopEnding();
        ending.end();
      },
    };
    this.#ending = ending;
    this.#wakeUps.clear(this.#wakeUp);
    this.#endings.add(ending.run);
  }

  /** It does not wait for its end, any more. */
  #stopEnding(): void {
    if (this.#ending === undefined) return;
    this.#endings?.remove(this.#ending.run);
    this.#ending = undefined;
  }

  #peerHungUp(): void {
    this.#endWhenItsTurn(() => {
      const reason = { code: "E_LINK_LOST", text: "the peer hung up" } as const;
      this.#end({ ...reason, remote: true });
      this.#connection.destroy(reason);
    });
  }

  /** Nothing comes and nothing is sent any more. */
  #endWhenItsTurn(end: () => void): void {
    this.#congested = true;
    if (!this.#closed) this.#owner.gone?.();
    this.#endLater(end, true);
  }

  #die(): void {
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
  closed(reason: CloseReason): void {
    const isFault = !this.#closed && (reason.code === "E_BAD_FRAME" || reason.code === "E_TOO_LARGE");
    if (isFault) this.#owner.fault(new HubError(reason.code, reason.text), "the link is closed");
    // A proxy that ends may reset thousands in one moment.
    this.#endWhenItsTurn(() => this.#end(reason));
  }

  #end(reason: CloseReason): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopEnding();
    this.#wakeUps.clear(this.#wakeUp);
    this.#reader.end();
    this.#receiver.close();
    this.#settlement?.close();
    this.#store?.unacked([...this.#queue.unacked()]);
    this.#owner.closed(reason);
  }
}
