import { randomBytes } from "node:crypto";
import { connect, type TLSSocket } from "node:tls";
import { createMessage, NativeCodec, type NodeId, volatile } from "../../protocol/index.ts";

/**
 * A simulated node on a bare TLS socket: cheaper than a real client, so that the server is what is measured.
 * `echo`: sends messages and sends another for each that comes back. `ack`: acks what a hub sends, as our agent
 * does, once per chunk that arrives. `silent`: takes what a hub sends and acks nothing. `flood`: sends a hub messages as
 * fast as the link takes them, and acks too.
 */
export type RawNodeMode = "echo" | "ack" | "silent" | "flood";

export interface RawNodeOptions {
  readonly mode: RawNodeMode;
  readonly port: number;
  readonly node: string;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  /** Messages in flight. */
  readonly window: number;
  /** Size of an echoed message. */
  readonly bytes: number;
  /** So many messages have arrived. */
  readonly arrived: (count: number) => void;
}

const headerLength = 10;

/** Connects and upgrades. */
export function connectRawNode(options: RawNodeOptions): Promise<RawNode> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port: options.port, ...options.tls, ecdhCurve: "X25519" });
    socket.setNoDelay(true);
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      const offer = options.mode === "echo" ? "" : "Hub-Dialects: native.1\r\n";
      socket.write(
        `GET /bench/${options.node}/events HTTP/1.1\r\nHost: 127.0.0.1:${options.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          `Connectionuse: msg\r\nNode_id: ${options.node}\r\nProject_id: bench\r\n${offer}` +
          `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
      );
    });
    let head = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      socket.off("data", onData);
      if (!head.toString("latin1", 0, 12).endsWith("101")) {
        reject(new Error(head.toString("utf8")));
        return;
      }
      const node = new RawNode(socket, options);
      resolve(node);
      if (head.length > end + 4) node.data(head.subarray(end + 4));
    };
    socket.on("data", onData);
  });
}

export class RawNode {
  readonly #socket: TLSSocket;
  readonly #options: RawNodeOptions;
  readonly #echoed: Buffer;
  #rest: Buffer = Buffer.alloc(0);

  constructor(socket: TLSSocket, options: RawNodeOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#echoed = frame(Buffer.alloc(options.bytes, 0x61));
    socket.on("data", (chunk: Buffer) => this.data(chunk));
    socket.on("error", () => undefined);
  }

  /** Begins: the window's messages, or the hello that grants it. */
  start(): void {
    if (this.#options.mode === "echo") {
      this.#socket.write(Buffer.concat(Array.from({ length: this.#options.window }, () => this.#echoed)));
      return;
    }
    const codec = new NativeCodec(this.#options.node as NodeId, { maxMessageBytes: 1 << 20 });
    const hello = {
      software: "bench",
      storeId: "bench",
      windowMessages: this.#options.window,
      windowBytes: 1 << 24,
      maxMessageBytes: 1 << 24,
      wallTime: Date.now(),
    };
    for (const bytes of codec.control({ type: "hello", hello }))
      this.#socket.write(frame(Buffer.from(bytes)));
    if (this.#options.mode === "flood") this.#flood(codec);
  }

  close(): void {
    this.#socket.destroy();
  }

  data(chunk: Buffer): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let count = 0;
    const positions: number[] = [];
    for (;;) {
      const payload = payloadOf(bytes);
      if (payload === undefined) break;
      if (this.#options.mode === "echo") count++;
      else this.#packages(bytes.subarray(payload.start, payload.end), positions);
      bytes = bytes.subarray(payload.end);
    }
    this.#rest = bytes;
    if (this.#options.mode !== "echo") count = positions.length;
    if (count === 0) return;
    this.#options.arrived(count);
    if (this.#options.mode === "ack" || this.#options.mode === "flood")
      this.#socket.write(ackFrame(positions));
    else if (this.#options.mode === "echo")
      this.#socket.write(
        count === 1 ? this.#echoed : Buffer.concat(Array.from({ length: count }, () => this.#echoed)),
      );
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
    const one = frame(Buffer.from(codec.volatile(createMessage(draft, stamp))));
    const chunk = Buffer.concat(Array.from({ length: 64 }, () => one));
    const pour = (): void => {
      if (this.#socket.destroyed) return;
      while (this.#socket.write(chunk));
      this.#socket.once("drain", pour);
    };
    pour();
  }

  #packages(payload: Buffer, positions: number[]): void {
    for (let at = 0; at + headerLength <= payload.length; ) {
      const end = at + headerLength + payload.readUInt32BE(at + 6);
      if (payload[at + 4] === 1) positions.push(positionIn(payload, end));
      else if (payload[at + headerLength] === 0x22) this.#socket.write(ping);
      at = end;
    }
  }
}

/** Where the next WebSocket frame of a server has its payload; `undefined`: not all of it is there. */
function payloadOf(bytes: Buffer): { start: number; end: number } | undefined {
  if (bytes.length < 2) return undefined;
  const short = (bytes[1] as number) & 0x7f;
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < start) return undefined;
  const length =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  return bytes.length < start + length ? undefined : { start, end: start + length };
}

/** The position stands last in a message, behind `F0 01`. */
function positionIn(payload: Buffer, end: number): number {
  let at = end - 3;
  while (payload[at] !== 0xf0 || payload[at + 1] !== 0x01) at--;
  let value = 0;
  let factor = 1;
  for (let i = at + 2; i < end; i++) {
    value += ((payload[i] as number) & 0x7f) * factor;
    factor *= 128;
  }
  return value;
}

function ackFrame(positions: number[]): Buffer {
  const runs: number[] = [];
  let end = 0;
  for (const position of positions.sort((a, b) => a - b)) {
    varint(position - end, runs);
    runs.push(1);
    end = position + 1;
  }
  const field = [0x0a, ...varint(runs.length, []), ...runs];
  const payload = [0x12, ...varint(field.length, []), ...field];
  const length = Buffer.alloc(4);
  length.writeUInt32BE(payload.length);
  return frame(Buffer.from([1, 1, 1, 0, 4, 0, ...length, ...payload]));
}

function varint(value: number, into: number[]): number[] {
  let rest = value;
  while (rest >= 128) {
    into.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  into.push(rest);
  return into;
}

const ping = frame(Buffer.from([1, 1, 1, 0, 4, 0, 0, 0, 0, 2, 0x22, 0]));

/** A client's binary frame; its mask is zero, which is a mask. */
function frame(payload: Buffer): Buffer {
  const short = payload.length < 126;
  const head = Buffer.alloc(short ? 6 : 8);
  head[0] = 0x82;
  head[1] = 0x80 | (short ? payload.length : 126);
  if (!short) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}
