import {
  type Attribute,
  type Device,
  type DeviceMember,
  isDeleted,
  isNamespaced,
  type Twin,
  type Twins,
  withoutVersions,
} from "./device.ts";

/** The documents DeviceTwin publishes and sends, field by field in KubeEdge's order, names sorted. */

/** What every document begins with. */
export interface Stamp {
  /** Of the request it answers, or a new one. */
  readonly eventId: string;
  /** Wall clock, ms since 1970. */
  readonly now: number;
}

export type ErrorResultCode = 400 | 404 | 500;

export function errorResult(stamp: Stamp, code: ErrorResultCode, reason: string): object {
  return { ...head(stamp), code, reason };
}

/** What was set; or, for the cloud, with versions. */
export function twinResult(stamp: Stamp, twin: ReadonlyMap<string, Twin | null>): object {
  return { ...head(stamp), twin: sorted(twin) };
}

/** All there is, for whoever asks. */
export function twinGetResult(stamp: Stamp, twins: Twins): object {
  const alive = [...twins].filter(([, twin]) => !isDeleted(twin));
  return twinResult(stamp, new Map(alive.map(([name, twin]) => [name, withoutVersions(twin)])));
}

export function twinDocument(
  stamp: Stamp,
  document: ReadonlyMap<string, { readonly last: Twin | null; readonly current: Twin | null }>,
): object {
  return { ...head(stamp), twin: sorted(document) };
}

export function twinDelta(
  stamp: Stamp,
  { twin, delta }: { twin: ReadonlyMap<string, Twin>; delta: ReadonlyMap<string, string> },
): object {
  return { ...head(stamp), twin: sorted(twin), delta: sorted(delta) };
}

export function stateResult(stamp: Stamp, { id, name, state, lastOnline }: Device): object {
  return { ...head(stamp), device: filled({ name, state, [lastOnlineKey(id)]: lastOnline }) };
}

/** Devices without their twins. */
export function membershipResult(stamp: Stamp, devices: readonly DeviceMember[]): object {
  const list = devices.map(({ id, name, description, state, lastOnline, attributes }) => ({
    ...filled({ id, name, description, state, [lastOnlineKey(id)]: lastOnline }),
    ...(attributes.size === 0 ? {} : { attributes: sorted(attributes) }),
  }));
  return { ...head(stamp), devices: list };
}

/** One device has come or gone, as the cloud described it. */
export function membershipUpdated(
  stamp: Stamp,
  change: "added" | "removed",
  said: Readonly<Record<string, unknown>>,
): object {
  const known = describing.flatMap((key) => (said[key] ? [[key, said[key]] as const] : []));
  const device = Object.fromEntries(known.map(([key, one]) => [key, key === "twin" ? shown(one) : one]));
  return {
    ...head(stamp),
    added_devices: change === "added" ? [device] : null,
    removed_devices: change === "removed" ? [device] : null,
  };
}

/** What the cloud says of a device. */
const describing = ["id", "name", "description", "state", "last_online", "attributes", "twin"] as const;

export function attributesUpdated(stamp: Stamp, attributes: ReadonlyMap<string, Attribute | null>): object {
  return { ...head(stamp), attributes: sorted(attributes) };
}

/** Asks the cloud for all devices of this node. */
export function detailRequest({ eventId, now }: Stamp, node: string): object {
  return {
    event_type: "group_membership_event",
    event_id: eventId,
    group_id: node,
    operation: "detail",
    timestamp: now,
  };
}

function head({ eventId, now }: Stamp): { event_id: string; timestamp: number } {
  return { event_id: eventId, timestamp: now };
}

function lastOnlineKey(id: string): "last_online" | "lastOnlineTime" {
  return isNamespaced(id) ? "lastOnlineTime" : "last_online";
}

function sorted<T>(map: ReadonlyMap<string, T>): Record<string, T> {
  return Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Empty texts are left out. */
function filled(fields: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([, text]) => text !== ""));
}

/** Twins as the cloud sent them, checked before. */
function shown(twins: unknown): unknown {
  const entries = Object.entries(twins as Record<string, Twin | null>);
  const alive = entries.map(([name, twin]) => [
    name,
    twin && !isDeleted(twin) ? withoutVersions(twin) : null,
  ]);
  return Object.fromEntries(alive);
}
