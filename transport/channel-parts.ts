import type { Clock } from "../platform/clock.ts";
import { Deadlines } from "../platform/deadlines.ts";
import {
  type DeliveryQueueOptions,
  type Hello,
  type HubError,
  type KeepaliveOptions,
  type LinkCodec,
  type Message,
  type MessageId,
  nativeKeepalive,
  type OwnersFrame,
  type Pace,
  type Receipt,
} from "../protocol/index.ts";
import type { CloseReason, Connection } from "./connection.ts";
import type { PacedWork } from "./paced-work.ts";

/** What became of a message beyond "it is durable here"; goes back with the ack. */
export type ReceiptContent = Omit<Receipt, "position">;

/** Who is behind a channel. */
export interface ChannelOwner {
  /**
   * Takes a message. Resolves once it is durable or done: then it is acked. Rejects with a HubError: then
   * it is nacked, and comes again if the error is retryable. Messages are handed over in the order in which
   * they came, without waiting for earlier ones.
   */
  received(message: Message): Promise<ReceiptContent | undefined>;
  /** The peer's own words about itself and what it has, calls and replies. */
  control(frame: OwnersFrame): void;
  /**
   * The peer will take a message later, perhaps. @returns True: it is of no use then; it is forgotten instead of sent
   * again. Without this method nothing is.
   */
  withdraws?(id: MessageId, error: HubError): boolean;
  /** Something was refused or failed; the channel goes on. To be counted and logged. */
  fault(error: HubError, what: string): void;
  /** Once: the peer has acked all that the store held when the link began, and nothing has come meanwhile. */
  caughtUp?(): void;
  /** The connection is no more; {@link closed} follows when it is this link's turn to end. */
  gone?(): void;
  /** Once; nothing else is called afterwards. */
  closed(reason: CloseReason): void;
}

export interface ChannelOptions {
  readonly queue: DeliveryQueueOptions;
  readonly keepalive: KeepaliveOptions;
  /** True: any traffic proves the peer alive. False: only its pings do. */
  readonly anyTrafficCounts: boolean;
  /** What this side grants the peer; `undefined` for a dialect without hello. */
  readonly hello: Omit<Hello, "wallTime"> | undefined;
  /** The greatest window used, whatever the peer grants. */
  readonly maxWindowMessages: number;
  readonly maxWindowBytes: number;
  /** How fast messages go that the peer does not acknowledge, if it loses what comes faster. */
  readonly pace?: Pace | undefined;
}

/** Of a link between a controller and the hub, whichever side it is. */
export function controllerChannel(hello: Omit<Hello, "wallTime">): ChannelOptions {
  return {
    queue: {
      windowMessages: 64,
      windowBytes: 1 << 20,
      ackTimeoutMs: 300_000,
      maxAckTimeoutMs: 1_200_000,
      nackDelayMs: 500,
      maxNackDelayMs: 30_000,
      maxRefusals: Number.POSITIVE_INFINITY,
    },
    keepalive: nativeKeepalive,
    anyTrafficCounts: true,
    hello,
    maxWindowMessages: 4_096,
    maxWindowBytes: 16 << 20,
  };
}

/** Counted over all channels of a process; only ever grows. */
export interface ChannelCounters {
  sent: number;
  resent: number;
  settled: number;
  nacked: number;
  expired: number;
  received: number;
  refused: number;
  ignored: number;
  bytesSent: number;
  /** What messages would have taken more without compression and deltas. */
  bytesSaved: number;
  bytesReceived: number;
}

export function newCounters(): ChannelCounters {
  return {
    sent: 0,
    resent: 0,
    settled: 0,
    nacked: 0,
    expired: 0,
    received: 0,
    refused: 0,
    ignored: 0,
    bytesSent: 0,
    bytesSaved: 0,
    bytesReceived: 0,
  };
}

/** One for thousands of links; see {@link wakeUpsOf}. */
export type WakeUps = Deadlines<() => void>;

export function wakeUpsOf(clock: Clock): WakeUps {
  return new Deadlines(clock, (wakeUp) => wakeUp());
}

export interface ChannelParts {
  readonly connection: Connection;
  readonly codec: LinkCodec;
  readonly owner: ChannelOwner;
  readonly clock: Clock;
  readonly counters: ChannelCounters;
  /** Where a link whose peer is silent or has hung up waits for its end, as thousands may at once; default: it does not wait. */
  readonly endings?: PacedWork | undefined;
  /** When links have something to do without hearing anything; default: the channel has its own. */
  readonly wakeUps?: WakeUps | undefined;
}

/** How a channel begins. */
export interface Beginning {
  /** Before it resolves, the store is not read. */
  readonly ready?: Promise<void> | undefined;
  /** The peer has had this side's hello with the request for the connection. */
  readonly greeted?: boolean | undefined;
  /** The path was known before: bytes that may be in flight at once; see {@link KnownPaths}. */
  readonly firstBytes?: number | undefined;
}
