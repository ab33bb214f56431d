import { readFileSync } from "node:fs";
import type { WireMessage } from "../../protocol/wire-message.ts";

/** One message of `viaduct-frames.json` with everything that real Go code made of it. */
export interface FrameVector {
  readonly name: string;
  readonly contentKind: "none" | "string" | "bytes" | "object";
  readonly message: LogicalMessage;
  /** How to build the content of a large one. */
  readonly contentRule?: {
    readonly type: "string" | "object";
    readonly repeat: string;
    readonly times: number;
    readonly key?: string;
  };
  readonly frameHex?: string;
  readonly frameLength: number;
  readonly frameSha256: string;
  readonly wsText?: string;
  readonly wsTextLength: number;
  readonly wsTextSha256: string;
  readonly decoded: {
    readonly header: {
      readonly msg_id: string;
      readonly parent_msg_id: string;
      readonly timestamp: string;
      readonly sync: boolean;
    };
    readonly route: {
      readonly source: string;
      readonly group: string;
      readonly operation: string;
      readonly resource: string;
    };
    readonly contentLength: number;
    readonly contentHex?: string;
    readonly contentSha256: string;
  };
}

interface LogicalMessage {
  readonly header: {
    readonly msg_id: string;
    readonly parent_msg_id?: string;
    readonly timestamp: number;
    readonly resourceversion?: string;
    readonly sync?: boolean;
    readonly type?: string;
  };
  readonly route: {
    readonly source?: string;
    readonly destination?: string;
    readonly group?: string;
    readonly operation?: string;
    readonly resource?: string;
  };
  readonly content: unknown;
}

export interface OddInput {
  readonly name: string;
  readonly frameHex: string;
  readonly result: {
    readonly outcome: "ok" | "error" | "panic";
    readonly detail?: string;
    readonly msg_id?: string;
    readonly operation?: string;
    readonly contentHex?: string;
  };
}

export interface Capture {
  readonly name: string;
  readonly description: string;
  readonly direction: "edge->cloud" | "cloud->edge";
  readonly text: string;
}

interface VectorFile {
  readonly frames: readonly FrameVector[];
  readonly decoderOnOddInput: readonly OddInput[];
  readonly quicStreamExample: { readonly hex: string; readonly frames: readonly string[] };
  readonly websocket: { readonly captures: readonly Capture[] };
}

/** Recordings of real KubeEdge programs; see test/fixtures/vectors/README.md. */
export const vectors: VectorFile = JSON.parse(
  readFileSync(new URL("../fixtures/vectors/viaduct-frames.json", import.meta.url), "utf8"),
);

/** The frame of that name. */
export function vectorNamed(name: string): FrameVector {
  const found = vectors.frames.find((frame) => frame.name === name);
  if (found === undefined) throw new Error(`no vector is called ${name}`);
  return found;
}

export function captureNamed(name: string): Capture {
  const found = vectors.websocket.captures.find((capture) => capture.name === name);
  if (found === undefined) throw new Error(`no capture is called ${name}`);
  return found;
}

/** What Go holds as the content of a vector: a JSON value, or bytes. */
function contentValue(vector: FrameVector): unknown {
  const rule = vector.contentRule;
  if (rule === undefined) return vector.message.content;
  const text = rule.repeat.repeat(rule.times);
  return rule.type === "string" ? text : { [rule.key as string]: text };
}

/** The content as it is on the WebSocket: JSON text, a byte slice as a base64 string. */
export function contentText(vector: FrameVector): Uint8Array {
  if (vector.contentKind === "none") return new Uint8Array(0);
  return Buffer.from(goJson(contentValue(vector)));
}

/** The content as viaduct packs it. */
export function contentBytes(vector: FrameVector): Uint8Array {
  const value = contentValue(vector);
  switch (vector.contentKind) {
    case "none":
      return new Uint8Array(0);
    case "bytes":
      return Buffer.from(value as string, "base64");
    case "string":
      return Buffer.from(value as string);
    case "object":
      return Buffer.from(goJson(value));
  }
}

/** The logical message of a vector in wire form. Its timestamp comes from Go's text: it may be beyond 2^53. */
export function wireOf(vector: FrameVector): WireMessage {
  const { header, route } = vector.message;
  const exact = BigInt(vector.decoded.header.timestamp);
  return {
    id: header.msg_id,
    parentId: header.parent_msg_id ?? "",
    timestamp: Number.isSafeInteger(Number(exact)) ? Number(exact) : exact,
    resourceVersion: header.resourceversion ?? "",
    sync: header.sync ?? false,
    type: header.type ?? "",
    source: route.source ?? "",
    destination: route.destination ?? "",
    group: route.group ?? "",
    operation: route.operation ?? "",
    resource: route.resource ?? "",
    content: contentText(vector),
  };
}

/** A value as Go's `json.Marshal` writes it: keys sorted by their bytes, `<`, `>`, `&`, U+2028, U+2029 escaped. */
export function goJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    return `{${members.map(([key, member]) => `${goJson(key)}:${goJson(member)}`).join(",")}}`;
  }
  return JSON.stringify(value)
    .replaceAll("<", "\\u003c")
    .replaceAll(">", "\\u003e")
    .replaceAll("&", "\\u0026")
    .replaceAll("\u2028", "\\u2028")
    .replaceAll("\u2029", "\\u2029");
}
