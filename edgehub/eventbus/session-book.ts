/** How much sessions may hold. */
export interface SessionLimits {
  /** Messages for one client that is away. */
  readonly perClient: number;
  isConnected(clientId: string): boolean;
  /** A message for this client was dropped, or all of its session. */
  dropped(clientId: string): void;
}

interface Session {
  readonly topics: Set<string>;
  /** Sizes of the messages that wait, in the order in which they came. */
  readonly sizes: number[];
  bytes: number;
  /** It sends messages of quality 2, whose ids are remembered. */
  sendsOnce: boolean;
}

/** Of one session. */
export const maxSubscriptions = 1_000;
/** Unconfirmed messages of a client that is there. */
const maxUnconfirmed = 10_000;
const maxBytesPerClient = 8 << 20;
const maxBytes = 32 << 20;
/** Sessions of clients that are away: ids that never come back must not fill the memory. */
const maxSessions = 1_000;
/** What a message needs beside its payload, roughly. */
const overheadBytes = 500;

/** What the internal broker holds for sessions that outlive their connections: it decides, and holds nothing itself. */
export class SessionBook {
  /** The one longest without a new message or subscription first. */
  readonly #sessions = new Map<string, Session>();
  readonly #limits: SessionLimits;
  #bytes = 0;

  constructor(limits: SessionLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @returns Those of the topics that the session may have. */
  subscribe(clientId: string, topics: readonly string[]): ReadonlySet<string> {
    const session = this.#touch(clientId);
    const admitted = new Set<string>();
    for (const topic of topics) {
      if (session.topics.size >= maxSubscriptions && !session.topics.has(topic)) continue;
      session.topics.add(topic);
      admitted.add(topic);
    }
    return admitted;
  }

  unsubscribe(clientId: string, topics: Iterable<string>): void {
    const session = this.#sessions.get(clientId);
    for (const topic of topics) session?.topics.delete(topic);
    this.#closeIfEmpty(clientId);
  }

  unsubscribeAll(clientId: string): void {
    this.unsubscribe(clientId, this.#sessions.get(clientId)?.topics ?? []);
  }

  /** The ids of what it sends are remembered, or not any more. */
  sendsOnce(clientId: string, yes: boolean): void {
    const session = yes ? this.#touch(clientId) : this.#sessions.get(clientId);
    if (session) session.sendsOnce = yes;
    this.#closeIfEmpty(clientId);
  }

  /** @param payloadBytes Of a message for a session. @returns False: it is dropped. */
  admit(clientId: string, payloadBytes: number): boolean {
    const { perClient, isConnected, dropped } = this.#limits;
    const held = this.#sessions.get(clientId);
    const most = isConnected(clientId) ? maxUnconfirmed : perClient;
    const size = payloadBytes + overheadBytes;
    const isFull =
      (held?.sizes.length ?? 0) >= most ||
      (held?.bytes ?? 0) + size > maxBytesPerClient ||
      this.#bytes + size > maxBytes;
    if (isFull) {
      dropped(clientId);
      return false;
    }
    const session = this.#touch(clientId);
    session.sizes.push(size);
    session.bytes += size;
    this.#bytes += size;
    return true;
  }

  /** A message was confirmed. Clients confirm in the order in which messages came. */
  confirmed(clientId: string): void {
    const session = this.#sessions.get(clientId);
    const size = session?.sizes.shift() ?? 0;
    if (session) session.bytes -= size;
    this.#bytes -= size;
    this.#closeIfEmpty(clientId);
  }

  /** Takes the session out that has waited longest, if there are too many. @returns Whose it was. */
  forgetOne(): string | undefined {
    if (this.#sessions.size <= maxSessions) return undefined;
    for (const [clientId, { bytes, topics }] of this.#sessions) {
      if (this.#limits.isConnected(clientId)) continue;
      this.#sessions.delete(clientId);
      this.#bytes -= bytes;
      if (topics.size > 0 || bytes > 0) this.#limits.dropped(clientId);
      return clientId;
    }
    return undefined;
  }

  #touch(clientId: string): Session {
    const session = this.#sessions.get(clientId) ?? {
      topics: new Set(),
      sizes: [],
      bytes: 0,
      sendsOnce: false,
    };
    this.#sessions.delete(clientId);
    this.#sessions.set(clientId, session);
    return session;
  }

  #closeIfEmpty(clientId: string): void {
    const session = this.#sessions.get(clientId);
    if (session === undefined || session.sendsOnce) return;
    if (session.topics.size === 0 && session.sizes.length === 0) this.#sessions.delete(clientId);
  }
}
