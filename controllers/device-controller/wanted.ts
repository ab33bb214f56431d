import { createHash } from "node:crypto";
import type { KubeObject } from "../../kubernetes/index.ts";
import { type PublishDraft, type ResourceView, state } from "../../sdk/index.ts";
import { type DeviceView, deviceId } from "./device.ts";
import { addedDevice, membershipChange, type WishedTwin } from "./membership.ts";
import type { DesiredValue } from "./model-fit.ts";

/**
 * What a node is to have of devices, what the hub has accepted for it, and the messages that turn the one into the other.
 * Pure.
 */

export type Wanted =
  /** A Device or a DeviceModel, in the present form. */
  | { readonly kind: "device" | "devicemodel"; readonly object: KubeObject }
  /** A device and what its twin is to be, for nodes that ack it. */
  | {
      readonly kind: "membership";
      readonly object: KubeObject;
      readonly device: DeviceView;
      readonly desired: Desired;
    };

export type Desired = ReadonlyMap<string, DesiredValue>;

/** What the hub has accepted of a resource. */
export interface Sent {
  readonly uid: string;
  /** What of the object was sent; see {@link stampOf}. */
  readonly stamp: string;
  readonly version: string | undefined;
}

/** How often programs of the node have changed what was wished of a property, as far as the node has said so. */
export type EdgeCounts = ReadonlyMap<string, number>;

const idPrefix = "devicecontroller/";
const source = "devicecontroller";
const membershipPrefix = "membership/device/";

/** Patterns of the resources that this controller brings to nodes. */
export const sentPatterns = ["*/devicemodel/*", "*/device/*"] as const;

export function objectPath(kind: "device" | "devicemodel", namespace: string, name: string): string {
  return `${namespace}/${kind}/${name}`;
}

export function membershipPath({ namespace, name }: Pick<DeviceView, "namespace" | "name">): string {
  return `${membershipPrefix}${namespace}/${name}`;
}

export interface Place {
  readonly kind: Wanted["kind"];
  readonly namespace: string;
  readonly name: string;
}

/** @returns `undefined`: no path of this controller's. */
export function placeOf(path: string): Place | undefined {
  const isMembership = path.startsWith(membershipPrefix);
  const [first = "", kind = "", name = ""] = isMembership
    ? [path.split("/")[2], "membership", path.split("/")[3]]
    : path.split("/");
  if (name === "" || path.split("/").length !== (isMembership ? 4 : 3)) return undefined;
  if (kind !== "device" && kind !== "devicemodel" && kind !== "membership") return undefined;
  return { kind, namespace: first, name };
}

/** Has this controller published the resource last, or its deletion? */
export function isOwn({ acceptedId }: ResourceView): boolean {
  return acceptedId?.startsWith(idPrefix) ?? false;
}

/** What the hub will have brought to the node; `undefined`: nothing, or nothing of this controller. */
export function sentOf(view: ResourceView): Sent | undefined {
  const { acceptedId, acceptedDeleted, accepted } = view;
  if (acceptedDeleted || acceptedId === undefined || !isOwn(view)) return undefined;
  const [uid = "", stamp = ""] = acceptedId.slice(idPrefix.length).split("/");
  return { uid, stamp, version: accepted };
}

/** Equal for two states of an object between which a node need not distinguish: what was reported goes no way back. */
export function stampOf(wanted: Wanted): string {
  const essence =
    wanted.kind === "membership"
      ? JSON.stringify([wanted.device.description, [...wanted.desired].sort(([a], [b]) => (a < b ? -1 : 1))])
      : essenceOf(wanted.object);
  return createHash("sha256").update(essence).digest("hex").slice(0, 20);
}

export function isSameForNodes(a: KubeObject, b: KubeObject): boolean {
  return a.metadata.uid === b.metadata.uid && essenceOf(a) === essenceOf(b);
}

function essenceOf({ metadata, spec }: KubeObject): string {
  return JSON.stringify([metadata.labels, metadata.annotations, spec]);
}

export function sentNow(wanted: Wanted): Pick<Sent, "uid" | "stamp"> {
  return { uid: wanted.object.metadata.uid ?? "", stamp: stampOf(wanted) };
}

