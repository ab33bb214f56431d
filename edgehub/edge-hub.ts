import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join as joinPath } from "node:path";
import { type Clock, pause } from "../platform/clock.ts";
import { claimDirectory, type DataDirectory } from "../platform/data-directory.ts";
import type { Logger } from "../platform/logger.ts";
import {
  asHubError,
  Backoff,
  createMessage,
  type Delivery,
  event,
  HubError,
  type Message,
  type MessageDraft,
  type NodeId,
  requireNodeId,
} from "../protocol/index.ts";
import { type ChannelCounters, newCounters } from "../transport/index.ts";
import { CloudLink } from "./cloud-link.ts";
import { Dispatcher, type EdgeModule } from "./dispatcher.ts";
import { type Identity, join, loadIdentity, renew, renewAt } from "./join.ts";
import { MetaManager } from "./metamanager/meta-manager.ts";
import type { EdgeOptions } from "./options.ts";
import { EdgeStore } from "./store/edge-store.ts";
import type { OutboxCounts } from "./store/outbox.ts";

export interface EdgeParts {
  readonly clock: Clock;
  readonly log: Logger;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Modules beside MetaManager, with the groups they take. */
  readonly modules: readonly { readonly module: EdgeModule; readonly groups: readonly string[] }[];
  /** Addresses this machine has; default: those of its interfaces. */
  readonly addresses?: () => readonly string[];
}

/** How the agent is doing. */
export interface EdgeStatus {
  readonly node: NodeId;
  readonly joined: boolean;
  /** `undefined`: not connected. */
  readonly dialect: "native" | "kubeedge" | undefined;
  readonly resources: number;
  readonly outbox: Readonly<OutboxCounts>;
  /** End of the certificate's life, wall clock ms; `undefined` before joining. */
  readonly certificateEndsAt: number | undefined;
}

/** A message for the cloud. */
export type UpstreamDraft = Omit<MessageDraft, "node" | "delivery"> & {
  /** Default: an event without end. State needs no version here: the newest one counts. */
  readonly delivery?: Delivery;
};

/** How long the modules have to come to an end. */
const stopTimeoutMs = 5_000;
/** After a failed renewal the next try comes so much later. */
const renewRetryMs = 60_000;
/** The agent's database and the identity it joins with. */
const databaseFile = "edge.db";

/** The edge agent: store, modules and link, in the order in which they start and stop. */
export class EdgeHub {
  readonly node: NodeId;
  readonly store: EdgeStore;
  readonly counters: ChannelCounters = newCounters();
  readonly #options: EdgeOptions;
  readonly #parts: EdgeParts;
  readonly #directory: DataDirectory;
  readonly #dispatcher = new Dispatcher();
  readonly #modules: EdgeModule[];
  readonly #link: CloudLink;
  readonly #stopping = new AbortController();
  #identity: Identity | undefined;
  #joining: Promise<void> | undefined;
  #cancelRenewal: () => void = () => {};
  #rejoining = false;

