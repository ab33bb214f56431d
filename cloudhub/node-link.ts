import { hostname } from "node:os";
import type { Clock } from "../platform/clock.ts";
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
  type Learned,
  type LinkCodec,
  type LinkTransport,
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
  type ChannelOwner,
  type CloseReason,
  type Connection,
  MessageChannel,
  type PacedWork,
  type Scheme,
  type WakeUps,
} from "../transport/index.ts";
import type { Link } from "./link-table.ts";
import type { HubOptions } from "./options.ts";
import { nobodyAsked, Resume, type ResumeParts } from "./resume.ts";

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
  readonly transport: Scheme;
  readonly connection: Connection;
  readonly hub: NodeLinkHub;
  readonly clock: Clock;
  readonly counters: ChannelCounters;
  readonly newId: () => string;
  /** See `ChannelParts`; the same for all nodes. */
  readonly endings: PacedWork;
  readonly wakeUps: WakeUps;
  /** See {@link nodeChannels}. */
  readonly channels: Readonly<Record<Dialect, ChannelOptions>>;
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

/** One connected node: its channel, fed from its outbox. There are many, and most are idle: it holds little. */
export class NodeLink implements Link, ChannelOwner {
  readonly node: NodeId;
  readonly dialect: Dialect;
  readonly transport: LinkTransport;
  readonly address: string;
  readonly serial: string;
  /** Wall clock, ms since 1970. */
  readonly connectedAt: number;
  readonly #hub: NodeLinkHub;
  readonly #channel: MessageChannel;
  #software: string | undefined;
  /** `undefined`: nodes of this dialect do not say what they have, or it has been said. */
  #resume: Resume | undefined;
  /** `undefined`: it has been called. */
  #leave: (() => void) | undefined;

  constructor(parts: NodeLinkParts, options: HubOptions) {
    const { node, dialect, connection, hub, clock, counters } = parts;
    this.node = node;
    this.dialect = dialect;
    this.transport = parts.transport === "wt" ? "webtransport" : parts.transport;
    this.serial = parts.serial;
    this.address = connection.peer.address;
    this.connectedAt = clock.wallTime();
    this.#hub = hub;
    this.#leave = parts.caughtUp;
    const codec = codecOf(parts, options);
    const { hello } = parts.channels[dialect];
    if (hello !== undefined) this.#resume = this.#resumeOf(clock, hello.storeId);
    this.#channel = new MessageChannel(
      {
        connection,
        codec,
        owner: this,
        clock,
        counters,
        endings: parts.endings,
        wakeUps: parts.wakeUps,
      },
      withBudgets(parts.channels[dialect], hub.budgetsOf(node)),
    );
  }

  #resumeOf(clock: Clock, storeId: string): Resume {
    const resume = new Resume({
      clock,
      storeId,
      ...this.#hub.resuming(this.node),
      send: (frame) => this.#channel.control(frame),
      fault: (error) => this.#unused(error),
    });
    void resume.done.then(() => {
      this.#resume = undefined;
    });
    return resume;
  }

  /** What the agent calls itself; `undefined` for a stock edge, which does not say. */
  get software(): string | undefined {
    return this.#software;
  }

  get load(): { waiting: number; inFlight: number; inFlightBytes: number } {
    return this.#channel.load;
  }

  /** See `MessageChannel`. */
  get learned(): Learned | undefined {
    return this.#channel.learned;
  }

  /** @param firstBytes See `Beginning`. */
  start(outbox: MessageStore, firstBytes: number | undefined): void {
    this.#channel.start(outbox, { ready: this.#resume?.done, firstBytes });
  }

  sendVolatile(message: Message): boolean {
    return this.#channel.sendVolatile(message);
  }

  sendsOf(position: number): SendRecord<StoredMessage> | undefined {
    return this.#channel.sendsOf(position);
  }

  /** See `MessageChannel`. */
  endIfWaiting(): void {
    this.#channel.endIfWaiting();
  }

  close(reason: { code: ErrorCode; text: string }): void {
    this.#channel.close(reason);
  }

  // ── what the channel says ──────────────────────────────────────────────────────────────────────────────

  received(message: Message): Promise<undefined> {
    if (this.dialect === "native") return this.#hub.received(message).then(() => undefined);
    this.#hub.receivedOnce(message);
    return Promise.resolve(undefined);
  }

  control(frame: OwnersFrame): void {
    if (frame.type === "hello") {
      this.#software = frame.hello.software.slice(0, 100);
      const { resumes, held } = frame.hello;
      this.#resume?.greeted(resumes === true, held);
    } else if (frame.type === "digest" || frame.type === "held") {
      if (this.#resume !== undefined) this.#resume.take(frame);
      else this.#unused(nobodyAsked());
    } else if (frame.type === "call") {
      const error = { code: "E_FORBIDDEN" as const, text: "nodes make no calls", retryable: false };
      this.#channel.control({ type: "reply", call: frame.call, error, body: new Uint8Array(0) });
    }
  }

  fault(error: HubError, what: string): void {
    this.#hub.fault(this.node, error, what);
  }

  caughtUp(): void {
    this.#leave?.();
    this.#leave = undefined;
  }

  /** Others need not wait for its place among those who come in. */
  gone(): void {
    this.caughtUp();
  }

  closed(reason: CloseReason): void {
    this.caughtUp();
    this.#resume?.close();
    this.#hub.closed(this, reason);
  }

  #unused(error: HubError): void {
    this.fault(error, "what a node says it has is not used");
  }
}

