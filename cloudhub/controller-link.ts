import { hostname } from "node:os";
import type { Clock } from "../platform/clock.ts";
import {
  adminVerbs,
  asHubError,
  coversGroup,
  coversNode,
  type Filter,
  type Frame,
  HubError,
  isPresence,
  type LedgerQuery,
  type Message,
  matches,
  mayUse,
  NativeCodec,
  type PublishDraft,
  type Published,
  packMessage,
  type ResourceQuery,
  type RolloutQuery,
  readArguments,
  requireFilter,
  requireRight,
  requireRolloutQuery,
  shown,
  writeJson,
} from "../protocol/index.ts";
import {
  type ChannelOptions,
  type CloseReason,
  type Connection,
  controllerChannel,
  MemoryOutbox,
  MessageChannel,
  type ReceiptContent,
  type Subscriber,
} from "../transport/index.ts";
import type { Admin } from "./admin.ts";
import type { Identified } from "./credentials.ts";
import type { Hub } from "./hub.ts";
import { hubSoftware } from "./node-link.ts";
import type { HubOptions } from "./options.ts";
import type { HubStore } from "./store/hub-store.ts";

export interface ControllerLinkParts {
  readonly hub: Hub;
  readonly admin: Admin;
  readonly store: HubStore;
  readonly clock: Clock;
  readonly connection: Connection;
  readonly controller: Identified;
  readonly closed: (link: ControllerLink, reason: CloseReason) => void;
  readonly fault: (error: HubError, what: string) => void;
}

/** Why the hub ends a controller's link. After `E_REVOKED` it need not come back. */
export interface ControllerEnd {
  readonly code: "E_CLOSED" | "E_REVOKED" | "E_REPLACED";
  readonly text: string;
}

/** What is on its way to one controller, at most. */
const outboxLimits = { maxMessages: 65_536, maxBytes: 64 << 20 };
const maxSubscriptions = 1_000;
const maxCalls = 10_000;

/** One connected controller: what it publishes, subscribes to and asks, within its rights. */
export class ControllerLink implements Subscriber {
  readonly controller: Identified;
  readonly #parts: ControllerLinkParts;
  readonly #channel: MessageChannel;
  readonly #outbox = new MemoryOutbox(outboxLimits);
  readonly #filters = new Map<number, Filter>();
  readonly #ended = new AbortController();
  #calls = 0;
  #detach: (() => void) | undefined;

  constructor(parts: ControllerLinkParts, options: HubOptions) {
    this.controller = parts.controller;
    this.#parts = parts;
    const owner = {
      received: (message: Message) => this.#publish(message),
      control: (frame: Extract<Frame, { type: "hello" | "call" | "reply" }>) =>
        void (frame.type === "call" && this.#call(frame)),
      fault: parts.fault,
      closed: (reason: CloseReason) => this.#closed(reason),
    };
    const codec = new NativeCodec(undefined, { maxMessageBytes: options.limits.messageBytes });
    const { connection, clock, hub } = parts;
    this.#channel = new MessageChannel(
      { connection, codec, owner, clock, counters: hub.counters },
      channelOptions(parts.store.storeId, options),
    );
  }

  start(): void {
    this.#channel.start(this.#outbox);
  }

  close(reason: ControllerEnd): void {
    this.#channel.close(reason);
  }

  // ── upstream ───────────────────────────────────────────────────────────────────────────────────────────

  readonly wants = (message: Message): boolean => {
    const { rights } = this.controller;
    const node = this.#parts.store.node(message.node) ?? { node: message.node, labels: {} };
    if (!coversNode(rights, node) || !(isPresence(message) || coversGroup(rights, message.group)))
      return false;
    for (const filter of this.#filters.values()) if (matches(filter, message)) return true;
    return false;
  };

  /** What the controller gives back goes to the node as "again later": nobody else waits for it here. */
  async take(message: Message): Promise<void> {
    try {
      await this.#outbox.send(message);
    } catch (error) {
      const { code, message: text } = asHubError(error);
      throw new HubError(code, text, { cause: error, retryable: true });
    }
  }

  // ── downstream ─────────────────────────────────────────────────────────────────────────────────────────

  /** A refusal is final on this link: the publisher is told and decides. */
  async #publish(message: Message): Promise<ReceiptContent | undefined> {
    try {
      requireRight(this.controller.rights, "publish", this.#parts.hub.known(message.node), message.group);
      const { stale, version } = await this.#parts.hub.put(message);
      const news = stale || version !== message.resourceVersion;
      return news ? { stale, version } : undefined;
    } catch (error) {
      const { code, message: text } = asHubError(error);
      throw new HubError(code, text, { cause: error, retryable: false });
    }
  }

  // ── calls ──────────────────────────────────────────────────────────────────────────────────────────────

  #call(frame: Extract<Frame, { type: "call" }>): void {
    const { call, method } = frame;
    const refuse = (error: HubError): void => {
      const words = { code: error.code, text: error.message, retryable: error.retryable };
      this.#channel.control({ type: "reply", call, error: words, body: new Uint8Array(0) });
    };
    if (this.#calls >= maxCalls) {
      refuse(new HubError("E_WINDOW_EXCEEDED", `at most ${maxCalls} calls may be open`));
      return;
    }
    this.#calls++;
    Promise.resolve()
      .then(() => this.#answer(method, readArguments(frame.body)))
      .then(
        (result) => this.#channel.control({ type: "reply", call, error: undefined, body: writeJson(result) }),
        (error: unknown) => refuse(asHubError(error)),
      )
      .finally(() => this.#calls--);
  }

  async #answer(method: string, args: unknown[]): Promise<unknown> {
    switch (method) {
      case "subscribe":
        return this.#subscribe(Number(args[0]), requireFilter(args[1]));
      case "unsubscribe":
        return this.#unsubscribe(Number(args[0]));
      case "request":
        return await this.#request(args[0] as PublishDraft, Number(args[1]));
      case "acked":
        return await this.#acked(args[0] as Published, args[1] as number | null);
      case "where":
        return await this.#parts.hub.where(this.#readable(args[0] as LedgerQuery));
      case "checkpoint":
        return await this.#parts.hub.checkpoint(
          this.#readable({ node: String(args[0]) }).node,
          String(args[1]),
        );
      case "resources":
        return await this.#parts.hub.resources(this.#readable(args[0] as ResourceQuery));
      case "rollout":
        return await this.#rollout(args[0] as RolloutQuery);
      case "nodes":
        return await this.#nodes();
      default:
        return await this.#administer(method, args);
    }
  }

