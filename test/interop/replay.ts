import { expect } from "vitest";
import type { RunningHub } from "../../cloudhub/index.ts";
import { type MessageView, type PublishDraft, viewOf } from "../../protocol/index.ts";
import type { RecordedMessage } from "./capture.ts";
import { patiently } from "./patience.ts";
import type { Connected } from "./test-hub.ts";

/** What a controller publishes so that the hub sends what the recorded cloud sent: under the same id, too. */
export function draftOf(node: string, { text, message }: RecordedMessage): PublishDraft {
  const { header, route } = message;
  return {
    node,
    id: header.msg_id,
    resource: route.resource ?? "",
    operation: route.operation ?? "",
    ...(route.source === undefined ? {} : { source: route.source }),
    ...(route.group === undefined ? {} : { group: route.group }),
    ...(header.parent_msg_id === undefined ? {} : { parentId: header.parent_msg_id }),
    ...(header.resourceversion === undefined ? {} : { resourceVersion: header.resourceversion }),
    content: Buffer.from(contentIn(text)),
  };
}

/** What a subscriber of the hub gets of a message of the recorded edge. */
export function viewOfRecorded(node: string, { message }: RecordedMessage): MessageView {
  const { header, route, content } = message;
  return {
    id: header.msg_id,
    parentId: header.parent_msg_id,
    timestamp: header.timestamp,
    resourceVersion: header.resourceversion,
    node,
    source: route.source ?? "",
    group: route.group ?? "",
    operation: route.operation ?? "",
    resource: route.resource ?? "",
    content,
  };
}

/** Byte for byte the recorded text, but for the time at which it was made. */
export function expectAsRecorded(text: string, recorded: RecordedMessage): void {
  expect(withoutTimestamp(text)).toBe(withoutTimestamp(recorded.text));
}

/** The edge's messages that go to controllers; acks and heartbeats are for the hub itself. */
export function isForControllers({ from, message }: RecordedMessage): boolean {
  const { operation = "" } = message.route;
  return from === "edge" && !["", "keepalive", "response", "error"].includes(operation);
}

/**
 * Plays a recorded conversation: what the edge sent goes out as it was, bit for bit; what the cloud sent is published,
 * and the hub must send it as the cloud did. Resolves when all that wants an ack is settled by the recorded ones.
 */
export async function replay(
  { hub, node, link }: Connected,
  conversation: readonly RecordedMessage[],
): Promise<void> {
  const settled: Promise<unknown>[] = [];
  for (const recorded of conversation) {
    if (recorded.from === "edge") {
      link.sendBytes(recorded.bytes);
      continue;
    }
    settled.push(hub.publish(draftOf(node, recorded), { until: "acked" }));
    expectAsRecorded(await link.nextText(), recorded);
  }
  await patiently("the acks that settle everything", Promise.all(settled));
}

/** Takes what a hub hands to controllers. */
export class Consumer {
  readonly #arrived: AsyncIterator<MessageView>;

  /** @param filter As of `subscribe`. The subscription ends with the hub. */
  constructor(hub: RunningHub, filter: Parameters<RunningHub["subscribe"]>[0]) {
    this.#arrived = views(hub.subscribe(filter));
  }

  async next(): Promise<MessageView> {
    const arrived = this.#arrived.next();
    return await patiently(
      "a message for the controller",
      arrived.then(({ value }) => value as MessageView),
    );
  }

  async take(count: number): Promise<MessageView[]> {
    const taken: MessageView[] = [];
    while (taken.length < count) taken.push(await this.next());
    return taken;
  }
}

async function* views(subscription: ReturnType<RunningHub["subscribe"]>): AsyncGenerator<MessageView> {
  for await (const { message, ack } of subscription) {
    ack();
    yield viewOf(message);
  }
}

function contentIn(text: string): string {
  return text.slice(text.indexOf(',"content":') + ',"content":'.length, text.lastIndexOf("}"));
}

function withoutTimestamp(text: string): string {
  return text.replace(/"timestamp":\d+/, '"timestamp":0');
}
