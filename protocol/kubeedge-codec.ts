import type { ControlFrame, FrameLimits, LinkCodec, Received } from "./codec.ts";
import { ackRule } from "./delivery.ts";
import { HubError } from "./errors.ts";
import type { Frame, Receipt, Refusal, StoredMessage } from "./frame.ts";
import { quoted, readText, writeText } from "./kubeedge-text.ts";
import { contentOf, type Message, type NodeId } from "./message.ts";
import { unpackMessage } from "./packed-codec.ts";
import { fromWire, isEmpty, messageFrame, toWire, type WireMessage } from "./wire-message.ts";

/** What a message needs that only the running program can say. */
export interface Stamp {
  /** A new UUID. */
  newId(): string;
  /** Wall clock, ms since 1970. */
  wallTime(): number;
}

/** Operations that the transport consumes and answers itself. */
const transportOperations: ReadonlySet<string> = new Set(["config", "ping", "pong"]);

/** Sources whose updates an edge acknowledges; it stores those of any other source and keeps silent. */
const acknowledgedSources: ReadonlySet<string> = new Set([
  "edgecontroller",
  "dynamiccontroller",
  "devicecontroller",
  "policycontroller",
]);

/**
 * Dialect `kubeedge` as the cloud speaks it to a stock `edgecore`. Source: KubeEdge CloudHub.
 *
 * - An ack is a `response` that names the message; it may come late, twice, or for a message that needs none.
 * - The edge does not expect acks of what it sends, and must not get any.
 * - An answer that nobody waits for any more gets no ack.
 * - Only the operation `keepalive` proves the edge alive.
 */
export class KubeEdgeCloudCodec implements LinkCodec {
  readonly dialect = "kubeedge";
  readonly joinable = false;
  readonly acknowledges = false;
  readonly answersAll = false;
  readonly resumes = false;
  readonly #node: NodeId;
  readonly #stamp: Stamp;
  readonly #limits: FrameLimits;
  readonly #positions = new Map<string, number>();
  readonly #ids = new Map<number, string>();

  constructor(node: NodeId, stamp: Stamp, limits: FrameLimits) {
    this.#node = node;
    this.#stamp = stamp;
    this.#limits = limits;
  }

  /** Only what MetaManager takes, or an answer somebody waits for, is acknowledged by an edge. */
  expectsAck(item: StoredMessage): boolean {
    return this.#ids.has(item.position);
  }

