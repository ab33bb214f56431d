import { expect, it, test } from "vitest";
import { messagesOf, readCapture } from "./capture.ts";
import { joinLines, upgradeLines } from "./stock-edge.ts";
import { FrameReader, frameBytes, framesAsGo } from "./websocket-frames.ts";

/** The tools of this folder, against the recordings: what they send is what was on the wire. */

const captures = [
  "a-join-edged-disabled",
  "b-join-edged-enabled",
  "b-pod-lifecycle-edged",
  "b-pod-lifecycle-fragments",
  "c-crud",
  "d-ack-withheld-resend",
  "d-edgecore-restart",
  "d-offline-connection-reset",
  "d-offline-half-open",
  "e-router",
  "f-device",
  "g-metaserver",
  "h-node-delete",
];

test.each(captures)("reads every message of %s from its frames, masked ones too", (name) => {
  for (const { bytes, fragments, text, from, message } of messagesOf(readCapture(name))) {
    const frames = new FrameReader().push(bytes);
    expect(frames.map((frame) => frame.payload.length)).toEqual(fragments);
    expect(frames.every((frame) => frame.isMasked === (from === "edge"))).toBe(true);
    expect(Buffer.concat(frames.map((frame) => frame.payload)).toString()).toBe(text);
    expect(text.endsWith("}\n")).toBe(true);
    expect(JSON.parse(text)).toEqual(message);
  }
});

test.each(captures)("cuts the messages of %s as Go has cut them", (name) => {
  for (const { text, from, fragments } of messagesOf(readCapture(name))) {
    expect(framesAsGo(Buffer.from(text), from).map((frame) => frame.payload.length)).toEqual(fragments);
  }
});

it.each([
  ["edge", 4_096, [4_096]],
  ["edge", 10_192, [4_096, 4_096, 2_000]],
  ["cloud", 4_082, [4_082]],
  ["cloud", 4_083, [4_082, 1]],
  ["cloud", 8_180, [4_082, 4_082, 16]],
  ["cloud", 8_193, [8_193, 0]],
] as const)("cuts a text of the %s of %i bytes into frames of %j", (side, size, lengths) => {
  const frames = framesAsGo(Buffer.alloc(size, "x"), side);
  expect(frames.map((frame) => frame.payload.length)).toEqual(lengths);
  expect(frames.map((frame) => frame.opcode)).toEqual(lengths.map((_, i) => (i === 0 ? 1 : 0)));
  expect(frames.map((frame) => frame.fin)).toEqual(lengths.map((_, i) => i === lengths.length - 1));
});

it("reads frames byte by byte as it reads them whole", () => {
  const bytes = Buffer.concat([0, 125, 126, 1_000].map((size) => frameOf(size)));
  const reader = new FrameReader();
  const frames = [...bytes].flatMap((_, i) => reader.push(bytes.subarray(i, i + 1)));
  expect(frames).toEqual(new FrameReader().push(bytes));
});

it("opens a link with the header block of the recorded edge", () => {
  const [head] = readCapture("a-join-edged-disabled").filter((one) => one.kind === "head");
  const recorded = head?.lines ?? [];
  const key = recorded.find((line) => line.startsWith("Sec-WebSocket-Key: "))?.slice(19) ?? "";
  expect(upgradeLines("edge-a", 23000, { key })).toEqual(recorded);
});

it("joins with the header blocks of the recorded edge", () => {
  const [authority, , certificate] = readCapture("a-join-certificates").filter((one) => one.kind === "http");
  const jwt = certificate?.lines.find((line) => line.startsWith("Authorization: "))?.split(" ")[2];
  const terms = { token: `hash.${jwt}`, bytes: certificate?.body.length ?? 0 };
  expect(joinLines.authority(23002)).toEqual(authority?.lines);
  expect(joinLines.certificate(23002, "edge-a", terms)).toEqual(certificate?.lines);
});

function frameOf(size: number): Buffer {
  return frameBytes({ opcode: 1, fin: true, isMasked: size % 2 === 1, payload: Buffer.alloc(size, "y") });
}
