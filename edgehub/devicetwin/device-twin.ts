import { randomUUID } from "node:crypto";
import { OncePer } from "../../platform/logger.ts";
import type { Sequence } from "../../platform/sqlite.ts";
import { asHubError, type ErrorCode, HubError, type Message, volatile } from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import type { EdgeModule } from "../dispatcher.ts";
import type { DeviceReports, LocalBus } from "../local-bus.ts";
import type { EdgeOptions } from "../options.ts";
import { Announcer } from "./announcer.ts";
import { Changes } from "./changes.ts";
import { Confirmations } from "./confirmations.ts";
import { DeviceTable } from "./device-table.ts";
import { errorResult, type Stamp } from "./documents.ts";
import { FewAtOnce } from "./few-at-once.ts";
import { readJson } from "./read-json.ts";
import {
  readAttributeUpdate,
  readDetail,
  readEventId,
  readMembership,
  readState,
  readTwinRequest,
  unreadable,
} from "./requests.ts";
import { type CloudWish, deviceTopic, nodeTopic, parseResource, parseTopic, type Wish } from "./topics.ts";
import { detailWanted } from "./upstream.ts";

export type DeviceTwinOptions = EdgeOptions["deviceTwin"];

/** Bad input is logged once in so long per kind. */
const logPeriodMs = 60_000;
/**
 * Requests from this node in one commit. The documents they are answered with are held until it is done, and nothing
 * else happens meanwhile: a client may send a thousand small requests at once, each for a large document.
 */
const requestsAtOnce = 64;
/** What a device says that fails so would fail for ever. */
const hopeless: ReadonlySet<ErrorCode> = new Set(["E_BAD_MESSAGE", "E_REFUSED", "E_TOO_LARGE"]);
const utf8 = new TextEncoder();

/** What a message from this node wants. */
interface LocalRequest {
  readonly eventId: string;
  readonly work: (changes: Changes) => void;
}

/**
 * The devices of this node: who they are, what they say, what the cloud wants of them. A report that is accepted is on
 * the disk together with the message for the cloud before it is confirmed to the device, online or not. Requests are
 * treated in the order in which they come; many of them share one commit.
 */
export class DeviceTwin implements EdgeModule, DeviceReports {
  readonly name = "devicetwin";
  readonly groups = ["twin"];
  readonly #agent: Agent;
  readonly #bus: LocalBus;
  readonly #options: DeviceTwinOptions;
  readonly #devices: DeviceTable;
  readonly #confirmations: Confirmations;
  readonly #announcer: Announcer;
  readonly #once: OncePer;
  readonly #requests = new FewAtOnce(requestsAtOnce);

