import type { LinkCodec } from "../../protocol/codec.ts";
import { type Delivery, deliveryOf } from "../../protocol/delivery.ts";
import type { Frame, StoredMessage } from "../../protocol/frame.ts";
import { readText } from "../../protocol/kubeedge-text.ts";
import { createMessage, type Message, type NodeId } from "../../protocol/message.ts";
import { packMessage } from "../../protocol/packed-codec.ts";
import { fromWire } from "../../protocol/wire-message.ts";

export const edge1 = "edge-1" as NodeId;

/** A message of which a test says only what matters to it: by default a pod's update from the cloud. */
export function aMessage(draft: Partial<Parameters<typeof createMessage>[0]> = {}): Message {
  const place = { node: edge1, resource: "default/pod/nginx", operation: "update" };
  return createMessage(
    { ...place, ...draft },
    { id: "message-1", timestamp: 1_700_000_000_123, delivery: deliveryOf },
  );
}

/** The message of a KubeEdge text. */
export function messageOf(text: string): Message {
  return fromWire(readText(Buffer.from(text)), edge1);
}

/** A message as an outbox holds it. */
export function inOutbox(message: Message, position = 1): StoredMessage {
  const packed = packMessage(message);
  const { delivery } = message;
  return {
    position,
    size: packed.length,
    kind: delivery.kind === "event" ? "event" : "state",
    key: message.resource.path,
    deleted: message.operation === "delete",
    priority: priorityOf(delivery),
    expiresAt: Number.POSITIVE_INFINITY,
    id: message.id,
    version: message.resourceVersion,
    acceptedAt: 0,
    packed,
  };
}

function priorityOf(delivery: Delivery): number {
  return delivery.kind === "event" ? delivery.priority : 0;
}

/** The only frame in a transport message. */
export function oneFrame(codec: LinkCodec, chunk: Uint8Array | string): Frame {
  const frames = codec.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  if (frames.length !== 1) throw new Error(`expected one frame, got ${frames.length}`);
  return frames[0] as Frame;
}

/** A message without its bytes, for comparison: content as text, and not whether it came packed. */
export function plainMessage(message: Message): object {
  return { ...message, content: Buffer.from(message.content).toString(), packed: undefined };
}
