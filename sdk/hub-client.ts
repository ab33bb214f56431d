import { randomUUID } from "node:crypto";
import { type Clock, systemClock } from "../platform/clock.ts";
import { silentLogger } from "../platform/logger.ts";
import {
  adminVerbs,
  asHubError,
  Backoff,
  type CallName,
  type Calls,
  type Checkpoint,
  contentOf,
  type Filter,
  type Frame,
  type HubAdmin,
  type HubApi,
  HubError,
  type LedgerEntry,
  type LedgerQuery,
  type Message,
  messageOfDraft,
  NativeCodec,
  type NodeView,
  nativeKeepalive,
  type PublishDraft,
  type Published,
  type PublishOptions,
  type PublishOutcome,
  type ResourceQuery,
  type ResourceView,
  reconnectBackoff,
  requireNodeId,
  type Subscription,
  unpackMessage,
  writeJson,
} from "../protocol/index.ts";
import {
  type ChannelOptions,
  type CloseReason,
  type Connection,
  dialWebSocket,
  MemoryOutbox,
  MessageChannel,
  newCounters,
  QueuedSubscription,
  Redial,
  reasonError,
  type Subscriber,
} from "../transport/index.ts";
import { CallTable } from "./call-table.ts";
import type { ConnectOptions } from "./options.ts";

/** What a test may put in place of the real thing. */
export interface ClientParts {
  readonly clock?: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

/** Where controllers' WebSockets go on the hub's API port. */
const controllerPath = "/controllers/v1";
const software = "cloud-edge-hub-sdk/0.1.0";
/** These will not go away by dialling again. */
const hopeless: ReadonlySet<string> = new Set([
  "E_BAD_TOKEN",
  "E_TOKEN_EXPIRED",
  "E_REVOKED",
  "E_FORBIDDEN",
  "E_BAD_OPTION",
]);

/**
 * Connects to a hub as a controller. Resolves when connected; from then on the connection is kept, and what
 * was published and not acked goes again over the next one.
 *
 * Rejects with what the hub said (`E_BAD_TOKEN` …), or with `E_TIMEOUT` and the last failure as its cause.
 */
export async function connectHub(options: ConnectOptions, parts: ClientParts = {}): Promise<HubClient> {
  const client = new HubClient(options, parts);
  await client.connected;
  return client;
}

interface Link {
  readonly channel: MessageChannel;
  readonly calls: CallTable;
}

/** A controller's connection to its hub. Make one with {@link connectHub}. */
export class HubClient implements HubApi {
  /** Settles when the first connection is made, or given up. */
  readonly connected: Promise<void>;
  /** The operator's verbs; they need the right `admin`. */
  readonly admin: HubAdmin;
  readonly #options: ConnectOptions;
  readonly #clock: Clock;
  readonly #outbox: MemoryOutbox;
  readonly #redial: Redial<Connection>;
  readonly #subscriptions = new Map<number, { readonly filter: Filter; readonly subscriber: Subscriber }>();
  readonly #waiting = new Set<() => void>();
  #link: Link | undefined;
  #lastSubscription = 0;
  #first: { resolve(): void; reject(error: HubError): void } | undefined;
  #lastError: HubError | undefined;
  #closed = false;

