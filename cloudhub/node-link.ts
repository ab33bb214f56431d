import { hostname } from "node:os";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import { contentDigest, deflate } from "../platform/short-forms.ts";
import { version } from "../platform/version.ts";
import {
  type Budgets,
  type Dialect,
  type ErrorCode,
  type HeldContents,
  type HubError,
  hubKeepalive,
  KubeEdgeCloudCodec,
  type LinkCodec,
  type Message,
  type MessageStore,
  NativeCodec,
  type NodeId,
  type OwnersFrame,
  type SendRecord,
  type StoredMessage,
} from "../protocol/index.ts";
import {
  type ChannelCounters,
  type ChannelOptions,
  type CloseReason,
  type Connection,
  MessageChannel,
} from "../transport/index.ts";
import type { Link } from "./link-table.ts";
import type { HubOptions } from "./options.ts";
import { Resume, type ResumeParts } from "./resume.ts";

/** What a node's link needs of the hub. */
export interface NodeLinkHub {
  /** A message of the node; resolves when it is done with, see `Upstream`. */
  received(message: Message): Promise<void>;
  /** A message of a node that sends only once: taken, or counted as dropped. */
  receivedOnce(message: Message): void;
  fault(node: NodeId, error: HubError, what: string): void;
  /** What may be sent to the node. */
  budgetsOf(node: NodeId): Budgets | undefined;
  /** What the node is thought to have, and what follows from its own word. */
  resuming(node: NodeId): Pick<ResumeParts, "known" | "ended">;
  /** What the node has acknowledged, over this link or an earlier one. */
  heldBy(node: NodeId): HeldContents;
  closed(link: NodeLink, reason: CloseReason): void;
}

export interface NodeLinkParts {
  readonly node: NodeId;
  readonly dialect: Dialect;
  readonly connection: Connection;
  readonly hub: NodeLinkHub;
  readonly clock: Clock;
  readonly log: Logger;
  readonly counters: ChannelCounters;
  readonly newId: () => string;
  readonly storeId: string;
  /** Serial of the certificate it came with. */
  readonly serial: string;
  /** The node has all that waited for it when it came, or its link has ended; may be called more than once. */
  readonly caughtUp: () => void;
}

/** Name and version this hub goes by. */
export const hubSoftware = `cloudhub/${version}`;

/** Bytes in flight to one of our agents: on the thinnest link, and until the link is known. */
const leastWindowBytes = 8 << 10;
const initialWindowBytes = 64 << 10;

/** One connected node: its channel, fed from its outbox. */
export class NodeLink implements Link {
  readonly node: NodeId;
  readonly dialect: Dialect;
  readonly address: string;
  readonly serial: string;
  /** Wall clock, ms since 1970. */
  readonly connectedAt: number;
  #software: string | undefined;
  readonly #channel: MessageChannel;
  /** `undefined`: nodes of this dialect do not say what they have. */
  readonly #resume: Resume | undefined;

