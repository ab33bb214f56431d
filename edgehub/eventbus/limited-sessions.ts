import { SessionBook, type SessionLimits } from "./session-book.ts";
import { isTopicFilter } from "./topics.ts";

interface ClientRef {
  readonly id: string;
}

interface Payload {
  readonly payload?: Uint8Array | string;
}

/** Of the internal broker's memory, what holds the sessions that outlive their connections. */
export interface SessionStore {
  addSubscriptions(client: ClientRef, subscriptions: readonly { readonly topic: string }[]): Promise<unknown>;
  removeSubscriptions(client: ClientRef, topics: readonly string[]): Promise<unknown>;
  cleanSubscriptions(client: ClientRef): Promise<unknown>;
  outgoingEnqueueCombi(
    subscriptions: readonly { readonly clientId: string }[],
    packet: Payload,
  ): Promise<unknown>;
  outgoingClearMessageId(client: ClientRef, packet: unknown): Promise<unknown>;
  outgoingStream(client: ClientRef): AsyncIterable<unknown>;
  incomingStorePacket(client: ClientRef, packet: Payload): Promise<unknown>;
  cleanIncoming(client: ClientRef): Promise<unknown>;
}

const nothing = new Uint8Array();

/**
 * Limits what is kept for sessions: of too much for a client the new messages are dropped, of too many clients that are
 * away the one that has waited longest is forgotten.
 */
export function limitSessions(store: SessionStore, limits: SessionLimits): void {
  const book = new SessionBook(limits);
  const original = {
    add: store.addSubscriptions.bind(store),
    remove: store.removeSubscriptions.bind(store),
    clean: store.cleanSubscriptions.bind(store),
    enqueue: store.outgoingEnqueueCombi.bind(store),
    clear: store.outgoingClearMessageId.bind(store),
    storeIncoming: store.incomingStorePacket.bind(store),
    cleanIncoming: store.cleanIncoming.bind(store),
  };
  /** It is called with all topics of a packet for each of them. */
  const stored = new WeakSet<object>();

  store.addSubscriptions = async (client, subscriptions) => {
    if (stored.has(subscriptions)) return;
    stored.add(subscriptions);
    const topics = subscriptions.map(({ topic }) => topic).filter(isTopicFilter);
    const admitted = book.subscribe(client.id, topics);
    await original.add(
      client,
      subscriptions.filter(({ topic }) => admitted.has(topic)),
    );
    await forgetSome();
  };
  store.removeSubscriptions = async (client, topics) => {
    book.unsubscribe(client.id, topics);
    await original.remove(client, topics);
  };
  store.cleanSubscriptions = async (client) => {
    book.unsubscribeAll(client.id);
    await original.clean(client);
  };
  store.outgoingEnqueueCombi = async (subscriptions, packet) => {
    const bytes = packet.payload?.length ?? 0;
    await original.enqueue(
      subscriptions.filter(({ clientId }) => book.admit(clientId, bytes)),
      packet,
    );
  };
  store.outgoingClearMessageId = async (client, packet) => {
    const cleared = await original.clear(client, packet);
    if (cleared !== undefined) book.confirmed(client.id);
    return cleared;
  };
  // It serves to tell repetitions, by the id alone: the message has been passed on.
  store.incomingStorePacket = async (client, packet) => {
    book.sendsOnce(client.id, true);
    await original.storeIncoming(client, { ...packet, payload: nothing });
    await forgetSome();
  };
  store.cleanIncoming = async (client) => {
    book.sendsOnce(client.id, false);
    await original.cleanIncoming(client);
  };

  async function forgetSome(): Promise<void> {
    for (let id = book.forgetOne(); id !== undefined; id = book.forgetOne()) {
      await original.clean({ id });
      await original.cleanIncoming({ id });
      for await (const packet of store.outgoingStream({ id })) await original.clear({ id }, packet);
    }
  }
}