  /** Opens the store. Throws `E_BAD_OPTION`, `E_STORE_CORRUPT`, `E_STORE_IN_USE`, `E_STORAGE`. */
  constructor(options: EdgeOptions, parts: EdgeParts) {
    this.#options = options;
    this.#parts = parts;
    this.node = requireNodeId(options.node);
    const { clock, log, random, addresses } = parts;
    this.#directory = claimDirectory(options.dataDir, [databaseFile]);
    try {
      this.#identity = this.#loadIdentity();
      this.store = this.#openStore();
    } catch (error) {
      this.#directory.release();
      throw error;
    }
    const meta = new MetaManager(this.store, log);
    this.#modules = [meta, ...parts.modules.map((one) => one.module)];
    for (const group of ["resource", "func"]) this.#dispatcher.route(group, meta);
    for (const { module, groups } of parts.modules)
      for (const group of groups) this.#dispatcher.route(group, module);
    this.#link = new CloudLink(
      {
        store: this.store,
        clock,
        log,
        random,
        counters: this.counters,
        identity: () => this.#identity as Identity,
        received: (message, origin) => this.#dispatcher.dispatch(message, origin),
        turnedAway: () => void this.#rejoin(),
        connection: (connected) => this.#connection(connected),
        ...(addresses ? { addresses } : {}),
      },
      options,
    );
  }

  /** Starts the modules, then connects; a node that has not joined joins first, as often as it takes. */
  async start(): Promise<void> {
    for (const module of this.#modules) await module.start();
    if (this.#identity) this.#connect();
    else this.#joining = this.#join();
  }

  /** Sends a message to the cloud. Resolves once it is on this node's disk; a volatile one, once it is sent. */
  async publish(draft: UpstreamDraft): Promise<Message> {
    const message = createMessage(
      { source: "edged", ...draft, node: this.node },
      { id: randomUUID(), timestamp: this.#parts.clock.wallTime(), delivery: () => event() },
    );
    if (message.delivery.kind !== "volatile") await this.store.outbox.put(message);
    else if (!this.#link.sendVolatile(message))
      throw new HubError("E_LINK_LOST", "not connected, and a volatile message is not kept");
    return message;
  }

  status(): EdgeStatus {
    return {
      node: this.node,
      joined: this.#identity !== undefined,
      dialect: this.#link.dialect,
      resources: this.store.meta.count(),
      outbox: { ...this.store.outbox.counts },
      certificateEndsAt: this.#identity?.notAfter,
    };
  }

  /** The network may be back: dial at once. */
  hurry(): void {
    this.#link.hurry();
  }

  async close(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#parts.log.info("stopping");
    this.#stopping.abort();
    this.#cancelRenewal();
    await this.#joining;
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

  #loadIdentity(): Identity | undefined {
    const identity = loadIdentity(this.#options.dataDir);
    const named = identity?.node;
    if (named !== undefined && named !== this.node) {
      throw new HubError(
        "E_BAD_OPTION",
        `${this.#options.dataDir} belongs to node ${named}, the configuration says ${this.node}; set node: ${named}, or use another dataDir`,
      );
    }
    if (identity === undefined && this.#options.hub.token === "" && this.#options.hub.tokenFile === "") {
      throw new HubError(
        "E_BAD_OPTION",
        "this node has not joined yet: set hub.token; the hub's operator makes one with: hubctl token create",
      );
    }
    return identity && { ...identity, node: this.node };
  }

  #connect(): void {
    this.#link.start();
    if (this.#options.renewCertificate) this.#renewLater();
  }

  #connection(connected: boolean): void {
    for (const module of this.#modules) module.connection?.(connected);
  }

  // ── certificate ────────────────────────────────────────────────────────────────────────────────────────

  async #join(): Promise<void> {
    const { hub, dataDir } = this.#options;
    const { clock, log, random } = this.#parts;
    const backoff = new Backoff({ minMs: hub.reconnectMinMs, maxMs: hub.reconnectMaxMs }, random);
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const identity = await join(
          { url: hub.join, token: tokenOf(hub), node: this.node, directory: dataDir },
          { clock, signal },
        );
        this.#identity = { ...identity, node: this.node };
        log.info("joined", { hub: hub.join, certificateEndsAt: new Date(identity.notAfter).toISOString() });
        this.#connect();
        return;
      } catch (error) {
        if (signal.aborted) return;
        const delayMs = backoff.next();
        const failure = asHubError(error);
        const say = failure.retryable ? log.warn : log.error;
        say("cannot join the hub", { error: failure, retryInMs: Math.round(delayMs) });
        await pause(clock, delayMs, signal);
      }
    }
  }

  /** With a token made for this node it gets a new certificate; without one only people can help. */
  async #rejoin(): Promise<void> {
    const { hub, dataDir } = this.#options;
    const { clock, log } = this.#parts;
    const { signal } = this.#stopping;
    if (this.#rejoining || signal.aborted) return;
    if (hub.token === "" && hub.tokenFile === "") {
      log.error(
        "the hub does not accept this node's certificate; set hub.token to one made for this node, and start again",
      );
      return;
    }
    this.#rejoining = true;
    try {
      const identity = await join(
        { url: hub.join, token: tokenOf(hub), node: this.node, directory: dataDir },
        { clock, signal },
      );
      this.#identity = { ...identity, node: this.node };
      log.info("joined again", {
        hub: hub.join,
        certificateEndsAt: new Date(identity.notAfter).toISOString(),
      });
      this.#link.hurry();
      this.#renewLater();
    } catch (error) {
      if (!signal.aborted)
        log.error("the hub does not accept this node's certificate, and it could not join again", {
          error: asHubError(error),
        });
    } finally {
      this.#rejoining = false;
    }
  }

  #renewLater(): void {
    this.#cancelRenewal();

    const identity = this.#identity;
    if (identity === undefined) return;
    const { clock } = this.#parts;
    const inMs = Math.max(renewAt(identity) - clock.wallTime(), 0);
    // A long wait is taken in steps: the wall clock may jump meanwhile.
    this.#cancelRenewal = clock.after(Math.min(inMs, 3_600_000), () => {
      if (inMs > 3_600_000) this.#renewLater();
      else void this.#renew(identity);
    });
  }

  async #renew(identity: Identity): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#stopping;
    try {
      const renewed = await renew(identity, this.#options.hub.join, {
        clock,
        signal,
        directory: this.#options.dataDir,
      });
      this.#identity = { ...renewed, node: this.node };
      log.info("certificate renewed", { certificateEndsAt: new Date(renewed.notAfter).toISOString() });
      this.#renewLater();
    } catch (error) {
      if (signal.aborted) return;
      log.error("the certificate could not be renewed", {
        error: asHubError(error),
        endsAt: new Date(identity.notAfter).toISOString(),
        retryInMs: renewRetryMs,
      });
      this.#cancelRenewal = clock.after(renewRetryMs, () => void this.#renew(identity));
    }
  }
}

function tokenOf(hub: EdgeOptions["hub"]): string {
  if (hub.token !== "") return hub.token;
  try {
    return readFileSync(hub.tokenFile, "utf8").trim();
  } catch (cause) {
    throw new HubError("E_BAD_OPTION", `cannot read hub.tokenFile ${hub.tokenFile}`, { cause });
  }
}
