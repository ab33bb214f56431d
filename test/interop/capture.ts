import { readFileSync } from "node:fs";
import { masked } from "./websocket-frames.ts";
import type { WireJson } from "./wire-json.ts";

export type Side = "edge" | "cloud";

interface OnConnection {
  /** Milliseconds since the recording began. */
  readonly t: number;
  readonly connection: number;
  readonly from: Side;
}

/** A whole message, put together from its fragments. */
export interface RecordedMessage extends OnConnection {
  readonly kind: "message";
  /** Its frames, bit for bit as they were on the wire, mask and all. */
  readonly bytes: Buffer;
  /** Payload length of each frame. */
  readonly fragments: readonly number[];
  readonly text: string;
  readonly message: WireJson;
}

/** Head of a WebSocket upgrade or of its answer. */
export interface RecordedHead extends OnConnection {
  readonly kind: "head";
  readonly lines: readonly string[];
}

/** A whole request or answer on the certificate port. */
export interface RecordedHttp extends OnConnection {
  readonly kind: "http";
  readonly lines: readonly string[];
  readonly body: Buffer;
}

/** What was done, or what befell the link, at a moment. */
export interface RecordedNote {
  readonly kind: "note" | "tls" | "closed" | "cut" | "freeze" | "resume";
  readonly t: number;
  readonly text: string;
}

export type Recorded = RecordedMessage | RecordedHead | RecordedHttp | RecordedNote;

interface Line {
  readonly t: number;
  readonly conn: number;
  readonly dir: string;
  readonly kind: RecordedNote["kind"] | "http-head" | "http" | "ws-frame";
  readonly text?: string;
  readonly head: readonly string[];
  readonly body: string;
  readonly fin: boolean;
  readonly masked: boolean;
  readonly frameHeader: string;
  readonly raw: string;
}

/** Reads a capture of `test/fixtures/captures`, described in the README.md there. */
export function readCapture(name: string): Recorded[] {
  const file = new URL(`../fixtures/captures/${name}.jsonl`, import.meta.url);
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  const begun = new Map<string, Line[]>();
  return lines.flatMap((text) => recordedOf(JSON.parse(text) as Line, begun) ?? []);
}

/** The messages of a capture, in their order. */
export function messagesOf(capture: readonly Recorded[], from?: Side): RecordedMessage[] {
  return capture
    .filter((one) => one.kind === "message")
    .filter((one) => from === undefined || one.from === from);
}

/** @param begun Fragments of messages that are not whole yet, by connection and direction. */
function recordedOf(line: Line, begun: Map<string, Line[]>): Recorded | undefined {
  const at = {
    t: line.t,
    connection: line.conn,
    from: line.dir.startsWith("edge") ? "edge" : "cloud",
  } as const;
  switch (line.kind) {
    case "http-head":
      return { ...at, kind: "head", lines: line.head };
    case "http":
      return { ...at, kind: "http", lines: line.head, body: Buffer.from(line.body, "hex") };
    case "ws-frame": {
      const way = `${line.conn} ${line.dir}`;
      const frames = [...(begun.get(way) ?? []), line];
      begun.set(way, line.fin ? [] : frames);
      return line.fin ? messageOf(at, frames) : undefined;
    }
    default:
      return { kind: line.kind, t: line.t, text: line.text ?? "" };
  }
}

function messageOf(at: OnConnection, frames: readonly Line[]): RecordedMessage {
  const payloads = frames.map((frame) => Buffer.from(frame.raw, "hex"));
  const text = Buffer.concat(payloads).toString();
  const bytes = frames.flatMap((frame, i) => {
    const header = Buffer.from(frame.frameHeader, "hex");
    const payload = payloads[i] as Buffer;
    return [header, frame.masked ? masked(payload, header.subarray(-4)) : payload];
  });
  const fragments = payloads.map((payload) => payload.length);
  return { ...at, kind: "message", bytes: Buffer.concat(bytes), fragments, text, message: JSON.parse(text) };
}
