import { randomUUID } from "node:crypto";
import { type PublishDraft, volatile } from "../../sdk/index.ts";
import { type DeviceView, deviceId, type IdForm } from "./device.ts";
import { addedDevice, membershipChange, membershipDetail } from "./membership.ts";

/**
 * Tells a node of KubeEdge's which devices are its own. It acks nothing of that, so it is told all when its link comes up,
 * and of changes while the link is there; with a broken link nothing is lost, since the next one begins with all.
 */
export class StockMembership {
  readonly #node: string;
  /** By id, what the node was told over this link; `undefined`: nothing yet. */
  #told: Map<string, { readonly name: string; readonly said: string }> | undefined;

  constructor(node: string) {
    this.#node = node;
  }

  /** The link is a new one, or the node has asked. */
  restart(): void {
    this.#told = undefined;
  }

  /** The node has no devices of this controller's, and need not be told so. */
  hasNone(): void {
    this.#told ??= new Map();
  }

  /** Messages that make the node's list of devices this one. They count as sent. */
  tell(devices: readonly DeviceView[], form: IdForm, now: number): PublishDraft[] {
    const before = this.#told;
    const wanted = new Map(devices.map((device) => [deviceId(device, form), device]));
    const saidOf = (device: DeviceView): string => `${device.uid} ${device.description}`;
    this.#told = new Map(
      [...wanted].map(([id, device]) => [id, { name: device.name, said: saidOf(device) }] as const),
    );
    const draft = {
      node: this.#node,
      source: "devicecontroller",
      group: "twin",
      operation: "update",
      delivery: volatile,
    };
    const stamp = { eventId: randomUUID(), now };
    if (before === undefined) {
      // Devices that the node knows already need a twin: without one it would publish an error about them.
      const all = [...wanted.values()].map((device) => addedDevice(device, form, {}));
      return [{ ...draft, resource: "membership/detail", content: membershipDetail(stamp, all) }];
    }
    const isNew = (id: string, device: DeviceView): boolean => before.get(id)?.said !== saidOf(device);
    const added = [...wanted].filter(([id, device]) => isNew(id, device));
    // One that was made anew under its name is another device, and its twin too.
    const gone = [...before].filter(([id, { said }]) => {
      const device = wanted.get(id);
      return device === undefined || !said.startsWith(`${device.uid} `);
    });
    const messages: PublishDraft[] = [];
    if (gone.length > 0) {
      const removed = gone.map(([id, { name }]) => ({ id, name }));
      messages.push({ ...draft, resource: "membership", content: membershipChange(stamp, [], removed) });
    }
    for (const [id, device] of added) {
      const known = before.has(id) && !gone.some(([one]) => one === id);
      const entry = addedDevice(device, form, known ? {} : undefined);
      const content = membershipChange({ eventId: randomUUID(), now }, [entry]);
      messages.push({ ...draft, resource: "membership", content });
    }
    return messages;
  }
}
