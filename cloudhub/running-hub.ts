import type { ObjectsApi } from "../kubernetes/index.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import type {
  Checkpoint,
  Filter,
  HubAdmin,
  HubApi,
  HubError,
  LedgerEntry,
  LedgerQuery,
  Message,
  NodeView,
  PublishDraft,
  Published,
  PublishOptions,
  PublishOutcome,
  ResourceQuery,
  ResourceView,
  RolloutQuery,
  RolloutView,
  Subscription,
} from "../protocol/index.ts";
import type { HubObjects } from "./api/hub-objects.ts";
import type { Hub } from "./hub.ts";
import type { Authority } from "./join/authority.ts";
import type { HubMetrics } from "./metrics.ts";
import type { HubStore } from "./store/hub-store.ts";

export interface HubServerParts {
  readonly clock: Clock;
  readonly log: Logger;
  /** The hub cannot go on: its database writer has died. */
  readonly onFatal: (error: HubError) => void;
  /** Measure this process too; only one hub in a process can. */
  readonly processMetrics: boolean;
}

/** A hub with its listeners; see `startHub`. */
export class RunningHub implements HubApi {
  /** The operator's verbs. */
  readonly admin: HubAdmin;
  /** The Kubernetes objects that the hub keeps, with all rights. */
  readonly objects: ObjectsApi;
  /** The ports that are listened on, also where 0 was configured. */
  readonly ports: {
    readonly nodes: number;
    /** UDP; `undefined`: nodes cannot connect over QUIC. */
    readonly quic?: number;
    /** `undefined`: nodes cannot connect over WebTransport. */
    readonly webTransport?: number;
    readonly join: number;
    readonly api: number;
  };
  /** The hub's CA certificate, PEM; and the hash that join tokens carry. */
  readonly ca: { readonly pem: string; readonly hash: string };
  /** File with address and token of the admin; `hubctl` reads it. */
  readonly adminFile: string;
  readonly storeId: string;
  readonly #hub: Hub;
  readonly #close: () => Promise<void>;
  readonly #metrics: HubMetrics;
  #closing: Promise<void> | undefined;

  constructor(
    parts: {
      hub: Hub;
      admin: HubAdmin;
      metrics: HubMetrics;
      objects: HubObjects;
      authority: Authority;
      store: HubStore;
      close(): Promise<void>;
    },
    words: Pick<RunningHub, "ports" | "adminFile">,
  ) {
    this.admin = parts.admin;
    this.objects = parts.objects.registry;
    this.ports = words.ports;
    this.adminFile = words.adminFile;
    this.ca = { pem: parts.authority.caCertificatePem, hash: parts.authority.caHash };
    this.storeId = parts.store.storeId;
    this.#hub = parts.hub;
    this.#metrics = parts.metrics;
    this.#close = parts.close;
  }

  publish(draft: PublishDraft, options?: PublishOptions): Promise<Published> {
    return this.#hub.publish(draft, options);
  }

  publishBatch(drafts: readonly PublishDraft[], options?: PublishOptions): Promise<PublishOutcome[]> {
    return this.#hub.publishBatch(drafts, options);
  }

  acked(published: Published, options?: Pick<PublishOptions, "signal" | "timeoutMs">): Promise<void> {
    return this.#hub.acked(published, options);
  }

  subscribe(filter: Filter, options?: { signal?: AbortSignal }): Subscription {
    return this.#hub.subscribe(filter, options);
  }

  request(draft: PublishDraft, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Message> {
    return this.#hub.request(draft, options);
  }

  where(query: LedgerQuery): Promise<LedgerEntry[]> {
    return this.#hub.where(query);
  }

  checkpoint(node: string, resource: string): Promise<Checkpoint | undefined> {
    return this.#hub.checkpoint(node, resource);
  }

  resources(query: ResourceQuery): Promise<ResourceView[]> {
    return this.#hub.resources(query);
  }

  rollout(query: RolloutQuery): Promise<RolloutView> {
    return this.#hub.rollout(query);
  }

  nodes(): Promise<NodeView[]> {
    return this.#hub.nodes();
  }

  /** So many messages have come from nodes and gone to them since the start. */
  get messages(): number {
    const { sent, received } = this.#hub.counters;
    return sent + received;
  }

  /** The metrics as Prometheus reads them. */
  metrics(): Promise<string> {
    return this.#metrics.registry.metrics();
  }

  /** Stops listening, ends the links saying so, writes what is to be written. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }
}
