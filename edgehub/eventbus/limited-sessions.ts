/** Of the internal broker's memory, what holds the messages of sessions that outlive their connections. */
export interface SessionStore {
  outgoingEnqueueCombi(
    subscriptions: readonly { readonly clientId: string }[],
    packet: unknown,
  ): Promise<void>;
  outgoingClearMessageId(client: { readonly id: string }, packet: unknown): Promise<unknown>;
  outgoingStream(client: { readonly id: string }): AsyncIterable<unknown>;
  cleanSubscriptions(client: { readonly id: string }): Promise<unknown>;
}

export interface SessionLimits {
  /** Messages for one client that is away. */
  readonly perClient: number;
  isConnected(clientId: string): boolean;
  /** A message for this client was dropped, or all of its session. */
  dropped(clientId: string): void;
}

/** Unconfirmed messages of a client that is there. */
const maxUnconfirmed = 10_000;
/** Clients with messages that wait: ids that never come back must not fill the memory. */
const maxSessions = 1_000;

/**
 * Limits what is kept for sessions: of too many messages for a client the new ones are dropped, of too many clients
 * that are away the one that has waited longest is forgotten.
 */
export function limitSessions(store: SessionStore, limits: SessionLimits): void {
  /** Client → messages; the one longest without a new message first. */
  const waiting = new Map<string, number>();
  const enqueue = store.outgoingEnqueueCombi.bind(store);
  const clear = store.outgoingClearMessageId.bind(store);

  store.outgoingEnqueueCombi = async (subscriptions, packet) => {
    const admitted = subscriptions.filter(({ clientId }) => {
      const count = waiting.get(clientId) ?? 0;
      const most = limits.isConnected(clientId) ? maxUnconfirmed : limits.perClient;
      if (count >= most) {
        limits.dropped(clientId);
        return false;
      }
      waiting.delete(clientId);
      waiting.set(clientId, count + 1);
      return true;
    });
    await enqueue(admitted, packet);
    while (waiting.size > maxSessions && (await forgetOldest())) {}
  };
  store.outgoingClearMessageId = async (client, packet) => {
    const cleared = await clear(client, packet);
    const count = waiting.get(client.id) ?? 0;
    if (cleared !== undefined && count > 1) waiting.set(client.id, count - 1);
    else if (cleared !== undefined) waiting.delete(client.id);
    return cleared;
  };

  async function forgetOldest(): Promise<boolean> {
    for (const id of waiting.keys()) {
      if (limits.isConnected(id)) continue;
      limits.dropped(id);
      waiting.delete(id);
      await store.cleanSubscriptions({ id });
      for await (const packet of store.outgoingStream({ id })) await clear({ id }, packet);
      return true;
    }
    return false;
  }
}
