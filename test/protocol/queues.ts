import { DeliveryQueue, type DeliveryQueueOptions, type Outgoing } from "../../protocol/delivery-queue.ts";

/** Small numbers that are easy to follow. */
export const queueOptions: DeliveryQueueOptions = {
  windowMessages: 10,
  windowBytes: 1_000,
  ackTimeoutMs: 100,
  maxAckTimeoutMs: 1_000,
  nackDelayMs: 50,
  maxNackDelayMs: 400,
  maxRefusals: Number.POSITIVE_INFINITY,
};

export function newQueue(options: Partial<DeliveryQueueOptions> = {}): DeliveryQueue<Outgoing> {
  return new DeliveryQueue({ ...queueOptions, ...options });
}

/** The put of an object: `key` is its resource. */
export function put(position: number, key: string, more: Partial<Outgoing> = {}): Outgoing {
  return {
    position,
    size: 10,
    kind: "state",
    key,
    deleted: false,
    priority: 0,
    expiresAt: Number.POSITIVE_INFINITY,
    ...more,
  };
}

export function removal(position: number, key: string): Outgoing {
  return put(position, key, { deleted: true });
}

export function anEvent(position: number, more: Partial<Outgoing> = {}): Outgoing {
  return put(position, "", { kind: "event", ...more });
}

/** Takes all that may go now. The wall clock is `wallTime`, or stands at 0. */
export function takeAll(queue: DeliveryQueue<Outgoing>, now = 0, wallTime = 0): number[] {
  const taken: number[] = [];
  for (let next = queue.take(now, wallTime); next !== undefined; next = queue.take(now, wallTime))
    if (!next.expired) taken.push(next.item.position);
  return taken;
}
