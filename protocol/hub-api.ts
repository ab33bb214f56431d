import { type DeliveryKind, deliveryOf, numberedState } from "./delivery.ts";
import { asHubError, type ErrorCode, type HubError } from "./errors.ts";
import type { Filter } from "./filter.ts";
import { createMessage, type Message, type MessageDraft, type MessageId, type NodeId } from "./message.ts";
import type { Rights } from "./rights.ts";
import type { RolloutQuery, RolloutView } from "./rollout.ts";
import type { ResourceVersion } from "./version.ts";

/**
 * What a controller can do with a hub: the same verbs in the hub's process (`startHub`) and through the
 * SDK (`connectHub`). Every verb may throw `E_FORBIDDEN` for what the caller's rights do not cover.
 */
export interface HubApi {
  /**
   * Sends a message to a node. Resolves when the hub has it, or a newer version, on its disk; with
   * `until: "acked"`, when the node has.
   *
   * Rejects with `E_UNKNOWN_NODE`, `E_BACKLOG_FULL`, `E_BAD_VERSION`, `E_TOO_LARGE` …; with
   * `until: "acked"` also with `E_REFUSED`, `E_EXPIRED`, `E_TIMEOUT`.
   */
  publish(draft: PublishDraft, options?: PublishOptions): Promise<Published>;
  /** Publishes many at once, in order. Resolves when each is decided; one that fails does not stop the others. */
  publishBatch(drafts: readonly PublishDraft[], options?: PublishOptions): Promise<PublishOutcome[]>;
  /**
   * Waits until the node has what was published, or a newer version of it; at once for a volatile message, which
   * nobody acks. Rejects as `publish` with `until: "acked"`.
   */
  acked(published: Published, options?: Pick<PublishOptions, "signal" | "timeoutMs">): Promise<void>;
  /** Messages from nodes, and their coming and going: an async iterator of what must be acked. */
  subscribe(filter: Filter, options?: { signal?: AbortSignal }): Subscription;
  /** Sends an event and waits for the message that answers it. Rejects with `E_TIMEOUT`. */
  request(draft: PublishDraft, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Message>;
  /** Where messages of a node are, newest first. */
  where(query: LedgerQuery): Promise<LedgerEntry[]>;
  /** What a node is known to have of a resource; `undefined`: nothing was acked. */
  checkpoint(node: string, resource: string): Promise<Checkpoint | undefined>;
  /** What a node has of each resource and what it will get, by resource path. */
  resources(query: ResourceQuery): Promise<ResourceView[]>;
  /** How many nodes have a version of a resource, which lack it, and why. */
  rollout(query: RolloutQuery): Promise<RolloutView>;
  nodes(): Promise<NodeView[]>;
  close(): Promise<void>;
}

export interface PublishDraft extends Omit<MessageDraft, "resourceVersion"> {
  /** Unsigned decimal; `"next"` lets the hub number it. State needs one; a delete may go without. */
  readonly resourceVersion?: string | "next";
}

/** The checked message of a draft. Throws as `createMessage`. */
export function messageOfDraft(
  draft: PublishDraft,
  stamp: { readonly id: string; readonly timestamp: number },
): Message {
  const { resourceVersion, delivery, ...rest } = draft;
  const numbered = resourceVersion === "next";
  const version = numbered || resourceVersion === undefined ? {} : { resourceVersion };
  const decided = numbered ? { delivery: numberedState } : delivery === undefined ? {} : { delivery };
  return createMessage(
    { ...rest, ...version, ...decided },
    { ...stamp, delivery: (message) => deliveryOf(message) },
  );
}

export interface PublishOptions {
  /** Default `accepted`. */
  readonly until?: "accepted" | "acked";
  /** How long to wait for `until`; default: for ever. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface Published {
  readonly id: MessageId;
  readonly node: NodeId;
  readonly resource: string;
  readonly kind: DeliveryKind;
  /** The version stored, or the newer one that made this one stale. */
  readonly version: ResourceVersion | undefined;
  /** True: the node has, or will get, this version or a newer one already; nothing was changed. */
  readonly stale: boolean;
}

export type PublishOutcome =
  | { readonly ok: true; readonly published: Published }
  | { readonly ok: false; readonly error: HubError };

/** Publishes each by itself: one that is refused does not keep the others back. */
export function publishEach(
  drafts: readonly PublishDraft[],
  publish: (draft: PublishDraft) => Promise<Published>,
): Promise<PublishOutcome[]> {
  const outcomeOf = (draft: PublishDraft): Promise<PublishOutcome> =>
    publish(draft).then(
      (published) => ({ ok: true, published }),
      (error: unknown) => ({ ok: false, error: asHubError(error) }),
    );
  return Promise.all(drafts.map(outcomeOf));
}

/** A message from a node. It comes again until it is acked. */
export interface Incoming {
  readonly message: Message;
  /** Done with it: the node forgets it. */
  ack(): void;
  /** Not taken: it comes again later. What was handed out after it stays handed out. */
  nack(text?: string): void;
}

/** Ends with `close()`, with the signal, or by leaving the loop. What is not acked then goes to others or comes again. */
export interface Subscription extends AsyncIterable<Incoming> {
  close(): void;
}

/** Where a message is. */
export type LedgerState = "accepted" | "persisted" | "superseded" | "expired" | "refused";

export const ledgerStates: readonly LedgerState[] = [
  "accepted",
  "persisted",
  "superseded",
  "expired",
  "refused",
];

/** What the hub's ledger says of a message. Times are the hub's wall clock, ms since 1970; `undefined`: it has not come to that. */
export interface LedgerEntry {
  readonly node: NodeId;
  readonly position: number;
  readonly id: MessageId;
  /** Resource path. */
  readonly resource: string;
  readonly operation: string;
  readonly kind: DeliveryKind;
  readonly version: ResourceVersion | undefined;
  readonly size: number;
  /** `accepted` also while it is being sent: see `sends`. */
  readonly state: LedgerState;
  readonly acceptedAt: number;
  readonly expiresAt: number | undefined;
  /** How often it was sent. */
  readonly sends: number;
  readonly firstSentAt: number | undefined;
  readonly lastSentAt: number | undefined;
  /** When the node's ack arrived: the node has it on its disk. */
  readonly persistedAt: number | undefined;
  /** When its end was written: the checkpoint, or what else became of it. */
  readonly endedAt: number | undefined;
  /** Why it was refused. */
  readonly code: ErrorCode | undefined;
  readonly text: string | undefined;
}

export interface LedgerQuery {
  readonly node: string;
  /** A message id. */
  readonly id?: string;
  /** A resource path. */
  readonly resource?: string;
  readonly state?: LedgerState;
  /** At most so many, 1..1000; default 100. */
  readonly limit?: number;
}

/** What a node is known to have of a resource. */
export interface Checkpoint {
  readonly version: ResourceVersion;
  /** True: the node has deleted it. Kept for a while, so that an older put that comes late brings nothing back. */
  readonly deleted: boolean;
  /** Wall clock of the checkpoint, ms since 1970. */
  readonly at: number;
}

export interface ResourceQuery {
  readonly node: string;
  /** Resource paths; `*` stands for any characters. Default: all. */
  readonly resource?: string;
  /** At most so many, 1..10,000; default 1,000. */
  readonly limit?: number;
}

/** One resource of a node: what it has, and what it will get. */
export interface ResourceView {
  /** Resource path. */
  readonly resource: string;
  /** What the node has acked last; `undefined`: nothing yet. */
  readonly checkpoint: Checkpoint | undefined;
  /** The newest version the hub has accepted. */
  readonly accepted: ResourceVersion | undefined;
  /** True: the newest version is a deletion. */
  readonly acceptedDeleted: boolean;
  /** Id of the newest message the hub has accepted: publishers recognise their own. */
  readonly acceptedId: MessageId | undefined;
  /** `current`: the node has the newest version. `refused`: it said that it can never take it. */
  readonly state: "current" | "waiting" | "refused";
}

/** What carries a node's link, in the words of the agent's `hub.transport`. */
export type LinkTransport = "wss" | "quic" | "webtransport";

/** A node as the hub sees it now. Times are wall clock, ms since 1970. */
export interface NodeView {
  readonly node: NodeId;
  readonly labels: Readonly<Record<string, string>>;
  readonly connected: boolean;
  /** It connects again and again, and the hub slows it down (`E_FLAPPING`). */
  readonly flapping: boolean;
  /** Of the link: since when, from where, in which dialect, over what. */
  readonly connectedAt: number | undefined;
  readonly address: string | undefined;
  readonly dialect: "kubeedge" | "native" | undefined;
  /** `undefined` also if the hub is of a version that does not say. */
  readonly transport?: LinkTransport | undefined;
  readonly software: string | undefined;
  readonly addedAt: number;
  readonly joinedAt: number | undefined;
  readonly lastSeenAt: number | undefined;
  /** What waits for it. */
  readonly backlogMessages: number;
  readonly backlogBytes: number;
  readonly inFlight: number;
  /** What waits, waits for the node's byte budget: so many ms more. `undefined`: it does not. */
  readonly budgetWaitMs: number | undefined;
}

/** What an operator can do with a hub; needs the verb `admin`. */
export interface HubAdmin {
  /** Makes a token with which machines join. @returns Its text: the only time it is seen. */
  createJoinToken(request: JoinTokenRequest): Promise<{ id: string; token: string; expiresAt: number }>;
  joinTokens(): Promise<JoinTokenView[]>;
  /** @returns False if there is none of that id. */
  revokeJoinToken(id: string): Promise<boolean>;
  /** Makes a node known before it joins, so that messages can wait for it; or changes its labels. */
  addNode(node: string, labels?: Readonly<Record<string, string>>): Promise<NodeView>;
  /** Revokes a node's certificates, ends its link, forgets its queue and checkpoints. @returns False if it is unknown. */
  removeNode(node: string): Promise<boolean>;
  /** Revokes a node's certificates and ends its link; its queue stays. @returns How many certificates. */
  revokeNode(node: string): Promise<number>;
  /** Gives a controller rights and a new token. @returns The token: the only time it is seen. */
  createController(name: string, rights: Rights, ttlMs?: number): Promise<string>;
  /**
   * Issues a certificate with which a controller proves who it is instead of a token; its rights are the
   * controller's.
   *
   * @param publicKey PEM, P-256. @param days Default 365.
   */
  issueControllerCertificate(name: string, publicKey: string, days?: number): Promise<ControllerCertificate>;
  controllers(): Promise<ControllerView[]>;
  /** Its tokens and certificates are good no more; its links end. @returns False if there is none of that name. */
  revokeController(name: string): Promise<boolean>;
  /** Puts refused messages back into a node's queue: one, or all. @returns How many. */
  requeue(node: string, position?: number): Promise<number>;
  /** A message that waits or was refused, with its content; `undefined` if it is done or unknown. */
  message(node: string, position: number): Promise<MessageView | undefined>;
}

export interface JoinTokenRequest {
  /** How long it is good for, ms. */
  readonly ttlMs: number;
  /** How many machines may join with it; default: any number. */
  readonly uses?: number;
  /** Only this node may join with it, again too. */
  readonly node?: string;
  /** Labels of the nodes that join with it. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** Times are wall clock, ms since 1970. */
export interface JoinTokenView {
  readonly id: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly revokedAt: number | undefined;
  /** `undefined`: any number. */
  readonly usesLeft: number | undefined;
  readonly node: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** The machines that joined with it, the latest ones. */
  readonly usedBy: readonly { readonly node: string; readonly at: number }[];
}

export interface ControllerCertificate {
  /** PEM. */
  readonly certificate: string;
  readonly serial: string;
  /** Its end, wall clock ms. */
  readonly notAfter: number;
}

export interface ControllerView {
  readonly name: string;
  readonly rights: Rights;
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
  readonly revokedAt: number | undefined;
  readonly connected: boolean;
}

/** A message as JSON. */
export interface MessageView {
  readonly id: string;
  readonly parentId: string | undefined;
  readonly timestamp: number;
  readonly resourceVersion: string | undefined;
  readonly node: string;
  readonly source: string;
  readonly group: string;
  readonly operation: string;
  readonly resource: string;
  readonly content: unknown;
}
