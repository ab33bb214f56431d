import { randomUUID } from "node:crypto";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import {
  asHubError,
  createMessage,
  type Dialect,
  type Message,
  type NodeId,
  presenceResource,
  presenceSource,
  volatile,
} from "../protocol/index.ts";
import type { Subscriber } from "../transport/index.ts";

export interface PresenceParts {
  readonly clock: Clock;
  readonly log: Logger;
  /** `undefined`: it is not connected. */
  readonly dialectOf: (node: NodeId) => Dialect | undefined;
}

/** Tells subscribers which nodes connect and disconnect, in the words of KubeEdge's CloudHub. */
export class Presence {
  readonly #parts: PresenceParts;
  readonly #subscribers = new Set<Subscriber>();

  constructor(parts: PresenceParts) {
    this.#parts = parts;
  }

  /** @param connected Of these it is told at once. */
  add(subscriber: Subscriber, connected: Iterable<NodeId>): void {
    this.#subscribers.add(subscriber);
    for (const node of connected) this.#tell(subscriber, this.#messageOf(node, true));
  }

  remove(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
  }

  announce(node: NodeId, connected: boolean): void {
    const message = this.#messageOf(node, connected);
    for (const subscriber of this.#subscribers) this.#tell(subscriber, message);
  }

  #tell(subscriber: Subscriber, message: Message): void {
    if (!subscriber.wants(message)) return;
    subscriber
      .take(message)
      .catch((error: unknown) =>
        this.#parts.log.debug("presence was not taken", { error: asHubError(error) }),
      );
  }

  #messageOf(node: NodeId, connected: boolean): Message {
    const operation = connected ? "connected" : "disconnected";
    const timestamp = this.#parts.clock.wallTime();
    const dialect = this.#parts.dialectOf(node);
    const at = Math.floor(timestamp / 1000);
    const content = { client_id: node, event_type: operation, timestamp: at, ...(dialect && { dialect }) };
    const draft = { node, source: presenceSource, resource: presenceResource, operation, content };
    return createMessage(draft, { id: randomUUID(), timestamp, delivery: () => volatile });
  }
}