  constructor(options: ConnectOptions, parts: ClientParts) {
    this.#options = options;
    this.#clock = parts.clock ?? systemClock;
    this.#outbox = new MemoryOutbox({
      maxMessages: options.maxOutboxMessages ?? 100_000,
      maxBytes: options.maxOutboxBytes ?? 256 << 20,
    });
    this.admin = adminOf((name, args) => this.call(name, args));
    this.#redial = new Redial<Connection>({
      clock: this.#clock,
      backoff: new Backoff(reconnectBackoff, parts.random ?? Math.random),
      dial: (signal) => this.#dial(signal),
      use: (connection) => this.#use(connection),
      failed: (error, delayMs) => this.#failed(error, delayMs),
    });
    this.connected = new Promise((resolve, reject) => {
      this.#first = { resolve, reject };
    });
    this.#giveUpLater(options.connectTimeoutMs ?? 10_000);
    this.#redial.start();
  }

  async publish(draft: PublishDraft, options: PublishOptions = {}): Promise<Published> {
    const message = messageOfDraft(draft, {
      id: draft.id ?? randomUUID(),
      timestamp: this.#clock.wallTime(),
    });
    const receipt = await abortable(this.#outbox.send(message), options.signal);
    const published: Published = {
      id: message.id,
      node: message.node,
      resource: message.resource.path,
      version: receipt?.version ?? message.resourceVersion,
      stale: receipt?.stale ?? false,
    };
    if (options.until === "acked" && message.delivery.kind !== "volatile")
      await this.#acked(published, options);
    return published;
  }

  async publishBatch(
    drafts: readonly PublishDraft[],
    options: PublishOptions = {},
  ): Promise<PublishOutcome[]> {
    return await Promise.all(
      drafts.map((draft) =>
        this.publish(draft, options).then(
          (published): PublishOutcome => ({ ok: true, published }),
          (error: unknown): PublishOutcome => ({ ok: false, error: asHubError(error) }),
        ),
      ),
    );
  }

  subscribe(filter: Filter, options: { signal?: AbortSignal } = {}): Subscription {
    const subscription = ++this.#lastSubscription;
    return new QueuedSubscription(
      filter,
      (subscriber) => {
        this.#subscriptions.set(subscription, { filter, subscriber });
        this.#tellLater(this.call("subscribe", [subscription, filter]));
        return () => {
          this.#subscriptions.delete(subscription);
          this.#tellLater(this.call("unsubscribe", [subscription]));
        };
      },
      options.signal,
    );
  }

  async request(draft: PublishDraft, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Message> {
    const content =
      draft.content instanceof Uint8Array ? contentOf({ content: draft.content }) : draft.content;
    const plain = { ...draft, content, id: draft.id ?? randomUUID() };
    const { node, packed } = await this.#callOnce("request", [plain, options.timeoutMs], options.signal);
    return unpackMessage(Buffer.from(packed, "base64"), requireNodeId(node));
  }

  where(query: LedgerQuery): Promise<LedgerEntry[]> {
    return this.call("where", [query]);
  }

  checkpoint(node: string, resource: string): Promise<Checkpoint | undefined> {
    return this.call("checkpoint", [node, resource]);
  }

  resources(query: ResourceQuery): Promise<ResourceView[]> {
    return this.call("resources", [query]);
  }

  nodes(): Promise<NodeView[]> {
    return this.call("nodes", []);
  }

  /** Asks the hub; asks again over the next link if this one breaks. */
  async call<Name extends CallName>(
    name: Name,
    args: Parameters<Calls[Name]>,
    signal?: AbortSignal,
  ): Promise<ReturnType<Calls[Name]>> {
    for (;;) {
      try {
        return await this.#callOnce(name, args, signal);
      } catch (error) {
        if (!(error instanceof HubError) || error.code !== "E_LINK_LOST" || this.#closed) throw error;
      }
    }
  }

  /** Ends the connection. What the hub has not acked is given up: its publishers' promises reject with `E_CLOSED`. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const error = new HubError("E_CLOSED", "this client was closed");
    this.#first?.reject(error);
    this.#first = undefined;
    for (const { subscriber } of [...this.#subscriptions.values()])
      (subscriber as QueuedSubscription).close();
    this.#link?.channel.close({ code: "E_CLOSED", text: "the controller is done" });
    this.#outbox.close(error);
    for (const wake of this.#waiting) wake();
    await this.#redial.stop();
  }

  // ── the link ───────────────────────────────────────────────────────────────────────────────────────────

  async #dial(signal: AbortSignal): Promise<Connection> {
    const { url, token, certificate, ca, maxMessageBytes } = this.#options;
    const target = new URL(controllerPath, url);
    target.protocol = "wss:";
    const dialled = await dialWebSocket(
      target.href,
      {
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        tls: { ...(ca === undefined ? {} : { ca }), ...(certificate ?? {}) },
        offerNative: true,
        handshakeTimeoutMs: 10_000,
        maxMessageBytes: maxMessageBytes ?? 16 << 20,
        probeEveryMs: 0,
      },
      signal,
    );
    if (dialled.dialect === "native") return dialled.connection;
    dialled.connection.destroy({ code: "E_UNSUPPORTED", text: "no hub of ours" });
    throw new HubError("E_UNSUPPORTED", `${url} is not the API of a cloud-edge hub`);
  }

  #use(connection: Connection): Promise<CloseReason> {
    return new Promise((resolve) => {
      const calls = new CallTable();
      const owner = {
        received: (message: Message) => this.#received(message),
        control: (frame: Extract<Frame, { type: "hello" | "call" | "reply" }>) =>
          void (frame.type === "reply" && calls.replied(frame)),
        fault: (error: HubError, what: string) => (this.#options.log ?? silentLogger).warn(what, { error }),
        closed: (reason: CloseReason) => {
          this.#link = undefined;
          calls.fail(new HubError("E_LINK_LOST", reason.text, { cause: reasonError(reason) }));
          resolve(reason);
        },
      };
      const codec = new NativeCodec(undefined, {
        maxMessageBytes: this.#options.maxMessageBytes ?? 16 << 20,
      });
      const parts = { connection, codec, owner, clock: this.#clock, counters: newCounters() };
      const channel = new MessageChannel(parts, channelOptions(this.#options));
      this.#link = { channel, calls };
      channel.start(this.#outbox);
      for (const [subscription, { filter }] of this.#subscriptions)
        this.#tellLater(this.#callOnce("subscribe", [subscription, filter]));
      this.#first?.resolve();
      this.#first = undefined;
      for (const wake of this.#waiting) wake();
    });
  }

  #failed(error: HubError | CloseReason, delayMs: number): void {
    const { code, text } = error instanceof HubError ? { code: error.code, text: error.message } : error;
    (this.#options.log ?? silentLogger).info("no connection to the hub", {
      code,
      text,
      retryInMs: Math.round(delayMs),
    });
    this.#lastError = new HubError(code, text);
    if (this.#first && hopeless.has(code)) this.#giveUp(this.#lastError);
  }

  #giveUpLater(timeoutMs: number): void {
    const cancel = this.#clock.after(timeoutMs, () => {
      const last = this.#lastError;
      const text = `no connection to ${this.#options.url} within ${timeoutMs} ms${last ? `: ${last}` : ""}`;
      this.#giveUp(new HubError("E_TIMEOUT", text, { cause: last }));
    });
    void this.connected.then(cancel, cancel);
  }

  #giveUp(error: HubError): void {
    const first = this.#first;
    if (first === undefined) return;
    this.#first = undefined;
    first.reject(error);
    void this.close();
  }

  // ── upstream ───────────────────────────────────────────────────────────────────────────────────────────

  /** Acked when every subscription that wants it has acked it. */
  async #received(message: Message): Promise<undefined> {
    const takers = [...this.#subscriptions.values()].filter(({ subscriber }) => subscriber.wants(message));
    if (takers.length === 0)
      throw new HubError("E_NO_CONSUMER", "no subscription wants it any more", { retryable: false });
    try {
      await Promise.all(takers.map(({ subscriber }) => subscriber.take(message)));
    } catch (error) {
      // Given back to the hub, which gives it back to the node: it comes again from there, in order.
      const { code, message: text } = asHubError(error);
      throw new HubError(code, text, { retryable: false });
    }
    return undefined;
  }

  // ── calls ──────────────────────────────────────────────────────────────────────────────────────────────

  async #callOnce<Name extends CallName>(
    name: Name,
    args: Parameters<Calls[Name]>,
    signal?: AbortSignal,
  ): Promise<ReturnType<Calls[Name]>> {
    const { channel, calls } = this.#link ?? (await this.#nextLink(signal));
    return await calls.call<Name>(
      (call) => channel.control({ type: "call", call, method: name, body: writeJson(args) }),
      signal,
    );
  }

  async #nextLink(signal: AbortSignal | undefined): Promise<Link> {
    while (this.#link === undefined) {
      if (this.#closed) throw new HubError("E_CLOSED", "this client was closed");
      if (signal?.aborted) throw new HubError("E_ABORTED", "gave up waiting for a connection");
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#waiting.delete(done);
          signal?.removeEventListener("abort", done);
          resolve();
        };
        this.#waiting.add(done);
        signal?.addEventListener("abort", done, { once: true });
      });
    }
    return this.#link;
  }

  async #acked(published: Published, options: PublishOptions): Promise<void> {
    const { node, id, resource, version } = published;
    await this.call("acked", [{ node, id, resource, version }, options.timeoutMs ?? null], options.signal);
  }

  /** A subscription is told again over each new link; what fails now is told then. */
  #tellLater(told: Promise<unknown>): void {
    told.catch((error: unknown) => {
      const { code, message } = asHubError(error);
      if (code !== "E_CLOSED" && code !== "E_LINK_LOST")
        (this.#options.log ?? silentLogger).error("the hub refused a subscription", { code, text: message });
    });
  }
}

