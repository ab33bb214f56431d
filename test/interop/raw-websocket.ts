import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { patiently } from "./patience.ts";
import { type Frame, FrameReader, frameBytes, framesAsGo, opcodes } from "./websocket-frames.ts";
import { newHeader, type WireJson } from "./wire-json.ts";

/** How a connection ended, as its survivor saw it. */
export interface Ending {
  /** `bare`: TCP or TLS was closed without a word, as Go does. `frame`: a close frame came first. */
  readonly by: "bare" | "frame";
  readonly code: number | undefined;
  readonly text: string;
}

/**
 * One end of a WebSocket over TLS, after the upgrade. It does what KubeEdge's WebSocket library does – cuts messages
 * into frames as Go, answers pings, echoes close frames, itself closes without one – and whatever else a test wants.
 */
export class RawWebSocket {
  /** Every frame that came, in order. */
  readonly frames: Frame[] = [];
  readonly #ended: Promise<Ending>;
  readonly #tcp: Socket;
  readonly #tls: TLSSocket;
  readonly #side: "edge" | "cloud";
  readonly #reader = new FrameReader();
  readonly #arrived: string[] = [];
  #fragments: Buffer[] = [];
  #waiting: { resolve(text: string): void; reject(error: Error): void } | undefined;
  #close: { code: number | undefined; text: string } | undefined;
  #isPolite = true;

  /** @param head What came behind the head of the upgrade. */
  constructor({ tcp, tls }: { tcp: Socket; tls: TLSSocket }, side: "edge" | "cloud", head: Buffer) {
    this.#tcp = tcp;
    this.#tls = tls;
    this.#side = side;
    tls.on("error", () => undefined);
    tcp.on("error", () => undefined);
    this.#ended = new Promise((resolve) => {
      tls.once("close", () => {
        resolve(this.#close ? { by: "frame", ...this.#close } : { by: "bare", code: undefined, text: "" });
        this.#waiting?.reject(new Error(`the connection ended: ${this.#close?.text ?? "bare close"}`));
      });
    });
    tls.on("data", (chunk: Buffer) => this.#data(chunk));
    tls.once("end", () => tls.end());
    if (head.length > 0) this.#data(head);
  }

  /** Sends a message as Go does: its JSON, a newline, in Go's fragments. A text goes as it is. */
  send(message: WireJson | string): void {
    const text = typeof message === "string" ? message : `${JSON.stringify(message)}\n`;
    for (const frame of framesAsGo(Buffer.from(text), this.#side)) this.sendFrame(frame);
  }

  sendFrame(frame: Pick<Frame, "payload"> & Partial<Frame>): void {
    const whole = { opcode: opcodes.text, fin: true, isMasked: this.#side === "edge", ...frame };
    this.sendBytes(frameBytes(whole));
  }

  /** Sends bytes, frames or not. */
  sendBytes(bytes: Uint8Array): void {
    this.#tls.write(bytes);
  }

  /** The next message that comes, or that has come and was not asked for yet: its text. */
  nextText(): Promise<string> {
    const first = this.#arrived.shift();
    if (first !== undefined) return Promise.resolve(first);
    const coming = new Promise<string>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      if (this.#tls.destroyed) reject(new Error("the connection has ended"));
    });
    return patiently("a message", coming).finally(() => {
      this.#waiting = undefined;
    });
  }

  async next(): Promise<WireJson> {
    return JSON.parse(await this.nextText()) as WireJson;
  }

  /** Everything that comes, or has come and was not asked for yet, until the connection ends. */
  async *messages(): AsyncGenerator<WireJson> {
    for (;;) {
      const text = this.#arrived.shift() ?? (await this.#coming());
      if (text === undefined) return;
      yield JSON.parse(text) as WireJson;
    }
  }

  /** Everything the other side had sent by the time at which it answered a ping of the transport. */
  async sentSoFar(): Promise<WireJson[]> {
    const header = newHeader();
    this.send({ header, route: { operation: "ping", resource: "node" }, content: null });
    const before: WireJson[] = [];
    for (;;) {
      const message = await this.next();
      if (message.header.parent_msg_id === header.msg_id) return before;
      before.push(message);
    }
  }

  /** The next so many messages. */
  async take(count: number): Promise<WireJson[]> {
    const taken: WireJson[] = [];
    while (taken.length < count) taken.push(await this.next());
    return taken;
  }

  /** Resolves when the other side has ended the connection. */
  ended(): Promise<Ending> {
    return patiently("the end of the connection", this.#ended);
  }

  /** Reads nothing and answers nothing, while the connection stays open: a network that passes nothing. */
  freeze(): void {
    this.#tls.pause();
  }

  thaw(): void {
    this.#tls.resume();
  }

  /** From now on close frames are not echoed, nor pings answered: a peer that is no WebSocket library. */
  ignoreControlFrames(): void {
    this.#isPolite = false;
  }

  /** Closes as Go does: the TLS layer says so, no close frame. */
  end(): void {
    this.#tls.end();
  }

  /** Resets the TCP connection. */
  reset(): void {
    this.#tcp.resetAndDestroy();
  }

  /** `undefined`: the connection has ended. */
  #coming(): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.#waiting = { resolve, reject: () => resolve(undefined) };
      if (this.#tls.destroyed) resolve(undefined);
    });
  }

  #data(chunk: Buffer): void {
    for (const frame of this.#reader.push(chunk)) {
      this.frames.push(frame);
      if (frame.opcode >= opcodes.close) this.#control(frame);
      else this.#fragment(frame);
    }
  }

  #fragment({ fin, payload }: Frame): void {
    this.#fragments.push(payload);
    if (!fin) return;
    const text = Buffer.concat(this.#fragments).toString();
    this.#fragments = [];
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) waiting.resolve(text);
    else this.#arrived.push(text);
  }

  #control({ opcode, payload }: Frame): void {
    if (opcode === opcodes.close) {
      const code = payload.length >= 2 ? payload.readUInt16BE(0) : undefined;
      this.#close = { code, text: payload.toString("utf8", 2) };
    }
    if (!this.#isPolite || this.#tls.writableEnded) return;
    if (opcode === opcodes.ping) this.sendFrame({ opcode: opcodes.pong, payload });
    if (opcode !== opcodes.close) return;
    this.sendFrame({ opcode, payload: payload.subarray(0, 2) });
    this.#tls.end();
  }
}