  constructor(parts: NodeLinkParts, options: HubOptions) {
    const { node, dialect, connection, hub, clock, counters } = parts;
    this.node = node;
    this.dialect = dialect;
    this.serial = parts.serial;
    this.address = connection.peer.address;
    this.connectedAt = clock.wallTime();
    const received =
      dialect === "native"
        ? (message: Message) => hub.received(message)
        : (message: Message) => Promise.resolve(hub.receivedOnce(message));
    const owner = {
      received: (message: Message) => received(message).then(() => undefined),
      control: (frame: OwnersFrame) => this.#control(frame),
      fault: (error: HubError, what: string) => hub.fault(node, error, what),
      caughtUp: parts.caughtUp,
      closed: (reason: CloseReason) => {
        parts.caughtUp();
        this.#resume?.close();
        hub.closed(this, reason);
      },
    };
    const codec = codecOf(parts, options);
    if (dialect === "native") {
      this.#resume = new Resume({
        clock,
        ...hub.resuming(node),
        send: (frame) => this.#channel.control(frame),
        fault: (error) => hub.fault(node, error, "what a node says it has is not used"),
      });
    }
    this.#channel = new MessageChannel(
      { connection, codec, owner, clock, counters },
      channelOptions(parts, options),
    );
  }

  /** What the agent calls itself; `undefined` for a stock edge, which does not say. */
  get software(): string | undefined {
    return this.#software;
  }

  get load(): { waiting: number; inFlight: number; inFlightBytes: number } {
    return this.#channel.load;
  }

  start(outbox: MessageStore): void {
    const resume = this.#resume;
    this.#channel.start(resume === undefined ? outbox : heldBack(outbox, resume.done));
  }

  sendVolatile(message: Message): boolean {
    return this.#channel.sendVolatile(message);
  }

  sendsOf(position: number): SendRecord<StoredMessage> | undefined {
    return this.#channel.sendsOf(position);
  }

  close(reason: { code: ErrorCode; text: string }): void {
    this.#channel.close(reason);
  }

  #control(frame: OwnersFrame): void {
    if (frame.type === "hello") {
      this.#software = frame.hello.software.slice(0, 100);
      this.#resume?.greeted(frame.hello.resumes === true);
    } else if (frame.type === "digest" || frame.type === "held") this.#resume?.take(frame);
    else if (frame.type === "call") {
      const error = { code: "E_FORBIDDEN" as const, text: "nodes make no calls", retryable: false };
      this.#channel.control({ type: "reply", call: frame.call, error, body: new Uint8Array(0) });
    }
  }
}

/** The outbox, read only after what the node has is known. */
function heldBack(outbox: MessageStore, ready: Promise<void>): MessageStore {
  return {
    urgentApart: outbox.urgentApart ?? false,
    async *follow(signal, wanted, part) {
      await ready;
      yield* outbox.follow(signal, wanted, part);
    },
    settle: (batch) => outbox.settle(batch),
    refuse: (record, code, text) => outbox.refuse(record, code, text),
    expire: (item) => outbox.expire(item),
    unacked: (records) => outbox.unacked(records),
  };
}

function codecOf({ node, dialect, newId, clock, hub }: NodeLinkParts, options: HubOptions): LinkCodec {
  const limits = { maxMessageBytes: options.limits.messageBytes };
  if (dialect === "native") {
    const deltas = { digest: contentDigest, held: hub.heldBy(node) };
    return new NativeCodec(node, limits, { compression: deflate, deltas });
  }
  return new KubeEdgeCloudCodec(node, { newId, wallTime: () => clock.wallTime() }, limits);
}

function channelOptions(
  { dialect, storeId, hub, node }: NodeLinkParts,
  { delivery, limits }: HubOptions,
): ChannelOptions {
  const native = dialect === "native";
  return {
    queue: {
      windowMessages: delivery.windowMessages,
      windowBytes: delivery.windowBytes,
      ackTimeoutMs: native ? delivery.ackTimeoutMs : delivery.kubeedgeAckTimeoutMs,
      maxAckTimeoutMs: delivery.maxAckTimeoutMs,
      nackDelayMs: 500,
      maxNackDelayMs: 30_000,
      budgets: hub.budgetsOf(node),
      adaptive: native ? { leastBytes: leastWindowBytes, initialBytes: initialWindowBytes } : undefined,
      // A stock edge cannot say that it will never take a message; it answers with an error each time.
      maxRefusals: native ? Number.POSITIVE_INFINITY : 8,
    },
    keepalive: native
      ? hubKeepalive
      : {
          pingEveryMs: Number.POSITIVE_INFINITY,
          pingAlways: false,
          deadAfterMs: delivery.kubeedgeKeepaliveMs,
        },
    anyTrafficCounts: native,
    hello: native
      ? {
          software: `${hubSoftware} ${hostname()}`,
          storeId,
          windowMessages: 1_024,
          windowBytes: 4 << 20,
          maxMessageBytes: limits.messageBytes,
          resumes: true,
        }
      : undefined,
    // An edgecore holds 100 messages that it has not looked at, and forgets the oldest of more.
    pace: native ? undefined : { burst: 32, perSecond: 50 },
    maxWindowMessages: delivery.maxWindowMessages,
    maxWindowBytes: delivery.maxWindowBytes,
  };
}
