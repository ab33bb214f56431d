import { type DeviceView, deviceId, type IdForm } from "./device.ts";

/** What DeviceTwin is told of its devices. Pure. Source: KubeEdge DeviceTwin, messages with the cloud. */

export interface WishedTwin {
  readonly expected: { readonly value: string; readonly metadata: { readonly timestamp: number } };
  readonly optional: boolean;
  readonly metadata: { readonly type: string };
  readonly expected_version: { readonly cloud: number; readonly edge: number };
}

export interface MembershipDevice {
  readonly id: string;
  readonly name: string;
  readonly description?: string;
  readonly twin?: Readonly<Record<string, WishedTwin>>;
}

interface Stamp {
  readonly eventId: string;
  /** Wall clock, ms since 1970. */
  readonly now: number;
}

/** @param twin To a node that may know the device already: without a twin it would publish an error about it. */
export function addedDevice(
  device: DeviceView,
  form: IdForm,
  twin?: MembershipDevice["twin"],
): MembershipDevice {
  const { name, description } = device;
  return {
    id: deviceId(device, form),
    name,
    ...(description === "" ? {} : { description }),
    ...(twin === undefined ? {} : { twin }),
  };
}

/** Content of `membership`: devices that come and go. */
export function membershipChange(
  { eventId, now }: Stamp,
  added: readonly MembershipDevice[],
  removed: readonly MembershipDevice[] = [],
): object {
  return {
    event_id: eventId,
    timestamp: now,
    added_devices: added.length === 0 ? null : added,
    removed_devices: removed.length === 0 ? null : removed,
  };
}

/** Content of `membership/detail`: all that there are; the node removes others. */
export function membershipDetail({ eventId, now }: Stamp, devices: readonly MembershipDevice[]): object {
  return { event_id: eventId, timestamp: now, devices };
}
