import type { KubeObject } from "../../kubernetes/index.ts";
import { type Json, objectOf, objectsOf, specOf, statusOf, textOf } from "../runtime/fields.ts";

/**
 * Devices and models in the form of v1alpha2, which KubeEdge had up to 1.14: the API serves objects under either version
 * as they were written. Here they are brought into the form of v1beta1, which nodes know. Pure.
 */

const apiVersion = "devices.kubeedge.io/v1beta1";

/** Was it written as v1alpha2? */
export function isOlderDevice(object: KubeObject): boolean {
  const spec = specOf(object);
  if (spec.nodeName !== undefined || spec.properties !== undefined) return false;
  return ["nodeSelector", "propertyVisitors", "data"].some((field) => spec[field] !== undefined);
}

export function currentDevice(object: KubeObject): KubeObject {
  if (!isOlderDevice(object)) return { ...object, apiVersion, kind: "Device" };
  const { status: _, ...rest } = object;
  const spec = specOf(object);
  const { protocol, properties } = { protocol: protocolOf(spec), properties: propertiesOf(object) };
  return {
    ...rest,
    apiVersion,
    kind: "Device",
    spec: {
      ...(spec.deviceModelRef === undefined ? {} : { deviceModelRef: spec.deviceModelRef }),
      ...(nodeOf(spec) === "" ? {} : { nodeName: nodeOf(spec) }),
      properties,
      ...(protocol === undefined ? {} : { protocol }),
    },
  };
}

export function currentModel(object: KubeObject): KubeObject {
  const current = { ...object, apiVersion, kind: "DeviceModel" };
  const spec = specOf(object);
  const properties = objectsOf(spec.properties);
  if (properties.every(({ type }) => typeof type !== "object")) return current;
  return { ...current, spec: { ...spec, properties: properties.map(modelProperty) } };
}

/** The first node that its selector names: KubeEdge reads no more of it. */
function nodeOf(spec: Json): string {
  const [term] = objectsOf(objectOf(spec.nodeSelector).nodeSelectorTerms);
  const [expression] = objectsOf(term?.matchExpressions);
  const values = expression?.operator === "In" ? expression.values : undefined;
  return Array.isArray(values) ? textOf(values[0]) : "";
}

const protocols = ["modbus", "opcua", "bluetooth", "customizedProtocol"] as const;

/** One of several protocols that each had a field of its own. */
function protocolOf(spec: Json): Json | undefined {
  const given = objectOf(spec.protocol);
  const found = protocols.find((name) => given[name] !== undefined);
  if (found === undefined) return undefined;
  const { protocolName, configData } = namedProtocol(found, objectOf(given[found]));
  return { protocolName, configData: { ...configData, ...objectOf(given.common) } };
}

function namedProtocol(field: string, given: Json): { protocolName: string; configData: Json } {
  if (field !== "customizedProtocol") return { protocolName: field, configData: given };
  return { protocolName: textOf(given.protocolName), configData: objectOf(given.configData) };
}

function propertiesOf(object: KubeObject): Json[] {
  const twins = new Map(objectsOf(statusOf(object).twins).map((twin) => [textOf(twin.propertyName), twin]));
  const visitors = new Map(
    objectsOf(specOf(object).propertyVisitors).map((visitor) => [textOf(visitor.propertyName), visitor]),
  );
  return [...new Set([...visitors.keys(), ...twins.keys()])].map((name) => {
    const desired = twins.get(name)?.desired;
    return { name, ...(desired === undefined ? {} : { desired }), ...visitorOf(visitors.get(name)) };
  });
}

function visitorOf(visitor: Json | undefined): Json {
  if (visitor === undefined) return {};
  const { reportCycle, collectCycle, customizedValues } = visitor;
  const found = protocols.find((name) => visitor[name] !== undefined);
  const named = found && namedProtocol(found, objectOf(visitor[found]));
  return {
    ...(reportCycle === undefined ? {} : { reportCycle }),
    ...(collectCycle === undefined ? {} : { collectCycle }),
    ...(named && {
      visitors: { ...named, configData: { ...named.configData, ...objectOf(customizedValues) } },
    }),
  };
}

function modelProperty({ name, description, type }: Json): Json {
  const [[word = "", given] = []] = Object.entries(objectOf(type));
  const { accessMode, minimum, maximum, unit } = objectOf(given);
  const fields = {
    name,
    description,
    type: word === "" ? undefined : word.toUpperCase(),
    accessMode,
    minimum: minimum === undefined ? undefined : String(minimum),
    maximum: maximum === undefined ? undefined : String(maximum),
    unit,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
