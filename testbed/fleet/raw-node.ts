import type { TLSSocket } from "node:tls";
import { createMessage, NativeCodec, type NodeId, volatile } from "../../protocol/index.ts";
import { clientFrame, FrameReader, opcodes } from "./client-frames.ts";
import { type Dialled, type DialOptions, dial } from "./dial.ts";
import { KubeEdgeVoice } from "./kubeedge-voice.ts";
import { ackFrame, pingFrame, readPackages } from "./native-frames.ts";

/**
 * What a simulated node does. `ack`: acks what a hub sends, as our agent does, once per chunk that arrives. `kubeedge`: the
 * same in KubeEdge's dialect. `silent`: takes what a hub sends and acks nothing. `flood`: sends a hub messages as fast as
 * the link takes them, and acks too. `echo`: speaks to an echo server: sends another message for each that comes back.
 */
export type RawNodeMode = "ack" | "kubeedge" | "silent" | "flood" | "echo";

export interface RawNodeOptions extends Omit<DialOptions, "offersNative"> {
  readonly mode: RawNodeMode;
  /** Messages in flight. */
  readonly window: number;
  /** Size of an echoed or flooding message. */
  readonly bytes: number;
  /** It acks so late, ms; 0: at once. */
  readonly ackDelayMs: number;
}

export interface RawNodeParts {
  /** So many messages have arrived. */
  arrived(count: number): void;
  /** The connection has ended, whoever did it. */
  ended?(node: RawNode): void;
}

/** Connects and upgrades. Rejects as {@link dial}. */
export async function connectRawNode(options: RawNodeOptions, parts: RawNodeParts): Promise<RawNode> {
  const offersNative = options.mode !== "echo" && options.mode !== "kubeedge";
  return new RawNode(await dial({ ...options, offersNative }), options, parts);
}

/** A simulated node on a bare TLS socket: cheaper than a real client, so that the server is what is measured. */
export class RawNode {
  /** For a shorter handshake next time; `undefined`: the server has given none yet. */
  session: Buffer | undefined;
  readonly #socket: TLSSocket;
  readonly #options: RawNodeOptions;
  readonly #parts: RawNodeParts;
  readonly #reader = new FrameReader();
  readonly #kubeedge: KubeEdgeVoice | undefined;
  /** What an echo is answered with. */
  readonly #echoed: Buffer;
  #timer: NodeJS.Timeout | undefined;

  constructor({ socket, rest }: Dialled, options: RawNodeOptions, parts: RawNodeParts) {
    this.#socket = socket;
    this.#options = options;
    this.#parts = parts;
    this.#kubeedge = options.mode === "kubeedge" ? new KubeEdgeVoice() : undefined;
    this.#echoed = options.mode === "echo" ? clientFrame(Buffer.alloc(options.bytes, 0x61)) : Buffer.alloc(0);
    this.session = socket.getSession();
    socket.on("session", (session: Buffer) => {
      this.session = session;
    });
    socket.on("data", (chunk: Buffer) => this.#data(chunk));
    socket.on("close", () => {
      clearInterval(this.#timer);
      parts.ended?.(this);
    });
    if (rest.length > 0) this.#data(rest);
  }

  /** The network fails it: it hears nothing more and says nothing, not even that it is gone. To be closed when it is back. */
  lose(): void {
    clearInterval(this.#timer);
    this.#socket.removeAllListeners("data").removeAllListeners("close").pause();
  }

  /** Begins: the window's messages, or the hello that grants it. */
  start(): void {
    const { mode, window } = this.#options;
    if (mode === "echo") this.#echo(window);
    else if (this.#kubeedge) this.#keepAlive(this.#kubeedge);
    else this.#greet();
  }

  close(): void {
    this.#socket.destroy();
  }

  #greet(): void {
    const codec = new NativeCodec(this.#options.node as NodeId, { maxMessageBytes: 1 << 20 });
    const hello = {
      software: "bench",
      storeId: "bench",
      windowMessages: this.#options.window,
      windowBytes: 1 << 24,
      maxMessageBytes: 1 << 24,
      wallTime: Date.now(),
    };
    for (const bytes of codec.control({ type: "hello", hello })) this.#write(clientFrame(Buffer.from(bytes)));
    if (this.#options.mode === "flood") this.#flood(codec);
  }

  #keepAlive(voice: KubeEdgeVoice): void {
    const speak = (): void => this.#write(clientFrame(voice.keepalive(), opcodes.text));
    speak();
    this.#timer = setInterval(speak, voice.keepaliveMs);
  }

  #data(chunk: Buffer): void {
    const positions: number[] = [];
    const answers: Buffer[] = [];
    let echoes = 0;
    this.#reader.push(chunk, (payload, opcode) => {
      if (opcode === opcodes.close) this.#socket.end();
      else if (this.#options.mode === "echo") echoes++;
      else if (this.#kubeedge) answers.push(...this.#kubeedge.answersTo(payload));
      else if (readPackages(payload, positions)) this.#write(pingFrame);
    });
    const count = echoes + positions.length + answers.length;
    if (count === 0) return;
    this.#parts.arrived(count);
    if (echoes > 0) this.#echo(echoes);
    else if (this.#options.mode !== "silent") this.#ack(positions, answers);
  }

  #ack(positions: number[], answers: readonly Buffer[]): void {
    const { ackDelayMs } = this.#options;
    const frame = this.#kubeedge
      ? Buffer.concat(answers.map((answer) => clientFrame(answer, opcodes.text)))
      : ackFrame(positions);
    if (ackDelayMs === 0) this.#write(frame);
    else setTimeout(() => this.#write(frame), ackDelayMs);
  }

  #echo(count: number): void {
    const one = this.#echoed;
    this.#write(count === 1 ? one : Buffer.concat(Array.from({ length: count }, () => one)));
  }

  /** Volatile messages that nobody wants, whenever the socket takes more. */
  #flood(codec: NativeCodec): void {
    const draft = {
      node: this.#options.node,
      source: "bench",
      group: "user",
      operation: "upload",
      resource: "bench/flood",
      content: { value: "x".repeat(this.#options.bytes) },
    };
    const stamp = { id: "flood", timestamp: Date.now(), delivery: () => volatile };
    const one = clientFrame(Buffer.from(codec.volatile(createMessage(draft, stamp))));
    const chunk = Buffer.concat(Array.from({ length: 64 }, () => one));
    const pour = (): void => {
      if (this.#socket.destroyed) return;
      while (this.#socket.write(chunk));
      this.#socket.once("drain", pour);
    };
    pour();
  }

  #write(bytes: Buffer): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }
}