export interface Target {
  readonly node: string;
  readonly path: string;
  /** Wall clock, ms since 1970. */
  readonly now: number;
  /** Of the node's twin of this device. */
  readonly counts: EdgeCounts;
}

/** The messages that bring a node what it is to have of a resource, in their order. */
export function draftsFor(
  target: Target,
  wanted: Wanted | undefined,
  sent: Sent | undefined,
  last?: KubeObject,
): PublishDraft[] {
  if (wanted === undefined) return sent === undefined ? [] : [deletion(target, sent, last)];
  const { uid, stamp } = sentNow(wanted);
  if (sent?.uid === uid && sent.stamp === stamp) return [];
  const isOther = sent !== undefined && sent.uid !== uid;
  const put = putOf(target, wanted, sent === undefined || isOther ? "insert" : "update");
  // A mapper, and a twin, would take the new one for the old one.
  return isOther && wanted.kind !== "devicemodel" ? [deletion(target, sent, last), put] : [put];
}

/** @param version Instead of the object's, where the hub has a newer one. */
export function putOf(
  { node, path, now, counts }: Target,
  wanted: Wanted,
  operation: string,
  version = wanted.object.metadata.resourceVersion ?? "1",
): PublishDraft {
  const { uid, stamp } = sentNow(wanted);
  const draft = { node, source, resource: path, delivery: state, id: `${idPrefix}${uid}/${stamp}` };
  if (wanted.kind !== "membership")
    return { ...draft, operation, resourceVersion: version, content: withoutBookkeeping(wanted.object) };
  const twin = twinOf(wanted.desired, { version, counts, now });
  const content = membershipChange({ eventId: `${uid}/${stamp}`, now }, [
    addedDevice(wanted.device, "namespaced", twin),
  ]);
  return { ...draft, group: "twin", operation: "update", resourceVersion: version, content };
}

/**
 * Takes back what waits for a node that reads no messages of this kind: it replaces what the hub holds, and says nothing,
 * so that a node which gets it does nothing.
 */
export function withdrawal({ node, path, now }: Target, { uid }: Sent): PublishDraft {
  return {
    node,
    source,
    resource: path,
    delivery: state,
    id: `${idPrefix}${uid}/withdrawn`,
    group: "twin",
    operation: "delete",
    content: membershipChange({ eventId: `${uid}/withdrawn`, now }, []),
  };
}

function deletion({ node, path, now }: Target, sent: Sent, last: KubeObject | undefined): PublishDraft {
  const { kind, namespace, name } = placeOf(path) as Place;
  const object = last?.metadata.uid === sent.uid ? last : remains(kind, namespace, name);
  const { resourceVersion } = object.metadata;
  const draft = {
    node,
    source,
    resource: path,
    delivery: state,
    id: `${idPrefix}${sent.uid}/deleted`,
    operation: "delete",
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
  if (kind !== "membership") return { ...draft, content: withoutBookkeeping(object) };
  const gone = { id: deviceId({ namespace, name }, "namespaced"), name };
  const content = membershipChange({ eventId: `${sent.uid}/gone`, now }, [], [gone]);
  return { ...draft, group: "twin", content };
}

/** What is left of an object that nobody has any more: enough for a node to know it. */
function remains(kind: Place["kind"], namespace: string, name: string): KubeObject {
  return {
    apiVersion: "devices.kubeedge.io/v1beta1",
    kind: kind === "devicemodel" ? "DeviceModel" : "Device",
    metadata: { name, namespace },
    spec: {},
  };
}

function twinOf(
  desired: Desired,
  { version, counts, now }: { version: string; counts: EdgeCounts; now: number },
): Record<string, WishedTwin> {
  const entries = [...desired].map(([name, { value, type }]) => {
    const expected = { value, metadata: { timestamp: now } };
    const expected_version = { cloud: Number(version), edge: counts.get(name) ?? 0 };
    return [name, { expected, optional: true, metadata: { type }, expected_version }] as const;
  });
  return Object.fromEntries(entries);
}

/** Who has written which field is no business of nodes. */
function withoutBookkeeping(object: KubeObject): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}
