import { randomUUID } from "node:crypto";
import type { Clock } from "../platform/clock.ts";
import { type Logger, OncePer } from "../platform/logger.ts";
import { watchNetwork } from "../platform/network-watch.ts";
import { contentDigest, deflate } from "../platform/short-forms.ts";
import {
  Backoff,
  HubError,
  type KeepaliveOptions,
  KubeEdgeEdgeCodec,
  type Message,
  type MessageId,
  NativeCodec,
  type NodeId,
  nodeKeepalive,
  type OwnersFrame,
  type ShortForms,
} from "../protocol/index.ts";
import {
  type ChannelCounters,
  type ChannelOptions,
  type CloseReason,
  KnownPaths,
  MessageChannel,
  Redial,
  reasonError,
  type Scheme,
} from "../transport/index.ts";
import { type CloudConnection, CloudDial } from "./cloud-dial.ts";
import { type Greeting, greetingOf, rememberHub } from "./greeting.ts";
import type { Identity } from "./join.ts";
import type { EdgeOptions } from "./options.ts";
import { Resumption } from "./resume.ts";
import type { EdgeStore } from "./store/edge-store.ts";

export interface CloudLinkParts {
  readonly store: EdgeStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  readonly counters: ChannelCounters;
  /** Who this node is now; asked at each dial. */
  readonly identity: () => Identity;
  /** A message from the cloud; resolves when a module has taken it. */
  readonly received: (message: Message, origin: string) => Promise<void>;
  /** The hub has not taken a message for now. @returns True: it is of no use later. */
  readonly withdraws: (id: MessageId, error: HubError) => boolean;
  /** The hub does not accept this node's certificate any more, or (retryable) does not prove to be this node's hub. */
  readonly turnedAway: (error: HubError) => void;
  /** The link has come up or gone. */
  readonly connection: (connected: boolean) => void;
  /** Addresses this machine has; for tests. */
  readonly addresses?: () => readonly string[];
}

/** Faults are logged once in so long per code. */
const logPeriodMs = 60_000;

/** The agent's connection to the cloud, kept for ever: dial, dialect, channel, reconnect. */
export class CloudLink {
  readonly #parts: CloudLinkParts;
  readonly #options: EdgeOptions;
  readonly #redial: Redial<CloudConnection>;
  readonly #once: OncePer;
  readonly #dial: CloudDial;
  readonly #paths = new KnownPaths(1);
  /** Of the last dial. */
  #greeting: Greeting | undefined;
  #channel: MessageChannel | undefined;
  #dialect: "native" | "kubeedge" | undefined;
  #transport: Scheme | undefined;
  #stopWatching: () => void = () => {};

