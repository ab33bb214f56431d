import type { HubStore } from "../../cloudhub/store/hub-store.ts";
import { openInlineHubStore } from "../../cloudhub/store/sqlite-hub-store.ts";
import type { Clock } from "../../platform/clock.ts";
import {
  createMessage,
  type Delivery,
  deliveryOf,
  type Message,
  type MessageDraft,
  type MessageStore,
  type StoredMessage,
} from "../../protocol/index.ts";
import { FakeClock } from "./fake-clock.ts";
import { follow } from "./follow.ts";

export interface StoreLimits {
  readonly file?: string;
  readonly create?: boolean;
  readonly maxBytes?: number;
  readonly maxBacklogMessages?: number;
  readonly maxBacklogBytes?: number;
  readonly ledgerMessages?: number;
  readonly tombstoneMs?: number;
  readonly ledgerMs?: number;
}

/** A hub store on this thread, in memory unless a file is named. */
export function openStore(limits: StoreLimits = {}, clock: Clock = new FakeClock()): Promise<HubStore> {
  return openInlineHubStore(
    {
      file: limits.file ?? ":memory:",
      create: limits.create ?? true,
      synchronous: "full",
      maxBytes: limits.maxBytes ?? 0,
      limits: {
        maxBacklogMessages: limits.maxBacklogMessages ?? 1_000,
        maxBacklogBytes: limits.maxBacklogBytes ?? 1 << 30,
        ledgerMessages: limits.ledgerMessages ?? 100,
      },
      tombstoneMs: limits.tombstoneMs ?? 1_000_000,
      ledgerMs: limits.ledgerMs ?? 1_000_000,
    },
    clock,
  );
}

let count = 0;

/** A message with sensible fields for what the test does not care about. */
export function messageOf(draft: Partial<MessageDraft> & { delivery?: Delivery } = {}): Message {
  const full = {
    node: "edge-1",
    resource: "default/configmap/limits",
    operation: "update",
    content: { data: 1 },
    ...draft,
  };
  return createMessage(full, {
    id: `message-${++count}`,
    timestamp: 1_700_000_000_000,
    delivery: (message) => deliveryOf(message),
  });
}

/** A put of a ConfigMap in one version. */
export function put(version: string, name = "limits", draft: Partial<MessageDraft> = {}): Message {
  return messageOf({ resource: `default/configmap/${name}`, resourceVersion: version, ...draft });
}

interface Readable extends Pick<MessageStore, "follow"> {
  backlog(): Promise<{ messages: number }>;
}

/** Everything that waits in an outbox now. */
export async function waitingIn(outbox: Readable): Promise<StoredMessage[]> {
  const { messages } = await outbox.backlog();
  const found: StoredMessage[] = [];
  if (messages === 0) return found;
  for await (const batch of follow(outbox, new AbortController().signal)) {
    found.push(...batch);
    if (found.length >= messages) break;
  }
  return found;
}

/** An ack as a link reports it. */
export function acked(item: StoredMessage) {
  return { item, sends: 1, firstSentAt: 1, lastSentAt: 2, receipt: undefined };
}