  message(item: StoredMessage): Uint8Array {
    const message = unpackMessage(item.packed, this.#node);
    const text = this.volatile(message);
    if (edgeAcknowledges(message)) {
      this.#positions.set(message.id, item.position);
      this.#ids.set(item.position, message.id);
    }
    return text;
  }

  volatile(message: Message): Uint8Array {
    if (message.operation === "patch" && isForMetaManager(message))
      throw new HubError(
        "E_BAD_MESSAGE",
        "an edge would send a patch back to the cloud; send the whole object",
      );
    return textOf(acknowledgeable(message));
  }

  acks(): Uint8Array[] {
    return [];
  }

  nack(): Uint8Array[] {
    return [];
  }

  control(): Uint8Array[] {
    return [];
  }

  acked({ position }: StoredMessage): void {
    this.forget(position);
  }

  refused({ position }: StoredMessage): boolean {
    this.forget(position);
    return false;
  }

  forget(position: number): void {
    const id = this.#ids.get(position);
    if (id === undefined) return;
    this.#ids.delete(position);
    if (this.#positions.get(id) === position) this.#positions.delete(id);
  }

  push(chunk: Uint8Array): Frame[] {
    const wire = readLimited(chunk, this.#limits);
    if (isEmpty(wire)) return [{ type: "ignored", why: "empty-message" }];
    if (wire.operation === "keepalive") return [{ type: "ping" }];
    if (transportOperations.has(wire.operation))
      return [{ type: "answer", bytes: transportAck(wire, this.#stamp) }];
    const position = this.#positions.get(wire.parentId);
    if (wire.operation === "response" && position !== undefined) {
      this.forget(position);
      return [{ type: "ack", positions: [position], receipts: [] }];
    }
    if (wire.operation === "error" && position !== undefined) {
      return [{ type: "nack", position, code: "E_REFUSED", text: errorText(wire), retryable: true }];
    }
    if (!isVolumeAnswer(wire)) {
      if (wire.operation === "response") return [{ type: "ignored", why: "late-ack" }];
      if (wire.operation === "error") return [{ type: "ignored", why: "stray-error" }];
    }
    return [messageFrame({ position: 0, resume: false }, () => fromWire(withOperation(wire), this.#node))];
  }
}

/**
 * Dialect `kubeedge` as the edge speaks it to a stock `cloudcore`. Source: KubeEdge EdgeHub, MetaManager.
 *
 * The cloud sends no acks: what goes up counts as delivered when it is written.
 */
export class KubeEdgeEdgeCodec implements LinkCodec {
  readonly dialect = "kubeedge";
  readonly joinable = false;
  readonly acknowledges = true;
  readonly answersAll = true;
  readonly resumes = false;
  readonly #node: NodeId;
  readonly #stamp: Stamp;
  readonly #limits: FrameLimits;
  #received = 0;

  constructor(node: NodeId, stamp: Stamp, limits: FrameLimits) {
    this.#node = node;
    this.#stamp = stamp;
    this.#limits = limits;
  }

  expectsAck(): boolean {
    return false;
  }

  message(item: StoredMessage): Uint8Array {
    return this.volatile(unpackMessage(item.packed, this.#node));
  }

  volatile(message: Message): Uint8Array {
    return textOf(message);
  }

  acks(received: readonly Received[], _receipts: readonly Receipt[]): Uint8Array[] {
    return received.flatMap(({ message }) => (edgeAnswers(message) ? [writeText(this.#ackOf(message))] : []));
  }

  nack({ message }: Received, refusal: Refusal): Uint8Array[] {
    if (!edgeAnswers(message)) return [];
    const text = new TextEncoder().encode(quoted(refusal.text));
    return [
      writeText({ ...this.#responseTo(message), source: "metamanager", operation: "error", content: text }),
    ];
  }

  control(frame: ControlFrame): Uint8Array[] {
    if (frame.type !== "ping") return [];
    const route = { source: "websocket", group: "resource", operation: "keepalive", resource: "node" };
    const content = new TextEncoder().encode('"ping"');
    return [writeText({ ...newWire(this.#stamp, ""), ...route, content })];
  }

  acked(): void {}

  refused(): boolean {
    return false;
  }

  forget(): void {}

  push(chunk: Uint8Array): Frame[] {
    const wire = readLimited(chunk, this.#limits);
    if (isEmpty(wire)) return [{ type: "ignored", why: "empty-message" }];
    if (transportOperations.has(wire.operation))
      return [{ type: "answer", bytes: transportAck(wire, this.#stamp) }];
    this.#received++;
    return [messageFrame({ position: this.#received, resume: false }, () => fromWire(wire, this.#node))];
  }

  #responseTo(message: Message): WireMessage {
    return {
      ...newWire(this.#stamp, message.id),
      source: message.source,
      group: message.group,
      operation: "response",
      resource: message.resource.path,
    };
  }

  #ackOf(message: Message): WireMessage {
    const ack = { ...this.#responseTo(message), content: okText };
    const toTwin =
      message.source === "devicecontroller" && message.operation !== "update" && !message.parentId;
    return toTwin ? { ...ack, source: "meta", group: "twin" } : ack;
  }
}

const okText = new TextEncoder().encode('"OK"');
const nothing = new Uint8Array(0);

function readLimited(chunk: Uint8Array, limits: FrameLimits): WireMessage {
  if (chunk.length > limits.maxMessageBytes) {
    throw new HubError(
      "E_TOO_LARGE",
      `a message may have at most ${limits.maxMessageBytes} bytes, this one has ${chunk.length}`,
    );
  }
  return readText(chunk);
}

function newWire(stamp: Stamp, parentId: string): WireMessage {
  return {
    id: stamp.newId(),
    parentId,
    timestamp: Math.trunc(stamp.wallTime()),
    resourceVersion: "",
    sync: false,
    type: "",
    source: "",
    destination: "",
    group: "",
    operation: "",
    resource: "",
    content: nothing,
  };
}

/** The transport's answer: an ordinary response whose content is `ack`. */
function transportAck(wire: WireMessage, stamp: Stamp): Uint8Array {
  const route = { source: wire.source, group: wire.group, operation: "response", resource: wire.resource };
  const content = new TextEncoder().encode('"ack"');
  return writeText({ ...newWire(stamp, wire.id), type: wire.type, ...route, content });
}

/** The text of a message. Throws `E_BAD_MESSAGE` for content that is no JSON: the peer would close the link. */
function textOf(message: Message): Uint8Array {
  contentOf(message);
  return writeText(toWire(message));
}

/** What an edge says of an error: a string, as a rule. */
function errorText(wire: WireMessage): string {
  const said = contentOf(wire);
  return (typeof said === "string" ? said : new TextDecoder().decode(wire.content)).slice(0, 500);
}

/** ServiceBus reports a failed call without an operation; it is an answer like any other. */
function withOperation(wire: WireMessage): WireMessage {
  const isAnswer = wire.operation === "" && wire.group === "user" && wire.parentId !== "";
  return isAnswer ? { ...wire, operation: "upload" } : wire;
}

/** Answers to CSI calls are responses and errors too, but go to whoever called. */
function isVolumeAnswer(wire: WireMessage): boolean {
  return /^\w[-\w.+]*\/volume\/\w[-\w.+]*/.test(wire.resource);
}

function isForMetaManager({ group }: Message): boolean {
  return group === "resource" || group === "func";
}

/** Does MetaManager answer this message at all, with an ack or an error? */
function edgeAnswers(message: Message): boolean {
  if (!isForMetaManager(message)) return false;
  const { operation } = message;
  if (message.parentId !== undefined) return operation === "response";
  return operation === "insert" || operation === "update" || operation === "delete";
}

/**
 * Will the edge acknowledge this? It does so for each object it stores. Of answers it stores only those that
 * somebody still waits for; KubeEdge's rule says for which of them waiting for an ack is worth while.
 */
function edgeAcknowledges(message: Message): boolean {
  return edgeAnswers(message) && (message.operation !== "response" || ackRule(message).ack);
}

/** An edge takes and acknowledges updates of sources it knows only; any other publisher's go under one of those. */
function acknowledgeable(message: Message): Message {
  const silent =
    message.operation === "update" && edgeAnswers(message) && !acknowledgedSources.has(message.source);
  return silent ? { ...message, source: "edgecontroller" } : message;
}