  #subscribe(subscription: number, filter: Filter): null {
    if (!mayUse(this.controller.rights, "subscribe"))
      throw new HubError("E_FORBIDDEN", "needs the verb subscribe");
    if (this.#filters.size >= maxSubscriptions)
      throw new HubError("E_WINDOW_EXCEEDED", `at most ${maxSubscriptions} subscriptions per controller`);
    this.#filters.set(subscription, filter);
    // Attaching anew tells the state of all nodes again; what has been told is state and does no harm.
    this.#detach?.();
    this.#detach = this.#parts.hub.attach(this);
    return null;
  }

  #unsubscribe(subscription: number): null {
    this.#filters.delete(subscription);
    if (this.#filters.size === 0) {
      this.#detach?.();
      this.#detach = undefined;
    }
    return null;
  }

  async #request(draft: PublishDraft, timeoutMs: number): Promise<{ node: string; packed: string }> {
    if (!(timeoutMs > 0 && timeoutMs <= 86_400_000))
      throw new HubError("E_BAD_MESSAGE", `timeoutMs must be 1..86400000, got ${shown(timeoutMs)}`);
    const checked = this.#parts.hub.messageOf(draft);
    requireRight(this.controller.rights, "request", this.#parts.hub.known(checked.node), checked.group);
    const answer = await this.#parts.hub.request(
      { ...draft, id: checked.id },
      { timeoutMs, signal: this.#ended.signal },
    );
    return { node: answer.node, packed: Buffer.from(packMessage(answer)).toString("base64") };
  }

  async #acked(published: Published, timeoutMs: number | null): Promise<null> {
    this.#readableOrPublishable(published.node);
    const limit = timeoutMs === null ? {} : { timeoutMs };
    await this.#parts.hub.acked(published, { ...limit, signal: this.#ended.signal });
    return null;
  }

  async #rollout(query: RolloutQuery): Promise<unknown> {
    const { rights } = this.controller;
    if (!mayUse(rights, "read")) throw new HubError("E_FORBIDDEN", "needs the verb read");
    return await this.#parts.hub.rollout(requireRolloutQuery(query), (node) => coversNode(rights, node));
  }

  async #nodes(): Promise<unknown> {
    const { rights } = this.controller;
    if (!mayUse(rights, "read")) throw new HubError("E_FORBIDDEN", "needs the verb read");
    return (await this.#parts.hub.nodes()).filter((node) => coversNode(rights, node));
  }

  async #administer(method: string, args: unknown[]): Promise<unknown> {
    const verb = adminVerbs.find((name) => method === `admin.${name}`);
    if (verb === undefined) throw new HubError("E_UNSUPPORTED", `this hub knows no call ${shown(method)}`);
    if (!mayUse(this.controller.rights, "admin")) throw new HubError("E_FORBIDDEN", "needs the verb admin");
    const run = this.#parts.admin[verb] as (...values: unknown[]) => Promise<unknown>;
    return await run.apply(
      this.#parts.admin,
      args.map((one) => one ?? undefined),
    );
  }

  #readable<T extends { readonly node: string }>(query: T): T {
    requireRight(this.controller.rights, "read", this.#parts.hub.known(query?.node));
    return query;
  }

  /** Who published may wait for the ack, whether it may read the ledger or not. */
  #readableOrPublishable(node: unknown): void {
    const { rights } = this.controller;
    const verb = mayUse(rights, "read") ? "read" : "publish";
    requireRight(rights, verb, this.#parts.hub.known(node));
  }

  #closed(reason: CloseReason): void {
    this.#detach?.();
    this.#ended.abort();
    this.#outbox.close(new HubError("E_NO_CONSUMER", "the controller has gone"));
    this.#parts.closed(this, reason);
  }
}

function channelOptions(storeId: string, { limits }: HubOptions): ChannelOptions {
  return controllerChannel({
    software: `${hubSoftware} ${hostname()}`,
    storeId,
    windowMessages: 4_096,
    windowBytes: 16 << 20,
    maxMessageBytes: limits.messageBytes,
  });
}