  constructor(agent: Agent, bus: LocalBus, options: DeviceTwinOptions) {
    this.#agent = agent;
    this.#bus = bus;
    this.#options = options;
    this.#devices = new DeviceTable(agent.store.database);
    this.#confirmations = new Confirmations(agent, {
      devices: this.#devices,
      newStamp: () => this.#stamp(randomUUID()),
      timeoutMs: options.confirmTimeoutMs,
    });
    this.#announcer = new Announcer({ bus, log: agent.log, clock: agent.clock });
    this.#once = new OncePer(agent.clock, logPeriodMs);
  }

  start(): Promise<void> {
    this.#bus.offerTwin(this);
    return Promise.resolve();
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#bus.offerTwin(undefined);
    this.#confirmations.stop();
    if (deadline.aborted) return;
    const over = Promise.withResolvers<void>();
    const end = (): void => over.resolve();
    deadline.addEventListener("abort", end, { once: true });
    await Promise.race([this.#announcer.idle(), over.promise]);
    deadline.removeEventListener("abort", end);
  }

  connection(connected: boolean): void {
    this.#confirmations.connection(connected);
    if (!connected) return;
    // Asked anew at each connect, so it is not kept for later.
    const draft = detailWanted(this.#stamp(randomUUID()), this.#agent.node);
    this.#agent.publish({ ...draft, delivery: volatile }).catch((error: unknown) => {
      this.#agent.log.debug("the cloud could not be asked for devices", { error: asHubError(error) });
    });
  }

  // ── from this node ─────────────────────────────────────────────────────────────────────────────────────

  /**
   * A message of a device, or of a program about one. Resolves when what it changes is on the disk, or when it has been
   * refused for good, which is told to whoever listens. Rejects with a retryable error when it could not be stored.
   *
   * @param sequence Of its sender: what could not be stored is not overtaken by what he says next.
   */
  async report(topic: string, payload: Uint8Array, sequence?: Sequence): Promise<void> {
    const wish = parseTopic(topic, this.#options.ids);
    if (wish === undefined) {
      this.#note("a topic of no device", { topic: topic.slice(0, 200) });
      return;
    }
    let request: LocalRequest;
    try {
      request = this.#read(wish, readJson(payload, this.#options.maxPayloadBytes));
    } catch (error) {
      this.#unreadable(wish, asHubError(error));
      return;
    }
    try {
      await this.#requests.run(() => this.#change(request.work, sequence));
    } catch (error) {
      this.#notStored(wish, request.eventId, asHubError(error));
    }
  }

  /** Throws `E_BAD_MESSAGE`. */
  #read(wish: Wish, json: unknown): LocalRequest {
    switch (wish.action) {
      case "twin/update": {
        const request = readTwinRequest(json);
        return { eventId: request.eventId, work: (changes) => changes.updateTwins(wish.id, request) };
      }
      case "twin/get": {
        const eventId = readEventId(json);
        return { eventId, work: (changes) => changes.getTwins(wish.id, eventId) };
      }
      case "membership/get": {
        const eventId = readEventId(json);
        return { eventId, work: (changes) => changes.getMembership(eventId) };
      }
      case "state/update": {
        const state = readState(json);
        const work = (changes: Changes): void => {
          if (!changes.setState(wish.id, state)) this.#note("no such state, or no such device", wish);
        };
        return { eventId: "", work };
      }
      default:
        return { eventId: "", work: this.#readFromCloud(wish, json) };
    }
  }

  /** It is answered as KubeEdge does, where it answers at all. */
  #unreadable(wish: Wish, error: HubError): void {
    this.#note("it cannot be read", { action: wish.action, error });
    const reason = error.cause === undefined ? error.message : unreadable;
    const topic = answerTopic(wish, this.#agent.node);
    if (topic === undefined) return;
    const device = "id" in wish ? wish.id : "";
    this.#announcer.tell([{ device, topic, document: errorResult(this.#stamp(""), 400, reason) }]);
  }

  /** Throws it, unless it would be the same the next time. */
  #notStored(wish: Wish, eventId: string, error: HubError): void {
    if (wish.action === "twin/update") {
      const document = errorResult(this.#stamp(eventId), 500, error.message);
      const topic = deviceTopic(wish.id, "twin/update/result");
      this.#announcer.tell([{ device: wish.id, topic, document }]);
    }
    if (!hopeless.has(error.code)) throw error;
    this.#note("it can never be taken", { action: wish.action, error });
  }

  // ── from the cloud ─────────────────────────────────────────────────────────────────────────────────────

  /** Rejects with `E_BAD_MESSAGE`, `E_TOO_LARGE`, `E_BAD_RESOURCE`, `E_NOT_FOUND`, `E_REFUSED`, or a store's error. */
  async handle(message: Message): Promise<void> {
    const { parentId, resource, operation } = message;
    const wish = parseResource(resource.path, operation, this.#options.ids);
    if (parentId !== undefined) {
      await this.#confirmations.confirmed(parentId);
      // Only the list of devices has been asked for.
      if (wish?.action !== "membership/detail/result") return;
    }
    if (wish === undefined)
      throw new HubError("E_BAD_RESOURCE", `DeviceTwin knows no ${operation} of ${resource.path}`);
    let found = true;
    const work = this.#readFromCloud(wish, contentOf(message), (known) => {
      found = known;
    });
    await this.#change(work);
    if (!found) throw new HubError("E_NOT_FOUND", `this node has no device for ${resource.path}`);
  }

  /** Throws `E_BAD_MESSAGE`. @param found Told whether there is such a device. */
  #readFromCloud(
    wish: CloudWish,
    json: unknown,
    found: (known: boolean) => void = () => {},
  ): (changes: Changes) => void {
    switch (wish.action) {
      case "membership/detail/result": {
        const devices = readDetail(json);
        return (changes) => changes.replaceDevices(devices);
      }
      case "membership/updated": {
        const { added, removed } = readMembership(json);
        return (changes) => {
          changes.addDevices(added);
          changes.removeDevices(removed);
        };
      }
      case "twin/cloud_updated": {
        const request = readTwinRequest(json);
        return (changes) => found(changes.syncTwins(wish.id, request));
      }
      case "updated": {
        const { eventId, attributes } = readAttributeUpdate(json);
        return (changes) => found(changes.updateAttributes(wish.id, attributes, { eventId, whole: false }));
      }
      default:
        return wish satisfies never;
    }
  }

  // ── both ───────────────────────────────────────────────────────────────────────────────────────────────

  /** One transaction; then the programs of this node are told. */
  async #change(work: (changes: Changes) => void, sequence?: Sequence): Promise<void> {
    const { store, clock, node } = this.#agent;
    const parts = {
      node,
      devices: this.#devices,
      confirmations: this.#confirmations,
      draft: this.#agent.draft.bind(this.#agent),
      newId: randomUUID,
    };
    const now = Math.trunc(clock.wallTime());
    const told = await store.write((publish) => {
      const changes = new Changes(parts, this.#options, { now, publish });
      work(changes);
      return changes.told;
    }, sequence);
    this.#announcer.tell(told);
  }

  #stamp(eventId: string): Stamp {
    return { eventId, now: Math.trunc(this.#agent.clock.wallTime()) };
  }

  #note(what: string, fields: Readonly<Record<string, unknown>>): void {
    const heldBack = this.#once.pass(what);
    if (heldBack !== undefined)
      this.#agent.log.warn("a message of a device was refused", { what, ...fields, heldBack });
  }
}

/** Where a request that could not be read is answered: for twins under an empty id, as KubeEdge has it. */
function answerTopic(wish: Wish, node: string): string | undefined {
  switch (wish.action) {
    case "twin/update":
    case "twin/cloud_updated":
      return deviceTopic("", "twin/update/result");
    case "twin/get":
      return deviceTopic(wish.id, "twin/get/result");
    case "membership/get":
      return nodeTopic(node, "membership/get/result");
    default:
      return undefined;
  }
}

/** An object, or the text of one. The link has limited its size. */
function contentOf({ content }: Message): unknown {
  const json = readJson(content, content.length);
  if (typeof json !== "string") return json;
  const text = utf8.encode(json);
  return readJson(text, text.length);
}
