import { HubError, type Message, shown } from "../../protocol/index.ts";
import type { UpstreamDraft } from "../agent.ts";
import { updateAttributes } from "./attributes.ts";
import type { Confirmations } from "./confirmations.ts";
import { type Attribute, type Device, type IdForm, isDeviceId, type Twins } from "./device.ts";
import type { DeviceTable } from "./device-table.ts";
import {
  attributesUpdated,
  errorResult,
  membershipResult,
  membershipUpdated,
  type Stamp,
  stateResult,
  twinDelta,
  twinDocument,
  twinGetResult,
  twinResult,
} from "./documents.ts";
import type { DeviceDescription, TwinRequest } from "./requests.ts";
import { withState } from "./states.ts";
import { deviceTopic, nodeTopic } from "./topics.ts";
import { deltaOf, syncTwins, type TwinOutcome, updateTwins } from "./twin.ts";
import { stateUpdated, twinsUpdated } from "./upstream.ts";

/** A document for the programs of this node. */
export interface Telling {
  /** What it is about: documents of one device keep their order. Empty: about all of them. */
  readonly device: string;
  readonly topic: string;
  readonly document: object;
}

export interface ChangesParts {
  readonly node: string;
  readonly devices: DeviceTable;
  readonly confirmations: Confirmations;
  draft(draft: UpstreamDraft): Message;
  newId(): string;
}

export interface ChangesLimits {
  readonly ids: IdForm;
  readonly maxDevices: number;
  readonly maxProperties: number;
}

interface Refused {
  readonly refused: string;
}

const noTwin = "Update twin error, the update request body not have key:twin";

/**
 * What one request does, inside its transaction: rows, messages for the cloud, and what the programs of this node are
 * told once all that is on the disk.
 */
export class Changes {
  /** In the order in which they are published. */
  readonly told: Telling[] = [];
  readonly #parts: ChangesParts;
  readonly #limits: ChangesLimits;
  readonly #now: number;
  readonly #publish: (message: Message) => void;

  constructor(
    parts: ChangesParts,
    limits: ChangesLimits,
    { now, publish }: { now: number; publish(message: Message): void },
  ) {
    this.#parts = parts;
    this.#limits = limits;
    this.#now = now;
    this.#publish = publish;
  }

  /** What a device, or a program on this node, says. */
  updateTwins(id: string, { eventId, changes }: TwinRequest): void {
    const device = this.#known(id, eventId);
    if (device === undefined) return;
    const outcome = this.#withinLimits(updateTwins(device.twins, changes, this.#now));
    if ("refused" in outcome) {
      this.#tellError(id, { eventId, code: 400, reason: outcome.refused });
      return;
    }
    this.#tell(id, deviceTopic(id, "twin/update/result"), twinResult(this.#stamp(eventId), outcome.result));
    this.#applied(device, outcome, eventId);
  }

  /** What the cloud says. @returns False: there is no such device. Throws `E_REFUSED`. */
  syncTwins(id: string, { eventId, changes }: TwinRequest): boolean {
    const device = this.#known(id, eventId);
    if (device === undefined) return false;
    const outcome = this.#withinLimits(syncTwins(device.twins, changes, this.#now));
    if ("refused" in outcome) throw new HubError("E_REFUSED", `${id}: ${outcome.refused}`);
    this.#applied(device, outcome, eventId);
    return true;
  }

  getTwins(id: string, eventId: string): void {
    const topic = deviceTopic(id, "twin/get/result");
    const device = this.#parts.devices.get(id);
    const reason = `Device ${id} not found while getting twin`;
    if (device) this.#tell(id, topic, twinGetResult(this.#stamp(eventId), device.twins));
    else this.#tell(id, topic, errorResult(this.#stamp(eventId), 404, reason));
  }

