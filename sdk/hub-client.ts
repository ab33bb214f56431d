import { randomUUID } from "node:crypto";
import type { ObjectsApi } from "../kubernetes/index.ts";
import { silentLogger } from "../platform/logger.ts";
import {
  adminVerbs,
  asHubError,
  type CallName,
  type Calls,
  type Checkpoint,
  contentOf,
  type Filter,
  type HubAdmin,
  type HubApi,
  HubError,
  type LedgerEntry,
  type LedgerQuery,
  type Message,
  messageOfDraft,
  type NodeView,
  type PublishDraft,
  type Published,
  type PublishOptions,
  type PublishOutcome,
  publishEach,
  type ResourceQuery,
  type ResourceView,
  type RolloutQuery,
  type RolloutView,
  requireNodeId,
  type Subscription,
  unpackMessage,
} from "../protocol/index.ts";
import { QueuedSubscription } from "../transport/index.ts";
import { HttpObjects } from "./http-objects.ts";
import { type ClientParts, type ConnectionState, HubConnection } from "./hub-connection.ts";
import type { ConnectOptions } from "./options.ts";

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

/**
 * A controller's connection to its hub. Make one with {@link connectHub}.
 *
 * When the hub turns the controller away for good (its token was revoked), everything that waits rejects with the
 * reason, subscriptions throw it, and the client is closed.
 */
export class HubClient implements HubApi {
  /** The operator's verbs; they need the right `admin`. */
  readonly admin: HubAdmin;
  /** The Kubernetes objects that the hub keeps, as far as the controller's roles allow. */
  readonly objects: ObjectsApi;
  readonly #objects: HttpObjects;
  readonly #options: ConnectOptions;
  readonly #connection: HubConnection;
  readonly #subscriptions = new Map<
    number,
    { readonly filter: Filter; readonly subscriber: QueuedSubscription }
  >();
  #lastSubscription = 0;

  constructor(options: ConnectOptions, parts: ClientParts) {
    this.#options = options;
    this.#objects = new HttpObjects(options);
    this.objects = this.#objects;
    const owner = {
      received: (message: Message) => this.#received(message),
      linked: () => {
        for (const subscription of this.#subscriptions.keys()) this.#tell(subscription);
      },
      ended: (error: HubError) => {
        this.#objects.close();
        for (const { subscriber } of [...this.#subscriptions.values()]) {
          if (error.code === "E_CLOSED") subscriber.close();
          else subscriber.fail(error);
        }
      },
    };
    this.#connection = new HubConnection(options, owner, parts);
    this.admin = adminOf((name, args) => this.#connection.call(name, args));
  }

  /** Settles when the first connection is made, or given up. */
  get connected(): Promise<void> {
    return this.#connection.connected;
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  /** Tells when the connection comes, goes, or ends for good. @returns Stops telling. */
  onState(listener: (state: ConnectionState) => void): () => void {
    return this.#connection.onState(listener);
  }

  async publish(draft: PublishDraft, options: PublishOptions = {}): Promise<Published> {
    const message = messageOfDraft(draft, { id: draft.id ?? randomUUID(), timestamp: Date.now() });
    if (options.signal?.aborted) throw new HubError("E_ABORTED", "given up before it was sent");
    const receipt = await abortable(this.#connection.outbox.send(message), options.signal);
    const published: Published = {
      id: message.id,
      node: message.node,
      resource: message.resource.path,
      kind: message.delivery.kind,
      version: receipt?.version ?? message.resourceVersion,
      stale: receipt?.stale ?? false,
    };
    if (options.until === "acked") await this.acked(published, options);
    return published;
  }

  publishBatch(drafts: readonly PublishDraft[], options: PublishOptions = {}): Promise<PublishOutcome[]> {
    return publishEach(drafts, (draft) => this.publish(draft, options));
  }

  async acked(
    published: Published,
    options: Pick<PublishOptions, "signal" | "timeoutMs"> = {},
  ): Promise<void> {
    await this.#connection.call("acked", [published, options.timeoutMs ?? null], options.signal);
  }

  subscribe(filter: Filter, options: { signal?: AbortSignal } = {}): Subscription {
    const subscription = ++this.#lastSubscription;
    const attach = (subscriber: QueuedSubscription): (() => void) => {
      this.#subscriptions.set(subscription, { filter, subscriber });
      if (this.state === "connected") this.#tell(subscription);
      return () => {
        this.#subscriptions.delete(subscription);
        if (this.state !== "connected") return;
        // A hub that cannot be told sends nothing either: the link is gone, or it will be told over the next one.
        this.#connection.callOnce("unsubscribe", [subscription]).then(undefined, () => undefined);
      };
    };
    const subscriber = new QueuedSubscription(filter, attach, options.signal);
    if (this.#connection.ended) subscriber.fail(this.#connection.ended);
    return subscriber;
  }

  async request(draft: PublishDraft, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Message> {
    const content =
      draft.content instanceof Uint8Array ? contentOf({ content: draft.content }) : draft.content;
    const plain = { ...draft, content, id: draft.id ?? randomUUID() };
    const answer = await this.#connection.callOnce("request", [plain, options.timeoutMs], options.signal);
    return unpackMessage(Buffer.from(answer.packed, "base64"), requireNodeId(answer.node));
  }

  where(query: LedgerQuery): Promise<LedgerEntry[]> {
    return this.#connection.call("where", [query]);
  }

  checkpoint(node: string, resource: string): Promise<Checkpoint | undefined> {
    return this.#connection.call("checkpoint", [node, resource]);
  }

  resources(query: ResourceQuery): Promise<ResourceView[]> {
    return this.#connection.call("resources", [query]);
  }

  rollout(query: RolloutQuery): Promise<RolloutView> {
    return this.#connection.call("rollout", [query]);
  }

  nodes(): Promise<NodeView[]> {
    return this.#connection.call("nodes", []);
  }

  /** Ends the connection. What the hub has not acked is given up: its publishers' promises reject with `E_CLOSED`. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  /** Acked when every subscription that wants it has acked it. */
  async #received(message: Message): Promise<void> {
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
  }

  /** Tells the hub of a subscription; over the next link again, if this one breaks. */
  #tell(subscription: number): void {
    const found = this.#subscriptions.get(subscription);
    if (found === undefined) return;
    this.#connection
      .callOnce("subscribe", [subscription, found.filter])
      .then(undefined, (failure: unknown) => {
        const error = asHubError(failure);
        if (error.code === "E_LINK_LOST" || error.code === "E_CLOSED") return;
        (this.#options.log ?? silentLogger).error("the hub refused a subscription", { error });
        found.subscriber.fail(error);
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
    signal.addEventListener("abort", abort, { once: true });
    promise.finally(() => signal.removeEventListener("abort", abort)).then(resolve, reject);
  });
}
