import type { KubeObject } from "../../kubernetes/index.ts";
import { objectOf, objectsOf, specOf, statusOf, textOf } from "../runtime/fields.ts";
import { currentDevice } from "./older-form.ts";

/** A Device as this controller reads it, whichever form it was written in. Pure. */
export interface DeviceView {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Empty: it is at no node. */
  readonly node: string;
  /** Name of its model, in its namespace. Empty: it has none. */
  readonly model: string;
  readonly description: string;
  readonly properties: readonly PropertyView[];
  readonly createdAt: string;
}

export interface PropertyView {
  readonly name: string;
  /** What it is to be; `undefined`: nobody says. */
  readonly desired: string | undefined;
  /** As the user declared it; empty: as the model says. */
  readonly type: string;
}

/** How a node names its devices: `lamp` up to KubeEdge 1.16.1, `default/lamp` since then. */
export type IdForm = "name" | "namespaced";

export function readDevice(object: KubeObject): DeviceView {
  const current = currentDevice(object);
  const { metadata } = current;
  const spec = specOf(current);
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name ?? "",
    uid: metadata.uid ?? "",
    node: textOf(spec.nodeName),
    model: textOf(objectOf(spec.deviceModelRef).name),
    description: metadata.labels?.description ?? "",
    properties: objectsOf(spec.properties).map((property) => {
      const { value, metadata: declared } = objectOf(property.desired);
      return {
        name: textOf(property.name),
        desired: typeof value === "string" ? value : undefined,
        type: textOf(objectOf(declared).type).toLowerCase(),
      };
    }),
    createdAt: metadata.creationTimestamp ?? "",
  };
}

export function deviceId({ namespace, name }: Pick<DeviceView, "namespace" | "name">, form: IdForm): string {
  return form === "name" ? name : `${namespace}/${name}`;
}

/** Of devices that a node would know under the same id, the oldest: it keeps its id whatever comes. */
export function oldestByName(devices: readonly DeviceView[]): Map<string, DeviceView> {
  const found = new Map<string, DeviceView>();
  for (const device of devices) {
    const rival = found.get(device.name);
    if (rival === undefined || isOlder(device, rival)) found.set(device.name, device);
  }
  return found;
}

function isOlder(a: DeviceView, b: DeviceView): boolean {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt;
  return a.uid < b.uid;
}

/** Properties of which reports are kept: those of the spec, and those that the user has listed in the status. */
export function reportedProperties(object: KubeObject): ReadonlySet<string> {
  const listed = objectsOf(statusOf(object).twins).map((twin) => textOf(twin.propertyName));
  return new Set([...readDevice(object).properties.map(({ name }) => name), ...listed]);
}
