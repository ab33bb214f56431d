import { clientFrame } from "./client-frames.ts";

/**
 * What a simulated node says and understands of the native dialect, without a codec: it finds the positions of messages
 * and acks them. Source: docs/protocol.md.
 */

/** Of a package: 4 bytes of marks, type, flags, length. */
const headerLength = 10;
const messageType = 1;
/** The first byte of a control package's body that is a ping, as hubs of long ago say it; others send nothing at all. */
const pingField = 0x22;

export const pingFrame = clientFrame(Buffer.alloc(0));

/** Goes through the packages of a payload. @param positions Grows by those of its messages. @returns There was a ping. */
export function readPackages(payload: Buffer, positions: number[]): boolean {
  let pinged = payload.length === 0;
  for (let at = 0; at + headerLength <= payload.length; ) {
    const end = at + headerLength + payload.readUInt32BE(at + 6);
    if (payload[at + 4] === messageType) positions.push(positionIn(payload, end));
    else if (payload[at + headerLength] === pingField) pinged = true;
    at = end;
  }
  return pinged;
}

/** Acks for messages at these positions, as runs. */
export function ackFrame(positions: number[]): Buffer {
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
  return clientFrame(Buffer.from([1, 1, 1, 0, 4, 0, ...length, ...payload]));
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

function varint(value: number, into: number[]): number[] {
  let rest = value;
  while (rest >= 128) {
    into.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  into.push(rest);
  return into;
}
