import { createConnection } from "node:net";
import { onTestFinished } from "vitest";

/** A client that says any bytes. */
export interface RawClient {
  write(bytes: Uint8Array): void;
  /** Goes without a word. */
  end(): void;
  /** Bytes that the broker has not read, beside what the system keeps for it. */
  readonly unsent: number;
  /** Stops reading. */
  pause(): void;
  /** All that the broker has said. */
  readonly answer: Buffer;
  /** Resolves when the broker has ended the connection. */
  readonly ended: Promise<void>;
}

export async function rawClient(port: number): Promise<RawClient> {
  const socket = createConnection(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.on("error", () => undefined);
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  return {
    write: (bytes) => void socket.write(bytes),
    end: () => void socket.destroy(),
    get unsent() {
      return socket.writableLength;
    },
    pause: () => void socket.pause(),
    get answer() {
      return Buffer.concat(chunks);
    },
    ended: new Promise((resolve) => socket.once("close", () => resolve())),
  };
}

const text = (value: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
};

/** A remaining length as MQTT writes it. */
export function lengthBytes(length: number): number[] {
  const low = length % 128;
  return length < 128 ? [low] : [low | 0x80, ...lengthBytes(Math.floor(length / 128))];
}

function packet(first: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([first, ...lengthBytes(body.length)]), body]);
}

/** CONNECT of MQTT 3.1.1. */
export function connectPacket(clientId: string, { clean = true, password = "" } = {}): Buffer {
  const flags = (clean ? 2 : 0) + (password === "" ? 0 : 0xc0);
  const credentials = password === "" ? [] : [text("u"), text(password)];
  const head = Buffer.from([4, flags, 0, 60]);
  return packet(0x10, Buffer.concat([text("MQTT"), head, text(clientId), ...credentials]));
}

/** CONNECT of MQTT 5, without properties. */
export function connectPacket5(clientId: string): Buffer {
  return packet(0x10, Buffer.concat([text("MQTT"), Buffer.from([5, 2, 0, 60, 0]), text(clientId)]));
}

/** SUBSCRIBE with quality of service 1 and packet id 1. */
export function subscribePacket(...filters: string[]): Buffer {
  const parts = filters.flatMap((filter) => [text(filter), Buffer.from([1])]);
  return packet(0x82, Buffer.concat([Buffer.from([0, 1]), ...parts]));
}

/** PUBLISH with quality of service 1 and packet id 1. */
export function publishPacket(topic: string | Uint8Array, payload: string): Buffer {
  return packet(0x32, Buffer.concat([text(topic), Buffer.from([0, 1]), Buffer.from(payload)]));
}

export const connack = Buffer.from([0x20, 2, 0, 0]);
