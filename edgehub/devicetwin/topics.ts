import { type IdForm, isDeviceId } from "./device.ts";

const devicePrefix = "$hw/events/device/";
const nodePrefix = "$hw/events/node/";

const deviceActions = [
  "twin/update",
  "twin/get",
  "twin/cloud_updated",
  "state/update",
  // Last: an id of two segments may end like the others.
  "updated",
] as const;
export type DeviceAction = (typeof deviceActions)[number];

const nodeActions = ["membership/get", "membership/updated", "membership/detail/result"] as const;
export type NodeAction = (typeof nodeActions)[number];

/** What a topic, or a message of the cloud, asks for. */
export type Wish =
  | { [Action in DeviceAction]: { readonly action: Action; readonly id: string } }[DeviceAction]
  | { [Action in NodeAction]: { readonly action: Action } }[NodeAction];

/**
 * Reads a topic of devices, from its end: an id may say anything, `device` and `twin` too. The node's name is not
 * compared. Source: KubeEdge DeviceTwin's events.
 *
 * @returns `undefined`: not one of DeviceTwin's.
 */
export function parseTopic(topic: string, form: IdForm): Wish | undefined {
  if (topic.startsWith(devicePrefix)) {
    const rest = topic.slice(devicePrefix.length);
    const action = deviceActions.find((one) => rest.endsWith(`/${one}`));
    if (action === undefined) return undefined;
    const id = rest.slice(0, -action.length - 1);
    return isDeviceId(id, form) ? { action, id } : undefined;
  }
  if (!topic.startsWith(nodePrefix)) return undefined;
  const slash = topic.indexOf("/", nodePrefix.length);
  const action = nodeActions.find((one) => slash > nodePrefix.length && topic.slice(slash + 1) === one);
  return action && { action };
}

/** @param id Empty for an answer to a request that could not be read, as KubeEdge publishes it. */
export function deviceTopic(
  id: string,
  what:
    | "twin/update/result"
    | "twin/update/document"
    | "twin/update/delta"
    | "twin/get/result"
    | "state/update/result"
    | "updated",
): string {
  return `${devicePrefix}${id}/${what}`;
}

export function nodeTopic(node: string, what: "membership/updated" | "membership/get/result"): string {
  return `${nodePrefix}${node}/${what}`;
}

/** What the cloud may ask for. */
export type CloudWish = Extract<
  Wish,
  { action: "twin/cloud_updated" | "updated" | "membership/updated" | "membership/detail/result" }
>;

/** Of one device, as state: so the newest of it is all that must arrive. */
const membershipPrefix = "membership/device/";

/** Reads the resource of a message of group `twin`. @returns `undefined`: nothing DeviceTwin knows. */
export function parseResource(path: string, operation: string, form: IdForm): CloudWish | undefined {
  if (path === "membership/detail") return { action: "membership/detail/result" };
  if (path === "membership" || path.startsWith(membershipPrefix)) return { action: "membership/updated" };
  const action = path.endsWith("/twin/cloud_updated") ? "twin/cloud_updated" : "updated";
  if (!path.startsWith("device/") || (action === "updated" && operation !== "updated")) return undefined;
  const id = action === "updated" ? path.slice(7) : path.slice(7, -action.length - 1);
  return isDeviceId(id, form) ? { action, id } : undefined;
}
