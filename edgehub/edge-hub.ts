import { randomUUID } from "node:crypto";
import { join as joinPath } from "node:path";
import type { Clock } from "../platform/clock.ts";
import { claimDirectory, type DataDirectory } from "../platform/data-directory.ts";
import type { Logger } from "../platform/logger.ts";
import {
  createMessage,
  event,
  HubError,
  type Message,
  type NodeId,
  requireNodeId,
} from "../protocol/index.ts";
import { type ChannelCounters, newCounters, type Scheme } from "../transport/index.ts";
import type { Agent, UpstreamDraft } from "./agent.ts";
import { CloudLink } from "./cloud-link.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { Identity } from "./identity.ts";
import { Membership } from "./membership.ts";
import { MetaManager } from "./metamanager/meta-manager.ts";
import type { EdgeOptions } from "./options.ts";
import { type RequestLimit, Requests } from "./requests.ts";
import { EdgeStore } from "./store/edge-store.ts";
import type { OutboxCounts } from "./store/outbox.ts";
import { type ModuleFactory, Supervisor } from "./supervisor.ts";

export interface EdgeParts {
  readonly clock: Clock;
  readonly log: Logger;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Modules beside MetaManager, in the order in which they start; `startEdge` puts the configured ones first. */
  readonly modules: readonly ModuleFactory[];
  /** Addresses this machine has; default: those of its interfaces. */
  readonly addresses?: () => readonly string[];
}

/** How the agent is doing. */
export interface EdgeStatus {
  readonly node: NodeId;
  readonly joined: boolean;
  /** `undefined`: not connected. */
  readonly dialect: "native" | "kubeedge" | undefined;
  /** What carries the link; `undefined`: not connected. */
  readonly transport: Scheme | undefined;
  readonly resources: number;
  readonly outbox: Readonly<OutboxCounts>;
  /** End of the certificate's life, wall clock ms; `undefined` before joining. */
  readonly certificateEndsAt: number | undefined;
}

/** How long the modules have to come to an end. */
const stopTimeoutMs = 5_000;
const databaseFile = "edge.db";
/** They come with joining. */
const identityFiles = ["identity.pem", "ca.crt"];

/** The edge agent: store, modules and link, in the order in which they start and stop. */
export class EdgeHub implements Agent {
  readonly node: NodeId;
  readonly store: EdgeStore;
  readonly counters: ChannelCounters = newCounters();
  readonly #options: EdgeOptions;
  readonly #parts: EdgeParts;
  readonly #directory: DataDirectory;
  readonly #requests: Requests;
  readonly #dispatcher: Dispatcher;
  readonly #modules: Supervisor[];
  readonly #link: CloudLink;
  readonly #membership: Membership;
  #starting: Promise<void> | undefined;
  #closed = false;

  /** Opens the store. Throws `E_BAD_OPTION`, `E_STORE_CORRUPT`, `E_STORE_IN_USE`, `E_STORAGE`. */
  constructor(options: EdgeOptions, parts: EdgeParts) {
    this.#options = options;
    this.#parts = parts;
    this.node = requireNodeId(options.node);
    const { clock, log, random, addresses } = parts;
    this.#directory = claimDirectory(options.dataDir, [databaseFile], { madeByUse: identityFiles });
    try {
      this.#membership = new Membership(
        { node: this.node, clock, log, random, welcomedBack: () => this.#link.hurry() },
        options,
      );
      this.store = this.#openStore();
    } catch (error) {
      this.#directory.release();
      throw error;
    }
    this.#requests = new Requests(clock);
    this.#dispatcher = new Dispatcher(this.#requests);
    this.#dispatcher.add(new MetaManager(this.store, log));
    try {
      this.#modules = parts.modules.map((factory) => new Supervisor(this, factory));
    } catch (error) {
      this.store.close();
      this.#directory.release();
      throw error;
    }
    for (const module of this.#modules) this.#dispatcher.add(module);
    this.#link = new CloudLink(
      {
        store: this.store,
        clock,
        log,
        random,
        counters: this.counters,
        identity: () => this.#membership.identity as Identity,
        received: (message, origin) => this.#dispatcher.dispatch(message, origin),
        withdraws: (id, error) => this.#requests.refuse(id, error),
        turnedAway: (error) => this.#membership.turnedAway(error),
        connection: (connected) => this.#connection(connected),
        ...(addresses ? { addresses } : {}),
      },
      options,
    );
  }