  constructor(parts: CloudLinkParts, options: EdgeOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#once = new OncePer(parts.clock, logPeriodMs);
    this.#dial = new CloudDial({ ...parts, notes: parts.store }, options);
    this.#redial = new Redial<CloudConnection>({
      clock: parts.clock,
      backoff: new Backoff(
        { minMs: options.hub.reconnectMinMs, maxMs: options.hub.reconnectMaxMs },
        parts.random,
      ),
      dial: (signal) => this.#dialOnce(signal),
      use: (dialled) => this.#use(dialled),
      failed: (error, delayMs) => this.#failed(error, delayMs),
    });
  }

  /** `undefined`: not connected. */
  get dialect(): "native" | "kubeedge" | undefined {
    return this.#dialect;
  }

  /** What carries the link; `undefined`: not connected. */
  get transport(): Scheme | undefined {
    return this.#transport;
  }

  start(): void {
    const { clock, addresses } = this.#parts;
    this.#redial.start();
    this.#stopWatching = watchNetwork({ clock, ...(addresses ? { addresses } : {}) }, () => {
      this.#dial.networkChanged();
      this.#paths.clear();
      if (this.#channel === undefined) this.#parts.log.info("the network is back; trying at once");
      this.#redial.hurry();
    });
  }

  /** Sends a message once, if the link is up. @returns False if it was dropped. */
  sendVolatile(message: Message): boolean {
    return this.#channel?.sendVolatile(message) ?? false;
  }

  /** Tries at once instead of waiting out the pause. */
  hurry(): void {
    this.#redial.hurry();
  }

  async stop(): Promise<void> {
    this.#stopWatching();
    this.#channel?.close({ code: "E_CLOSED", text: "the agent is stopping" });
    await this.#redial.stop();
  }

  async #dialOnce(signal: AbortSignal): Promise<CloudConnection> {
    const { store, clock } = this.#parts;
    const greeting = greetingOf(store, this.#options);
    this.#greeting = greeting;
    // A cloud of which nothing is known may be one of KubeEdge's.
    if (greeting.resumption === undefined) return await this.#dial.dial(signal, undefined);
    const hello = { ...greeting.hello, wallTime: clock.wallTime() };
    const [bytes] = this.#nativeCodec().control({ type: "hello", hello });
    return await this.#dial.dial(signal, bytes);
  }

  #use(dialled: CloudConnection): Promise<CloseReason> {
    const { connection, dialect, transport } = dialled;
    const { clock, log, counters, store } = this.#parts;
    const identity = this.#parts.identity();
    const greeting = this.#greeting;
    // A KubeEdge cloud does not name its store; its certificate authority stands for it.
    let origin = dialect === "native" ? undefined : `ca:${identity.caHash}`;
    let resumption: Resumption | undefined;
    let cameUpAt: number | undefined;
    let isOver = false;
    const isUp = (): void => {
      if (isOver) return;
      cameUpAt = clock.now();
      log.info("connected", { hub: this.#options.hub.server, dialect, transport });
      this.#dialect = dialect;
      this.#transport = transport;
      this.#parts.connection(true);
    };
    return new Promise((resolve) => {
      const owner = {
        received: async (message: Message) => {
          if (origin === undefined)
            throw new HubError("E_BAD_MESSAGE", "the hub must say hello first", { retryable: true });
          await this.#parts.received(message, origin);
          return undefined;
        },
        control: (frame: OwnersFrame) => {
          if (frame.type === "hello") {
            origin = frame.hello.storeId;
            if (frame.hello.resumes !== true) return;
            if (greeting?.resumption?.origin === origin) {
              resumption = greeting.resumption;
              return;
            }
            rememberHub(store, origin, log);
            resumption = new Resumption(store.held, origin);
            this.#channel?.control({ type: "digest", body: resumption.digest() });
          } else if (frame.type === "differs" && resumption !== undefined) {
            for (const part of resumption.answer(frame)) this.#channel?.control(part);
          }
        },
        withdraws: this.#parts.withdraws,
        fault: (error: HubError, what: string) => {
          const held = this.#once.pass(error.code);
          if (held !== undefined) log.warn(what, { error, ...(held > 0 ? { heldBack: held } : {}) });
        },
        closed: (reason: CloseReason) => {
          isOver = true;
          this.#paths.ended("hub", connection.peer.address, this.#channel?.learned, clock.now());
          this.#channel = undefined;
          this.#dialect = undefined;
          this.#transport = undefined;
          if (cameUpAt !== undefined) {
            this.#dial.ended(dialled, reason, clock.now() - cameUpAt);
            this.#parts.connection(false);
          } else this.#dial.unanswered(dialled, reason);
          resolve(reason);
        },
      };
      const codec = dialect === "native" ? this.#nativeCodec() : this.#stockCodec();
      this.#channel = new MessageChannel(
        { connection, codec, owner, clock, counters },
        this.#channelOptions(dialect === "native" ? greeting?.hello : undefined),
      );
      const firstBytes = this.#paths.firstBytes("hub", connection.peer.address, clock.now());
      this.#channel.start(store.outbox, { greeted: dialled.greeted, firstBytes });
      if (dialled.answered === undefined) isUp();
      // Who has been refused hears of it as the end of the connection.
      else dialled.answered.then(isUp, () => undefined);
    });
  }

  #nativeCodec(): NativeCodec {
    return new NativeCodec(this.#node, this.#limits, this.#forms());
  }

  #stockCodec(): KubeEdgeEdgeCodec {
    const { clock } = this.#parts;
    return new KubeEdgeEdgeCodec(
      this.#node,
      { newId: randomUUID, wallTime: () => clock.wallTime() },
      this.#limits,
    );
  }

  get #node(): NodeId {
    return this.#parts.identity().node as NodeId;
  }

  get #limits(): { maxMessageBytes: number } {
    return { maxMessageBytes: this.#options.delivery.messageBytes };
  }

  /** How messages are kept small. */
  #forms(): ShortForms {
    const { meta } = this.#parts.store;
    const stored = (resource: string, origin: string) => meta.contentOf(resource, origin);
    return { compression: deflate, deltas: { digest: contentDigest, stored } };
  }

  #failed(failure: HubError | CloseReason, delayMs: number): void {
    const error = this.#reasonOf(failure instanceof HubError ? failure : reasonError(failure));
    const { code, message: text } = error;
    const retryInMs = Math.round(delayMs);
    if (code === "E_IDENTITY" || code === "E_REVOKED") {
      this.#dial.forgetSession();
      this.#parts.turnedAway(error);
    }
    if (code === "E_REPLACED") {
      this.#parts.log.error("another agent uses this node's name and certificate; stop one of the two", {
        text,
        retryInMs,
      });
    } else if (this.#once.pass(`link ${code}`) !== undefined) {
      this.#parts.log.warn("no connection to the hub", { code, text, retryInMs });
    }
  }

  /** A hub ends the TLS handshake without a word if the certificate has ended: only this side can tell why. */
  #reasonOf(failure: HubError): HubError {
    const { notAfter } = this.#parts.identity();
    const isPossible = failure.code === "E_LINK_LOST" || failure.code === "E_IDENTITY";
    if (!isPossible || this.#parts.clock.wallTime() <= notAfter) return failure;
    const text = `this node's certificate ended on ${new Date(notAfter).toISOString()}, or this machine's clock is wrong`;
    return new HubError("E_IDENTITY", text, { cause: failure });
  }

  /** @param hello `undefined`: the cloud is one of KubeEdge's. */
  #channelOptions(hello: Greeting["hello"] | undefined): ChannelOptions {
    const { delivery } = this.#options;
    const stock: KeepaliveOptions = {
      pingEveryMs: delivery.keepaliveMs,
      pingAlways: true,
      deadAfterMs: Number.POSITIVE_INFINITY,
    };
    return {
      queue: {
        windowMessages: delivery.upstreamWindowMessages,
        windowBytes: delivery.upstreamWindowBytes,
        ackTimeoutMs: 300_000,
        maxAckTimeoutMs: 1_200_000,
        nackDelayMs: 500,
        maxNackDelayMs: 10_000,
        adaptive: hello ? { leastBytes: 8 << 10, initialBytes: 64 << 10 } : undefined,
        maxRefusals: Number.POSITIVE_INFINITY,
      },
      keepalive: hello ? nodeKeepalive : stock,
      anyTrafficCounts: true,
      hello,
      maxWindowMessages: delivery.upstreamWindowMessages,
      maxWindowBytes: delivery.upstreamWindowBytes,
    };
  }
}
