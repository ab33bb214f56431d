import { asHubError, type ErrorCode, HubError } from "../protocol/index.ts";
import {
  type CloseReason,
  type Connection,
  type ConnectionEvents,
  formatReason,
  type Peer,
  parseReason,
} from "./connection.ts";
import { Inflow, type InflowOptions } from "./inflow.ts";
import { firstWindowBytes, largestWindowBytes, SendWindow } from "./send-window.ts";
import {
  creditKind,
  encodeFrame,
  headerBytes,
  maxFrameBytes,
  PartCollector,
  partKind,
  type StreamFrame,
  StreamFrameReader,
  writeHeader,
} from "./stream-frames.ts";

/** A stream of bytes in order, both ways, that knows neither messages nor backpressure. */
export interface ByteStream {
  /** @param written Called when they have left this process as far as it can tell. */
  write(bytes: Uint8Array, written?: () => void): void;
  /** Ends the connection that carries it, at once; the words reach the peer if they can. */
  end(reason: { code: ErrorCode; text: string }): void;
}

export interface StreamConnectionOptions {
  readonly peer: Peer;
  readonly maxMessageBytes: number;
  readonly inflow?: InflowOptions | undefined;
  /** A peer that takes nothing for so long of what it has room for is closed. */
  readonly stallMs?: number;
}

/** More than so many unsent bytes and a connection says "full". */
const highWaterBytes = 1 << 20;
/** What a receiver keeps to itself before it grants more. */
const creditEveryBytes = firstWindowBytes / 4;
/** What may be withheld beyond the window: frames that cost no credit. */
const slackBytes = 64 << 10;
/** How long a peer may take to answer a bye. */
const closeGraceMs = 1_000;
const defaultStallMs = 15_000;

/**
 * Transport messages over a stream that offers no more than bytes in order: length framing, and credit in both
 * directions. What the peer's program has not taken is bounded on this side, and what this program has not taken is
 * bounded on the peer's; a peer that breaks either bound is closed.
 */
export class StreamConnection implements Connection {
  readonly peer: Peer;
  bytesReceived = 0;
  readonly #stream: ByteStream;
  readonly #window = new SendWindow();
  readonly #reader = new StreamFrameReader();
  readonly #parts: PartCollector;
  readonly #inflow: Inflow | undefined;
  readonly #stallMs: number;
  #events: ConnectionEvents | undefined;
  /** Set by the first that ends it; who listens hears of it once. */
  #reason: CloseReason | undefined;
  #ended = false;
  #afterEnd: () => void = () => undefined;

  // What goes out. Invariant: `#queued` is the sum of what is left of `#queue`.
  #queue: { readonly bytes: Uint8Array; at: number; readonly flushed: (() => void) | undefined }[] = [];
  #queued = 0;
  #full = false;
  #saysBye = false;
  #stallTimer: NodeJS.Timeout | undefined;
  #byeTimer: NodeJS.Timeout | undefined;

  // What comes in. Not read on while nobody listens, or while others have their turn.
  #resting = true;
  #withheld: Uint8Array[] = [];
  #withheldBytes = 0;
  #owed = 0;

