import { randomUUID } from "node:crypto";
import type { Agent, UpstreamDraft } from "../../edgehub/agent.ts";
import type { RequestLimit } from "../../edgehub/requests.ts";
import { EdgeStore } from "../../edgehub/store/edge-store.ts";
import {
  createMessage,
  event,
  HubError,
  type Message,
  requireNodeId,
  unpackMessage,
} from "../../protocol/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { recordingLogger } from "../support/recording-logger.ts";

/** A clock whose timers are moved by the test, while turns of the event loop end by themselves. */
export class TurningClock extends FakeClock {
  override atTurnEnd(run: () => void): void {
    setImmediate(run);
  }
}

/** An agent without a link: a store, and a cloud that answers as the test says. */
export class TestAgent implements Agent {
  readonly node = requireNodeId("edge-1");
  readonly clock = new TurningClock();
  readonly log = recordingLogger();
  readonly random = (): number => 1;
  readonly store: EdgeStore;
  readonly peerConfirmsTwins = false;
  connected = true;
  /** Questions so far. */
  readonly asked: Message[] = [];
  /** The cloud. By default it never answers. */
  cloud: (question: Message, signal: AbortSignal | undefined) => Promise<Message> = () =>
    new Promise(() => {});

  constructor(file = ":memory:", maxMessages = 1_000) {
    const outbox = { maxMessages, maxBytes: 1 << 30, whenFull: "rejectNew" as const };
    this.store = new EdgeStore(
      { file, create: true, synchronous: "normal", maxBytes: 0, tombstoneMs: 1_000_000, outbox },
      { clock: this.clock, onDrop: () => undefined },
    );
  }

  draft(draft: UpstreamDraft): Message {
    const stamp = { id: randomUUID(), timestamp: this.clock.wallTime(), delivery: () => event() };
    return createMessage({ source: "edged", ...draft, node: this.node }, stamp);
  }

  async publish(draft: UpstreamDraft): Promise<Message> {
    const message = this.draft(draft);
    await this.store.outbox.put(message);
    return message;
  }

  async request(draft: UpstreamDraft, limit: RequestLimit): Promise<Message> {
    if (!this.connected) throw new HubError("E_LINK_LOST", "not connected to the cloud");
    const question = this.draft(draft);
    this.asked.push(question);
    return await new Promise((resolve, reject) => {
      const cancel = this.clock.after(limit.timeoutMs, () =>
        reject(new HubError("E_TIMEOUT", `no answer from the cloud within ${limit.timeoutMs} ms`)),
      );
      limit.signal?.addEventListener("abort", () => reject(new HubError("E_ABORTED", "given up")));
      this.cloud(question, limit.signal).then(resolve, reject).finally(cancel);
    });
  }

  answerTo(_message: Message, { timeoutMs }: RequestLimit): Promise<Message> {
    return new Promise((_resolve, reject) =>
      this.clock.after(timeoutMs, () => reject(new HubError("E_TIMEOUT", "no answer"))),
    );
  }

  /** What waits for the cloud. */
  get outbox(): Message[] {
    const rows = this.store.database.prepare("SELECT packed FROM outbox ORDER BY position").all();
    return (rows as { packed: Uint8Array }[]).map(({ packed }) => unpackMessage(packed, this.node));
  }
}

/** Lets sockets and turns of the event loop go on until a condition holds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 5_000; turn++) {
    if (holds()) return;
    await new Promise((resolve) => setImmediate(resolve));
    if (turn > 1_000) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error(`never: ${what}`);
}