function adminOf(
  call: <Name extends CallName>(
    name: Name,
    args: Parameters<Calls[Name]>,
  ) => Promise<ReturnType<Calls[Name]>>,
): HubAdmin {
  const verbs = adminVerbs.map((verb) => [
    verb,
    (...args: unknown[]) => call(`admin.${verb}`, args as never),
  ]);
  return Object.fromEntries(verbs) as HubAdmin;
}

function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void =>
      reject(new HubError("E_ABORTED", "gave up waiting for the hub; the message may still be published"));
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.finally(() => signal.removeEventListener("abort", abort)).then(resolve, reject);
  });
}

function channelOptions(options: ConnectOptions): ChannelOptions {
  return {
    queue: {
      windowMessages: 64,
      windowBytes: 1 << 20,
      ackTimeoutMs: 60_000,
      maxAckTimeoutMs: 600_000,
      nackDelayMs: 500,
      maxNackDelayMs: 30_000,
      maxRefusals: Number.POSITIVE_INFINITY,
    },
    keepalive: nativeKeepalive,
    anyTrafficCounts: true,
    hello: {
      software,
      storeId: "",
      windowMessages: options.windowMessages ?? 1_024,
      windowBytes: options.windowBytes ?? 4 << 20,
      maxMessageBytes: options.maxMessageBytes ?? 16 << 20,
    },
    maxWindowMessages: 4_096,
    maxWindowBytes: 16 << 20,
  };
}
