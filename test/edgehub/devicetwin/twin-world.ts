import { onTestFinished } from "vitest";
import type { Agent } from "../../../edgehub/agent.ts";
import { DeviceTwin, type DeviceTwinOptions } from "../../../edgehub/devicetwin/device-twin.ts";
import { deviceTwinSection } from "../../../edgehub/devicetwin/options.ts";
import { LocalBus } from "../../../edgehub/local-bus.ts";
import type { EdgeStoreOptions } from "../../../edgehub/store/edge-store.ts";
import { checkOptions } from "../../../platform/config.ts";
import {
  contentOf,
  createMessage,
  event,
  type Message,
  type MessageDraft,
  type NodeId,
  unpackMessage,
} from "../../../protocol/index.ts";
import { openEdgeStore } from "../../support/edge-store.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { recordingLogger } from "../../support/recording-logger.ts";

/** What was published to the brokers of the node. */
export interface Published {
  readonly topic: string;
  readonly text: string;
}

export interface TwinWorldOptions {
  readonly twin?: Partial<DeviceTwinOptions>;
  readonly store?: Parameters<typeof openEdgeStore>[0];
  readonly file?: Pick<EdgeStoreOptions, "file" | "create">;
  readonly clock?: FakeClock;
}

/** DeviceTwin on a store of its own, with a link and a broker that a test plays. */
export class TwinWorld {
  readonly clock: FakeClock;
  readonly log = recordingLogger();
  readonly bus = new LocalBus();
  readonly published: Published[] = [];
  /** Sent once, if the link is up. */
  readonly volatile: Message[] = [];
  readonly twin: DeviceTwin;
  readonly #open: ReturnType<typeof openEdgeStore>;
  #peerConfirms: boolean | undefined;
  #ids = 0;

  constructor({ twin = {}, store = {}, file, clock = new FakeClock() }: TwinWorldOptions = {}) {
    this.clock = clock;
    this.#open = openEdgeStore({ ...store, ...file }, clock);
    const world = this;
    const node = "edge-a" as NodeId;
    const draft = (wanted: Omit<MessageDraft, "node">): Message =>
      createMessage(
        { ...wanted, node },
        { id: `m${++world.#ids}`, timestamp: clock.wallTime(), delivery: () => event() },
      );
    const agent: Agent = {
      node,
      store: this.#open.store,
      clock,
      log: this.log,
      random: () => 0.5,
      get connected() {
        return world.#peerConfirms !== undefined;
      },
      get peerConfirmsTwins() {
        return world.#peerConfirms;
      },
      draft,
      publish: async (wanted) => {
        const message = draft(wanted);
        if (message.delivery.kind === "volatile") world.volatile.push(message);
        else await world.store.outbox.put(message);
        return message;
      },
      request: () => Promise.reject(new Error("not here")),
      answerTo: () => Promise.reject(new Error("not here")),
    };
    this.bus.offerMqtt({
      publish: async (topic, payload) => void this.published.push({ topic, text: String(payload) }),
    });
    this.twin = new DeviceTwin(agent, this.bus, { ...checkOptions(deviceTwinSection, {}), ...twin });
  }

  static async start(options: TwinWorldOptions = {}): Promise<TwinWorld> {
    const world = new TwinWorld(options);
    await world.twin.start();
    onTestFinished(() => world.close());
    return world;
  }

  get store() {
    return this.#open.store;
  }

  /** The link is up, to the agent's own hub or to KubeEdge's, or down. */
  async link(peer: "hub" | "kubeedge" | "down"): Promise<void> {
    this.#peerConfirms = peer === "down" ? undefined : peer === "kubeedge";
    this.twin.connection(peer !== "down");
    await this.clock.advance(0);
  }

  /** A device publishes. @param payload Text, bytes, or what is written as JSON. */
  async report(topic: string, payload: unknown): Promise<void> {
    const bytes =
      payload instanceof Uint8Array
        ? payload
        : Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload));
    await this.#open.committed(this.bus.report(topic, bytes));
  }

  /** The cloud sends a message of group `twin`. */
  async handle(draft: Omit<MessageDraft, "node" | "operation"> & { operation?: string }): Promise<void> {
    const all = { node: "edge-a", source: "devicecontroller", group: "twin", operation: "update", ...draft };
    const stamp = { id: `c${++this.#ids}`, timestamp: 1, delivery: () => event() };
    await this.#open.committed(this.twin.handle(createMessage(all, stamp)));
  }

  async addDevices(...devices: object[]): Promise<void> {
    const content = { event_id: "a", timestamp: 1, added_devices: devices, removed_devices: null };
    await this.handle({ resource: "membership", content });
    this.published.length = 0;
  }

  /** What was published since the last call, parsed. */
  told(): { topic: string; document: Record<string, unknown> }[] {
    return this.published
      .splice(0)
      .map(({ topic, text }) => ({ topic, document: JSON.parse(text) as Record<string, unknown> }));
  }

  /** Messages in the outbox, in order. */
  waiting(): Message[] {
    const rows = this.store.database.prepare("SELECT packed FROM outbox ORDER BY position").all();
    return (rows as { packed: Uint8Array }[]).map(({ packed }) => unpackMessage(packed, "edge-a" as NodeId));
  }

  /** The cloud, or a link that sends once, has taken all that waits. @returns What that was. */
  send(): { id: string; resource: string; content: unknown }[] {
    const sent = this.waiting().map((message) => ({
      id: message.id as string,
      resource: message.resource.path,
      content: contentOf(message),
    }));
    this.store.database.exec("DELETE FROM outbox");
    this.store.outbox.recount();
    return sent;
  }

  close(): void {
    this.twin.connection(false);
    this.store.close();
  }
}

/** Where topics of devices begin. */
export const D = "$hw/events/device";
export const membershipUpdated = "$hw/events/node/edge-a/membership/updated";

/** A device reports the value of one property. */
export const update = (actual: string, eventId = "e", name = "t") => ({
  event_id: eventId,
  timestamp: 1,
  twin: { [name]: { actual: { value: actual }, metadata: { type: "int" } } },
});

/** A device as the cloud describes it. */
export const device = (id: string, more: object = {}) => ({ id, name: id, ...more });
