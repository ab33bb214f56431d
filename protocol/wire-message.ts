import { type Delivery, deliveryOf } from "./delivery.ts";
import { HubError } from "./errors.ts";
import type { Frame } from "./frame.ts";
import { type Message, type NodeId, requireMessageId, requireOperation } from "./message.ts";
import { parseResource } from "./resource.ts";
import { requireVersion } from "./version.ts";

/**
 * KubeEdge's `model.Message` exactly as it is on the wire: every field, any text in it. Codecs read and
 * write this form; the rest of the program uses {@link Message}, which has been checked.
 */
export interface WireMessage {
  readonly id: string;
  readonly parentId: string;
  readonly timestamp: number | bigint;
  readonly resourceVersion: string;
  readonly sync: boolean;
  readonly type: string;
  readonly source: string;
  readonly destination: string;
  readonly group: string;
  readonly operation: string;
  readonly resource: string;
  /** JSON text in UTF-8; empty for null. */
  readonly content: Uint8Array;
}

/** True for the message without any content that an edge sends when it stops. */
export function isEmpty(wire: WireMessage): boolean {
  return wire.id === "" && wire.operation === "" && wire.resource === "" && wire.parentId === "";
}

/** The message in wire form. `sync`, `type` and `destination` never leave a process. */
export function toWire(message: Message): WireMessage {
  return {
    id: message.id,
    parentId: message.parentId ?? "",
    timestamp: message.timestamp,
    resourceVersion: message.resourceVersion ?? "",
    sync: false,
    type: "",
    source: message.source,
    destination: "",
    group: message.group,
    operation: message.operation,
    resource: message.resource.path,
    content: message.content,
  };
}

/** The frame of a message that arrived: usable, or not and why. Throws what is no HubError. */
export function messageFrame(at: { position: number; resume: boolean }, read: () => Message): Frame {
  try {
    return { type: "message", position: at.position, resume: at.resume, message: read() };
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    return { type: "unusable", position: at.position, error };
  }
}

/**
 * Checks what a peer sent.
 *
 * @param node The node of the link; the message's own words do not say it.
 * @param delivery What the peer said of it; by default KubeEdge's rules decide.
 * Throws a HubError that names the field: `E_BAD_MESSAGE`, `E_BAD_OPERATION`, `E_BAD_RESOURCE`, `E_BAD_VERSION`.
 */
export function fromWire(
  wire: WireMessage,
  node: NodeId,
  more: { delivery?: Delivery | undefined; packed?: Uint8Array | undefined } = {},
): Message {
  if (wire.source.length > 128 || wire.group.length > 128) {
    throw new HubError("E_BAD_MESSAGE", "source and group must have at most 128 characters");
  }
  const checked = {
    id: requireMessageId(wire.id),
    parentId: wire.parentId === "" ? undefined : requireMessageId(wire.parentId),
    timestamp: wire.timestamp,
    resourceVersion: wire.resourceVersion === "" ? undefined : requireVersion(wire.resourceVersion),
    node,
    source: wire.source,
    group: wire.group,
    operation: requireOperation(wire.operation),
    resource: parseResource(wire.resource),
    content: wire.content,
  };
  return { ...checked, delivery: more.delivery ?? deliveryOf(checked), packed: more.packed };
}