  constructor(stream: ByteStream, options: StreamConnectionOptions) {
    this.#stream = stream;
    this.peer = options.peer;
    // What a codec adds to a message is no part of the limit.
    this.#parts = new PartCollector(options.maxMessageBytes + (64 << 10));
    this.#inflow = options.inflow && new Inflow(options.inflow);
    this.#stallMs = options.stallMs ?? defaultStallMs;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Calls back when it has ended, whoever ended it. */
  onEnd(ended: () => void): void {
    this.#afterEnd = ended;
  }

  start(events: ConnectionEvents): void {
    this.#events = events;
    if (this.#ended) queueMicrotask(() => this.#tellEnd());
    else this.#readOn();
  }

  // ── what goes out ──────────────────────────────────────────────────────────────────────────────────────

  send(messages: readonly Uint8Array[], flushed?: () => void): boolean {
    if (this.#reason !== undefined) return true;
    messages.forEach((bytes, i) => {
      const last = i === messages.length - 1;
      this.#queue.push({ bytes, at: 0, flushed: last ? flushed : undefined });
      this.#queued += bytes.length;
    });
    this.#pump();
    this.#full = this.#queued > highWaterBytes;
    return !this.#full;
  }

  /** Sends what the window has room for, as one piece, and with it the credit that is due. */
  #pump(): void {
    const { parts, bytes, done } = this.#cut(this.#window.room);
    if (bytes > 0) {
      this.#window.sent(bytes, performance.now());
      const piece = Buffer.allocUnsafe(bytes + headerBytes);
      let at = 0;
      for (const { part, last } of parts) {
        at = writeHeader(piece, at, partKind(last), part.length);
        piece.set(part, at);
        at += part.length;
      }
      if (this.#owed > 0) at = this.#writeCredit(piece, at);
      this.#stream.write(piece.subarray(0, at), () => {
        if (!this.#ended) for (const flushed of done) flushed();
      });
    }
    this.#watchForStall();
    if (this.#saysBye && this.#queue.length === 0) this.#sayBye();
  }

  /** Takes parts off the queue. Each is as long as a frame can be: no trickle where there is a little room. */
  #cut(roomBytes: number): {
    parts: { part: Uint8Array; last: boolean }[];
    bytes: number;
    done: (() => void)[];
  } {
    const parts: { part: Uint8Array; last: boolean }[] = [];
    const done: (() => void)[] = [];
    let bytes = 0;
    let finished = 0;
    cutting: for (const entry of this.#queue) {
      do {
        const left = entry.bytes.length - entry.at;
        const length = Math.min(left, maxFrameBytes);
        if (bytes + headerBytes + length > roomBytes) break cutting;
        parts.push({ part: entry.bytes.subarray(entry.at, entry.at + length), last: length === left });
        entry.at += length;
        bytes += headerBytes + length;
        this.#queued -= length;
      } while (entry.at < entry.bytes.length);
      finished++;
      if (entry.flushed) done.push(entry.flushed);
    }
    if (finished > 0) this.#queue = this.#queue.slice(finished);
    return { parts, bytes, done };
  }

  #grant(): void {
    const frame = Buffer.allocUnsafe(headerBytes);
    this.#writeCredit(frame, 0);
    this.#stream.write(frame);
  }

  #writeCredit(into: Buffer, at: number): number {
    const end = writeHeader(into, at, creditKind, this.#owed);
    this.#owed = 0;
    return end;
  }

  #watchForStall(): void {
    if (this.#queue.length === 0) {
      clearTimeout(this.#stallTimer);
      this.#stallTimer = undefined;
      return;
    }
    this.#stallTimer ??= setTimeout(() => {
      this.#stallTimer = undefined;
      if (this.#window.stalledForMs(performance.now()) < this.#stallMs) this.#watchForStall();
      else
        this.fail(
          new HubError(
            "E_PEER_SILENT",
            `it has taken nothing of what it was sent for ${this.#stallMs / 1_000} s`,
          ),
        );
    }, this.#stallMs);
  }

  // ── what comes in ──────────────────────────────────────────────────────────────────────────────────────

  /** Bytes of the stream have come; they are this connection's from now on. */
  arrived(chunk: Uint8Array): void {
    if (this.#ended) return;
    this.bytesReceived += chunk.length;
    if (!this.#resting) {
      this.#read(chunk);
      return;
    }
    this.#withheld.push(chunk);
    this.#withheldBytes += chunk.length;
    // Who has not been let in yet has been granted no more than the first window.
    const granted = this.#events === undefined ? firstWindowBytes : largestWindowBytes;
    if (this.#withheldBytes > granted + slackBytes)
      this.fail(new HubError("E_WINDOW_EXCEEDED", `it sent more than the ${granted} bytes granted`));
  }

  #readOn(): void {
    this.#resting = false;
    while (!this.#resting && !this.#ended) {
      const chunk = this.#withheld.shift();
      if (chunk === undefined) return;
      this.#withheldBytes -= chunk.length;
      this.#read(chunk);
    }
  }

  #read(chunk: Uint8Array): void {
    let restMs: number | undefined;
    try {
      for (const frame of this.#reader.push(chunk)) {
        const wanted = this.#frame(frame);
        if (wanted !== undefined) restMs = Math.max(restMs ?? 0, wanted);
        if (this.#ended) return;
      }
    } catch (error) {
      this.fail(asHubError(error));
      return;
    }
    if (restMs !== undefined) this.#rest(restMs);
    else if (this.#owed >= creditEveryBytes) this.#grant();
  }

  /** What comes is not read on, and no more is granted, before others have had their turn. */
  #rest(restMs: number): void {
    this.#resting = true;
    const goOn = (): void => {
      if (this.#ended) return;
      if (this.#owed >= creditEveryBytes) this.#grant();
      this.#readOn();
    };
    if (restMs === 0) setImmediate(goOn);
    else setTimeout(goOn, restMs);
  }

  /** @returns How long to rest after it. */
  #frame(frame: StreamFrame): number | undefined {
    switch (frame.kind) {
      case "part": {
        this.#owed += frame.bytes.length + headerBytes;
        const message = this.#parts.add(frame.bytes, frame.last);
        if (message === undefined) return undefined;
        const restMs = this.#inflow?.add(message.length, performance.now());
        if (this.#reason === undefined) this.#events?.data(message);
        return restMs;
      }
      case "credit":
        if (!this.#window.taken(frame.bytes, performance.now()))
          throw new HubError("E_BAD_FRAME", `credit for ${frame.bytes} bytes that were not sent`);
        this.#room();
        return undefined;
      case "bye":
        this.ended(parseReason(Buffer.from(frame.bytes).toString(), true));
        this.#stream.end({ code: "E_CLOSED", text: "" });
        return undefined;
      case "request":
      case "answer":
      case "hello":
      case "challenge":
      case "proof":
        throw new HubError("E_BAD_FRAME", `a ${frame.kind} on a connection that is up`);
      default:
        return frame satisfies never;
    }
  }

  #room(): void {
    this.#pump();
    if (!this.#full || this.#queued > highWaterBytes / 2) return;
    this.#full = false;
    this.#events?.drained();
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────

  close(reason: { code: ErrorCode; text: string }): void {
    if (this.#reason !== undefined) return;
    this.#reason = { ...reason, remote: false };
    this.#saysBye = true;
    this.#byeTimer = setTimeout(() => this.#endNow(), closeGraceMs);
    this.#pump();
  }

  /** The peer ends the connection when it has read this. */
  #sayBye(): void {
    this.#saysBye = false;
    if (this.#reason) this.#stream.write(encodeFrame("bye", formatReason(this.#reason)));
  }

  destroy(reason: { code: ErrorCode; text: string }): void {
    if (this.#ended) return;
    this.#reason ??= { ...reason, remote: false };
    this.#finish();
    this.#stream.end({ code: "E_LINK_LOST", text: "" });
  }

  /** The stream, or what carries it, has ended. */
  ended(reason: CloseReason): void {
    if (this.#ended) return;
    this.#reason ??= reason;
    this.#finish();
  }

  /** Ends what carries it, after it has ended itself. */
  hangUp(): void {
    this.#stream.end({ code: "E_CLOSED", text: "" });
  }

  /** The peer has broken the rules: it is told, and nothing more is heard of it. */
  fail(error: HubError): void {
    if (this.#ended) return;
    this.#reason ??= { code: error.code, text: error.message, remote: true };
    this.#endNow();
  }

  #endNow(): void {
    if (this.#ended) return;
    const reason = this.#reason ?? {
      code: "E_LINK_LOST" as const,
      text: "the connection ended",
      remote: true,
    };
    this.#finish();
    this.#stream.end(reason);
  }

  #finish(): void {
    this.#ended = true;
    clearTimeout(this.#stallTimer);
    clearTimeout(this.#byeTimer);
    this.#queue = [];
    this.#withheld = [];
    this.#afterEnd();
    this.#tellEnd();
  }

  #tellEnd(): void {
    const events = this.#events;
    if (this.#reason) events?.closed(this.#reason);
  }
}