function codecOf({ node, dialect, newId, clock, hub }: NodeLinkParts, options: HubOptions): LinkCodec {
  const limits = { maxMessageBytes: options.limits.messageBytes };
  if (dialect === "native") {
    const deltas = { digest: contentDigest, held: hub.heldBy(node) };
    return new NativeCodec(node, limits, { compression: deflate, deltas });
  }
  return new KubeEdgeCloudCodec(node, { newId, wallTime: () => clock.wallTime() }, limits);
}

function withBudgets(options: ChannelOptions, budgets: Budgets | undefined): ChannelOptions {
  return budgets === undefined ? options : { ...options, queue: { ...options.queue, budgets } };
}

/** How links of each dialect behave; the same for all nodes. */
export function nodeChannels(
  storeId: string,
  { delivery, limits }: HubOptions,
): Readonly<Record<Dialect, ChannelOptions>> {
  const queue = {
    windowMessages: delivery.windowMessages,
    windowBytes: delivery.windowBytes,
    maxAckTimeoutMs: delivery.maxAckTimeoutMs,
    nackDelayMs: 500,
    maxNackDelayMs: 30_000,
  };
  const most = { maxWindowMessages: delivery.maxWindowMessages, maxWindowBytes: delivery.maxWindowBytes };
  return {
    native: {
      ...most,
      queue: {
        ...queue,
        ackTimeoutMs: delivery.ackTimeoutMs,
        adaptive: { leastBytes: leastWindowBytes, initialBytes: initialWindowBytes },
        maxRefusals: Number.POSITIVE_INFINITY,
      },
      keepalive: hubKeepalive,
      anyTrafficCounts: true,
      hello: {
        software: `${hubSoftware} ${hostname()}`,
        storeId,
        windowMessages: 1_024,
        windowBytes: 4 << 20,
        maxMessageBytes: limits.messageBytes,
        resumes: true,
      },
    },
    kubeedge: {
      ...most,
      queue: {
        ...queue,
        ackTimeoutMs: delivery.kubeedgeAckTimeoutMs,
        // A stock edge cannot say that it will never take a message; it answers with an error each time.
        maxRefusals: 8,
      },
      keepalive: {
        pingEveryMs: Number.POSITIVE_INFINITY,
        pingAlways: false,
        deadAfterMs: delivery.kubeedgeKeepaliveMs,
      },
      anyTrafficCounts: false,
      hello: undefined,
      // An edgecore holds 100 messages that it has not looked at, and forgets the oldest of more.
      pace: { burst: 32, perSecond: 50 },
    },
  };
}
