import { HubError } from "../protocol/index.ts";
import { firstWindowBytes } from "./send-window.ts";
import type { StreamConnection } from "./stream-connection.ts";
import { headerBytes, maxFrameBytes, StreamFrameReader, type Word } from "./stream-frames.ts";

/** More than a hub may say right after its answer. */
const mostOfHub = 2 * firstWindowBytes;
/** More than a client has to say before it is known: a word, and a bit of another one. Anybody may send that much. */
export const mostOfStranger = 2 * (maxFrameBytes + headerBytes);

export interface Said {
  readonly kind: Word;
  readonly bytes: Uint8Array;
}

/** Takes words off a stream, one at a time, before it is a connection; what follows the last one is the connection's. */
export class StreamWords {
  readonly #maxHeld: number;
  #held = Buffer.alloc(0);
  #waiting: { wanted: Word[]; resolve: (said: Said) => void; reject: (error: unknown) => void } | undefined;
  #connection: StreamConnection | undefined;
  #failure: HubError | undefined;

  /** @param maxHeld Bytes held at most before the connection is there. */
  constructor(maxHeld = mostOfHub) {
    this.#maxHeld = maxHeld;
  }

  /** The next word. Rejects with `E_BAD_FRAME` if it is none of these, or with what {@link fail} was given. */
  next(...wanted: Word[]): Promise<Said> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      this.#waiting = { wanted, resolve, reject };
      this.#cut();
    });
  }

  /** Nothing more is to come: who waits hears of it. */
  fail(error: HubError): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
    this.#waiting = undefined;
  }

  /** What has come already, and what comes from now on, is the connection's. */
  handOver(connection: StreamConnection): void {
    this.#connection = connection;
    if (this.#held.length > 0) connection.arrived(this.#held);
  }

  push(chunk: Uint8Array): void {
    if (this.#connection) return void this.#connection.arrived(chunk);
    if (this.#failure) return;
    this.#held = Buffer.concat([this.#held, chunk]);
    if (this.#held.length > this.#maxHeld)
      this.fail(new HubError("E_WINDOW_EXCEEDED", `more than ${this.#maxHeld} bytes before it was let in`));
    else this.#cut();
  }

  #cut(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    try {
      const reader = new StreamFrameReader(1);
      const [frame] = reader.push(this.#held);
      this.#held = Buffer.from(reader.takeRest() ?? []);
      if (frame === undefined) return;
      const { kind } = frame;
      if (kind === "part" || kind === "credit" || !waiting.wanted.includes(kind))
        throw new HubError("E_BAD_FRAME", `a ${kind} where the handshake has its ${waiting.wanted[0]}`);
      this.#waiting = undefined;
      waiting.resolve({ kind, bytes: frame.bytes });
    } catch (error) {
      this.fail(error as HubError);
    }
  }
}
