import { randomUUID } from "node:crypto";
import { messagesOf, readCapture } from "./capture.ts";
import type { EdgeParts } from "./stock-edgecore.ts";
import { newHeader, type WireJson } from "./wire-json.ts";

/** A device as DeviceTwin keeps it. */
interface Device {
  readonly name: string;
  /** How often programs of the node have set each property. */
  readonly counts: Map<string, number>;
}

interface ListedDevice {
  readonly id: string;
  readonly name: string;
  readonly twin?: object;
}

interface Membership {
  readonly devices?: readonly ListedDevice[];
  readonly added_devices?: readonly ListedDevice[] | null;
  readonly removed_devices?: readonly ListedDevice[] | null;
}

/** DeviceTwin of a stock edgecore, as far as it speaks with the cloud. Source: edge modules §9.8. */
export class StockDeviceTwin {
  readonly devices = new Map<string, Device>();
  /** Messages that the cloud has not confirmed, by id. */
  readonly unconfirmed = new Map<string, WireJson>();
  readonly #said = new Set<string>();
  readonly #parts: EdgeParts;

  constructor(parts: EdgeParts) {
    this.#parts = parts;
  }

  get ids(): string[] {
    return [...this.devices.keys()].sort();
  }

  /** It asks for its devices on each link. */
  connected(): void {
    const { node } = this.#parts;
    const content = {
      event_type: "group_membership_event",
      event_id: randomUUID(),
      group_id: node,
      operation: "detail",
      timestamp: Date.now(),
    };
    const route = { source: "twin", group: "resource", operation: "get", resource: "membership/detail" };
    this.#say({ header: newHeader(), route, content: JSON.stringify(content) });
  }

  /** A program of the node has set a property. */
  report(id: string, property: string, value: string, at = Date.now()): WireJson {
    const counts = this.devices.get(id)?.counts ?? new Map<string, number>();
    counts.set(property, (counts.get(property) ?? 0) + 1);
    const recorded = recordedReport("twin/edge_updated");
    const { optional, metadata } = (recorded.content as RecordedTwin).twin.temperature;
    const actual = { value, metadata: { timestamp: at } };
    const twin = { actual, optional, metadata, actual_version: { cloud: 0, edge: counts.get(property) } };
    const content = { event_id: randomUUID(), timestamp: at, twin: { [property]: twin } };
    const route = { ...recorded.route, resource: `device/${id}/twin/edge_updated` };
    return this.#say({ header: newHeader(), route, content });
  }

  /** A program of the node has said how the device is. */
  reportState(id: string, state: string): WireJson {
    const recorded = recordedReport("state/update");
    const now = new Date().toISOString();
    const time =
      this.#parts.line.deviceIds === "name"
        ? { last_online: now.replace("T", " ").slice(0, 19) }
        : { lastOnlineTime: now.replace(/\.\d+/, "") };
    const device = { name: id.split("/").at(-1), state, ...time };
    const content = JSON.stringify({ event_id: randomUUID(), timestamp: Date.now(), device });
    const route = { ...recorded.route, resource: `device/${id}/state/update` };
    return this.#say({ header: newHeader(), route, content });
  }

  /** After a minute without confirmation it says everything again, with the same ids. */
  repeat(): void {
    for (const message of this.unconfirmed.values()) this.#parts.send(message);
  }

  received(message: WireJson): void {
    const { header, route } = message;
    const { fault } = this.#parts;
    if (route.source !== "devicecontroller") fault("no device-controller", message);
    if (header.parent_msg_id !== undefined) this.#confirmed(header.parent_msg_id, message);
    // It looks for these words anywhere in the resource.
    else if (route.resource?.includes("membership/detail")) this.#listed(message);
    else if (route.resource?.includes("membership")) this.#changed(message);
    else fault("nothing that DeviceTwin is told", message);
  }

  #confirmed(id: string, message: WireJson): void {
    const { route, content } = message;
    if (route.operation !== "response" || route.resource !== "twin" || content !== "OK")
      this.#parts.fault("no confirmation", message);
    if (!this.#said.has(id)) this.#parts.fault("confirms nothing", message);
    this.unconfirmed.delete(id);
  }

  #listed(message: WireJson): void {
    const { devices } = (message.content ?? {}) as Membership;
    if (!Array.isArray(devices)) this.#parts.fault("no list of devices", message);
    const listed = new Set(devices?.map(({ id }) => id));
    for (const id of this.devices.keys()) if (!listed.has(id)) this.devices.delete(id);
    for (const device of devices ?? []) this.#add(device, message);
  }

  #changed(message: WireJson): void {
    const { added_devices: added, removed_devices: removed } = (message.content ?? {}) as Membership;
    if (added === undefined || removed === undefined) this.#parts.fault("no change of devices", message);
    for (const { id } of removed ?? [])
      if (!this.devices.delete(id)) this.#parts.fault("removes a device that is not there", message);
    for (const device of added ?? []) this.#add(device, message);
  }

  #add({ id, name, twin }: ListedDevice, message: WireJson): void {
    const { fault, line } = this.#parts;
    if (id.includes("/") !== (line.deviceIds === "namespaced"))
      fault("not how this edge names devices", message);
    if (this.devices.has(id) && twin === undefined) fault("publishes an error about a known device", message);
    if (!this.devices.has(id)) this.devices.set(id, { name, counts: new Map() });
  }

  #say(message: WireJson): WireJson {
    this.#said.add(message.header.msg_id);
    this.unconfirmed.set(message.header.msg_id, message);
    this.#parts.send(message);
    return message;
  }
}

interface RecordedTwin {
  readonly twin: { readonly temperature: { readonly optional: boolean; readonly metadata: object } };
}

function recordedReport(ending: string): WireJson {
  const reports = messagesOf(readCapture("f-device"), "edge").map(({ message }) => message);
  return reports.find(({ route }) => route.resource?.endsWith(ending)) as WireJson;
}