  getMembership(eventId: string): void {
    const document = membershipResult(this.#stamp(eventId), this.#parts.devices.members());
    this.#tell("", nodeTopic(this.#parts.node, "membership/get/result"), document);
  }

  /** @returns False: no such device or state; nobody is told. */
  setState(id: string, state: string): boolean {
    const device = this.#parts.devices.get(id);
    const changed = device && withState(device, state, this.#now);
    if (changed === undefined) return false;
    const stamp = this.#stamp(this.#parts.newId());
    this.#parts.devices.put(changed);
    const message = this.#send(stateUpdated(changed, stamp));
    this.#parts.confirmations.awaitState(id, message.id);
    this.#tell(id, deviceTopic(id, "state/update/result"), stateResult(stamp, changed));
    return true;
  }

  /** @param whole Those not named go. @returns False: there is no such device. Throws `E_REFUSED`. */
  updateAttributes(
    id: string,
    attributes: ReadonlyMap<string, Attribute | null>,
    { eventId, whole }: { eventId: string; whole: boolean },
  ): boolean {
    const device = this.#parts.devices.get(id);
    if (device === undefined) return false;
    const outcome = updateAttributes(device.attributes, attributes, whole);
    if (outcome.changed.size === 0) return true;
    const refused = this.#tooMany(outcome.attributes);
    if (refused !== undefined) throw new HubError("E_REFUSED", `${id}: ${refused}`);
    this.#parts.devices.put({ ...device, attributes: outcome.attributes });
    this.#tell(id, deviceTopic(id, "updated"), attributesUpdated(this.#stamp(eventId), outcome.changed));
    return true;
  }

  /** Devices come, or are described anew. Throws `E_BAD_MESSAGE`, `E_REFUSED`. */
  addDevices(descriptions: readonly DeviceDescription[]): void {
    for (const one of descriptions) {
      this.#requireId(one.id);
      if (this.#parts.devices.get(one.id)) this.#describeAnew(one);
      else this.#add(one);
    }
  }

  /** Devices go; unknown ones are passed over. */
  removeDevices(descriptions: readonly Pick<DeviceDescription, "id" | "said">[]): void {
    for (const { id, said } of descriptions) {
      if (this.#parts.devices.get(id) === undefined) continue;
      this.#parts.devices.remove(id);
      this.#parts.confirmations.forget(id);
      this.#tellMembership("removed", id, said);
    }
  }

  /** These are all there are. Throws as {@link addDevices}. */
  replaceDevices(descriptions: readonly DeviceDescription[]): void {
    this.addDevices(descriptions);
    const listed = new Set(descriptions.map(({ id }) => id));
    const gone = this.#parts.devices.ids().filter((id) => !listed.has(id));
    this.removeDevices(gone.map((id) => ({ id, said: { id } })));
  }

  #add({ id, name, description, state, attributes, twins, said }: DeviceDescription): void {
    if (this.#parts.devices.count() >= this.#limits.maxDevices)
      throw new HubError("E_REFUSED", `a node has at most ${this.#limits.maxDevices} devices`);
    const bare = { attributes: new Map(), twins: new Map(), lastOnline: "" };
    this.#parts.devices.put({ id, name, description, state, ...bare });
    if (twins) this.syncTwins(id, { eventId: "", changes: twins });
    if (attributes) this.updateAttributes(id, attributes, { eventId: "", whole: true });
    this.#tellMembership("added", id, said);
  }

  /** As KubeEdge does: attributes are replaced, and a description without twins is an error to programs. */
  #describeAnew({ id, attributes, twins }: DeviceDescription): void {
    this.updateAttributes(id, attributes ?? new Map(), { eventId: "", whole: true });
    if (twins) this.syncTwins(id, { eventId: "", changes: twins });
    else this.#tellError(id, { eventId: "", code: 400, reason: noTwin });
  }

  /** Stores what has changed and tells of it. */
  #applied(device: Device, outcome: TwinOutcome, eventId: string): void {
    const { id } = device;
    const { twins, document, upstream } = outcome;
    if (twins !== device.twins) this.#parts.devices.put({ ...device, twins });
    if (document.size > 0)
      this.#tell(id, deviceTopic(id, "twin/update/document"), twinDocument(this.#stamp(eventId), document));
    const delta = deltaOf(twins);
    if (delta) {
      const stamp = this.#stamp(this.#parts.newId());
      this.#tell(id, deviceTopic(id, "twin/update/delta"), twinDelta(stamp, delta));
    }
    if (upstream.size === 0) return;
    const message = this.#send(twinsUpdated(id, this.#stamp(this.#parts.newId()), upstream));
    this.#parts.confirmations.awaitTwins(id, upstream.keys(), message.id);
  }

  #known(id: string, eventId: string): Device | undefined {
    const device = this.#parts.devices.get(id);
    if (device === undefined) {
      const reason = "Update rejected due to the device is not existed";
      this.#tellError(id, { eventId, code: 404, reason });
    }
    return device;
  }

  #requireId(id: string): void {
    const { ids } = this.#limits;
    if (isDeviceId(id, ids)) return;
    const wanted =
      ids === "auto" ? "<name> or <namespace>/<name>" : ids === "name" ? "<name>" : "<namespace>/<name>";
    throw new HubError("E_BAD_MESSAGE", `the id of a device must be ${wanted}, got ${shown(id)}`);
  }

  #withinLimits(outcome: TwinOutcome | Refused): TwinOutcome | Refused {
    if ("refused" in outcome) return outcome;
    const refused = this.#tooMany(outcome.twins);
    return refused === undefined ? outcome : { refused };
  }

  #tooMany(properties: Twins | ReadonlyMap<string, Attribute>): string | undefined {
    const { maxProperties } = this.#limits;
    return properties.size > maxProperties ? `a device has at most ${maxProperties} properties` : undefined;
  }

  #send(draft: UpstreamDraft): Message {
    const message = this.#parts.draft(draft);
    this.#publish(message);
    return message;
  }

  #tell(device: string, topic: string, document: object): void {
    this.told.push({ device, topic, document });
  }

  #tellError(id: string, error: { eventId: string; code: 400 | 404; reason: string }): void {
    const document = errorResult(this.#stamp(error.eventId), error.code, error.reason);
    this.#tell(id, deviceTopic(id, "twin/update/result"), document);
  }

  #tellMembership(change: "added" | "removed", id: string, said: DeviceDescription["said"]): void {
    const stamp = this.#stamp(this.#parts.newId());
    this.#tell(id, nodeTopic(this.#parts.node, "membership/updated"), membershipUpdated(stamp, change, said));
  }

  #stamp(eventId: string): Stamp {
    return { eventId, now: this.#now };
  }
}
