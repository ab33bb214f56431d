import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { createConnection } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { onTestFinished } from "vitest";
import { StreamFrameReader } from "../../transport/stream-frames.ts";

/** Capsule types of draft-ietf-webtrans-http2, as far as tests say them. */
export const capsules = { stream: 0x190b4d3b, reset: 0x190b4d39, datagram: 0x00, close: 0x2843 } as const;
/** Stream ids of a client: the first that goes both ways, and the first that goes one way. */
export const firstStream = 1;
export const firstOneWay = 3;

function varint(value: number): Buffer {
  if (value < 64) return Buffer.from([value]);
  if (value < 16_384) return Buffer.from([0x40 | (value >> 8), value & 0xff]);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(0x8000_0000 + value);
  return bytes;
}

/** A capsule. */
export function capsule(type: number, payload: Uint8Array): Buffer {
  return Buffer.concat([varint(type), varint(payload.length), payload]);
}

/** Bytes on a stream of the session. */
export function onStream(id: number, payload: Uint8Array): Buffer {
  return capsule(capsules.stream, Buffer.concat([varint(id), payload]));
}

/** A client of WebTransport over HTTP/2 that says what it is told to, byte by byte. */
export interface RawSession {
  readonly tls: TLSSocket;
  readonly http2: ClientHttp2Session;
  readonly stream: ClientHttp2Stream;
  /** Frames that came on the first stream of the session, as `kind: text`. */
  readonly said: { readonly kind: string; readonly bytes: Buffer }[];
  /** The next frame that has not been returned yet. */
  next(): Promise<{ readonly kind: string; readonly bytes: Buffer }>;
  /** Why the hub has ended the session, in its words. */
  reason: string | undefined;
  /** Resolves when the hub has ended it. */
  readonly ended: Promise<unknown>;
  write(bytes: Uint8Array): void;
}

/** TLS to a port of this machine, without any HTTP yet. */
export async function rawTls(port: number, ca: string, protocols = ["h2"]): Promise<TLSSocket> {
  const tls = connectTls({ socket: createConnection(port, "127.0.0.1"), ca, ALPNProtocols: protocols });
  tls.on("error", () => undefined);
  onTestFinished(() => void tls.destroy());
  await once(tls, "secureConnect");
  return tls;
}

export async function rawSession(port: number, ca: string, path = "/hub"): Promise<RawSession> {
  const tls = await rawTls(port, ca);
  const window = 1 << 30;
  const http2 = connect("https://127.0.0.1", {
    createConnection: () => tls,
    settings: {
      enableConnectProtocol: true,
      customSettings: { 11105: window, 11106: window, 11107: window, 11108: 1, 11109: 1 },
    },
  });
  http2.on("error", () => undefined);
  const ended = new Promise<void>((resolve) => http2.once("close", resolve));
  await once(http2, "remoteSettings");
  const stream = http2.request({
    ":method": "CONNECT",
    ":protocol": "webtransport",
    ":scheme": "https",
    ":path": path,
  });
  stream.on("error", () => undefined);
  const session: RawSession = {
    tls,
    http2,
    stream,
    said: [],
    reason: undefined,
    ended,
    async next() {
      const at = taken++;
      while (session.said.length <= at)
        await Promise.race([
          new Promise<void>((resolve) => (heard = resolve)),
          ended.then(() => Promise.reject(new Error("the hub has ended it"))),
        ]);
      return session.said[at] as RawSession["said"][number];
    },
    write: (bytes) => void stream.write(bytes),
  };
  let taken = 0;
  let heard: () => void = () => undefined;
  const frames = new StreamFrameReader();
  let rest = Buffer.alloc(0);
  stream.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const cut = cutCapsule(rest);
      if (cut === undefined) break;
      rest = rest.subarray(cut.length);
      if (cut.type === capsules.close) session.reason = cut.payload.subarray(4).toString();
      if (cut.type !== capsules.stream || cut.payload[0] !== firstStream) continue;
      for (const frame of frames.push(cut.payload.subarray(1)))
        if (frame.kind !== "credit") session.said.push({ kind: frame.kind, bytes: Buffer.from(frame.bytes) });
      heard();
    }
  });
  return session;
}

function cutCapsule(bytes: Buffer): { type: number; payload: Buffer; length: number } | undefined {
  const type = readVarint(bytes, 0);
  const size = type && readVarint(bytes, type.next);
  if (!type || !size || bytes.length < size.next + size.value) return undefined;
  const length = size.next + size.value;
  return { type: type.value, payload: bytes.subarray(size.next, length), length };
}

function readVarint(bytes: Buffer, at: number): { value: number; next: number } | undefined {
  if (at >= bytes.length) return undefined;
  const length = 1 << ((bytes[at] as number) >> 6);
  if (at + length > bytes.length) return undefined;
  let value = (bytes[at] as number) & 0x3f;
  for (let i = 1; i < length; i++) value = value * 256 + (bytes[at + i] as number);
  return { value, next: at + length };
}
