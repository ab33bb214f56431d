import { createConnection } from "node:net";
import { onTestFinished } from "vitest";

/** A client that says any bytes. */
export interface RawClient {
  write(bytes: Uint8Array): void;
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

/** CONNECT of MQTT 3.1.1 with a clean session. */
export function connectPacket(clientId: string): Buffer {
  return packet(0x10, Buffer.concat([text("MQTT"), Buffer.from([4, 2, 0, 60]), text(clientId)]));
}

/** PUBLISH with quality of service 1 and packet id 1. */
export function publishPacket(topic: string | Uint8Array, payload: string): Buffer {
  return packet(0x32, Buffer.concat([text(topic), Buffer.from([0, 1]), Buffer.from(payload)]));
}

export const connack = Buffer.from([0x20, 2, 0, 0]);