  /** Starts the modules, then connects; a node that has not joined joins first, as often as it takes. */
  async start(): Promise<void> {
    for (const module of this.#modules) await module.start();
    this.#starting = this.#connect();
    // A node that has joined dials at once.
    if (this.#membership.identity) await this.#starting;
  }

  get clock(): Clock {
    return this.#parts.clock;
  }

  get log(): Logger {
    return this.#parts.log;
  }

  get random(): () => number {
    return this.#parts.random;
  }

  get connected(): boolean {
    return this.#link.dialect !== undefined;
  }

  get peerConfirmsTwins(): boolean | undefined {
    const { dialect } = this.#link;
    return dialect && dialect === "kubeedge";
  }

  draft(draft: UpstreamDraft): Message {
    const message = createMessage(
      { source: "edged", ...draft, node: this.node },
      { id: randomUUID(), timestamp: this.#parts.clock.wallTime(), delivery: () => event() },
    );
    const { messageBytes } = this.#options.delivery;
    const { length } = message.content;
    if (length > messageBytes) {
      const text = `content may have at most ${messageBytes} bytes, this one has ${length}`;
      throw new HubError("E_TOO_LARGE", text);
    }
    return message;
  }

  async publish(draft: UpstreamDraft): Promise<Message> {
    const message = this.draft(draft);
    if (message.delivery.kind !== "volatile") await this.store.outbox.put(message);
    else if (!this.#link.sendVolatile(message))
      throw new HubError("E_LINK_LOST", "not connected, and a volatile message is not kept");
    return message;
  }

  async request(draft: UpstreamDraft, limit: RequestLimit): Promise<Message> {
    if (!this.connected) throw new HubError("E_LINK_LOST", "not connected to the cloud");
    const message = this.draft({ delivery: event({ ttlMs: limit.timeoutMs }), ...draft });
    const answer = this.#requests.answerTo(message, limit);
    const [, answered] = await Promise.all([this.store.outbox.put(message), answer]);
    return answered;
  }

  answerTo(message: Message, limit: RequestLimit): Promise<Message> {
    return this.#requests.answerTo(message, limit);
  }

  status(): EdgeStatus {
    return {
      node: this.node,
      joined: this.#membership.identity !== undefined,
      dialect: this.#link.dialect,
      transport: this.#link.transport,
      resources: this.store.meta.count(),
      outbox: { ...this.store.outbox.counts },
      certificateEndsAt: this.#membership.identity?.notAfter,
    };
  }

  /** The network may be back: dial at once. */
  hurry(): void {
    this.#link.hurry();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#parts.log.info("stopping");
    await this.#membership.stop();
    await this.#starting;
    await this.#link.stop();
    const deadline = new AbortController();
    const cancel = this.#parts.clock.after(stopTimeoutMs, () => deadline.abort());
    for (const module of [...this.#modules].reverse()) await module.stop(deadline.signal);
    cancel();
    this.store.close();
    this.#directory.release();
  }

  #openStore(): EdgeStore {
    const { dataDir, store, outbox } = this.#options;
    const { clock, log } = this.#parts;
    const create = this.#directory.recorded === undefined;
    const opened = new EdgeStore(
      { file: joinPath(dataDir, databaseFile), create, ...store, outbox },
      {
        clock,
        onDrop: (count) =>
          log.warn("upstream messages dropped to make room", { count, maxMessages: outbox.maxMessages }),
      },
    );
    if (create) this.#directory.record({ storeId: opened.storeId });
    return opened;
  }

  async #connect(): Promise<void> {
    await this.#membership.join();
    if (this.#closed) return;
    this.#link.start();
    this.#membership.keepFresh();
  }

  #connection(connected: boolean): void {
    if (connected) this.#membership.accepted();
    for (const module of this.#modules) module.connection(connected);
  }
}
