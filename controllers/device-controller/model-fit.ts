import type { KubeObject } from "../../kubernetes/index.ts";
import { type Json, objectsOf, specOf, textOf } from "../runtime/fields.ts";
import type { DeviceView, PropertyView } from "./device.ts";
import { currentModel } from "./older-form.ts";

/** What a device wants against what its model allows, and what a node's DeviceTwin can hold. Pure. */

export interface DesiredValue {
  readonly value: string;
  readonly type: string;
}

export interface Fit {
  /** What a node's DeviceTwin is to be told, by property. */
  readonly desired: ReadonlyMap<string, DesiredValue>;
  /** What is wrong, for people. */
  readonly faults: readonly string[];
}

/** DeviceTwin's words for the types of models. */
const twinTypes: Readonly<Record<string, string>> = {
  INT: "int",
  FLOAT: "float",
  DOUBLE: "float",
  BOOLEAN: "boolean",
  STRING: "string",
  BYTES: "string",
  STREAM: "string",
};
const declaredTypes: Readonly<Record<string, string>> = {
  int: "int",
  integer: "integer",
  float: "float",
  double: "float",
  boolean: "boolean",
  string: "string",
};
const twinName = /^[-a-zA-Z0-9_.,:/@#]{1,128}$/;
const twinValue = /^[-a-zA-Z0-9_.,:/@#]{0,512}$/;

/** @param model `undefined`: there is none; then only the values themselves are looked at. */
export function fitOf(device: DeviceView, model: KubeObject | undefined): Fit {
  const declared = model && modelProperties(model);
  const desired = new Map<string, DesiredValue>();
  const faults: string[] = [];
  for (const property of device.properties) {
    const allowed = declared?.get(property.name);
    const type = typeOf(property, allowed);
    const misfit =
      declared !== undefined && allowed === undefined ? `is not in the model ${device.model}` : undefined;
    const wrong = misfit ?? valueFault(property, type, allowed) ?? twinFault(property);
    if (wrong !== undefined) faults.push(`property ${shortened(property.name)} ${wrong}`);
    else if (property.desired !== undefined) desired.set(property.name, { value: property.desired, type });
  }
  return { desired, faults };
}

function modelProperties(model: KubeObject): Map<string, Json> {
  const properties = objectsOf(specOf(currentModel(model)).properties);
  return new Map(properties.map((property) => [textOf(property.name), property]));
}

function typeOf({ type }: PropertyView, allowed: Json | undefined): string {
  return twinTypes[textOf(allowed?.type)] ?? declaredTypes[type] ?? "string";
}

function valueFault({ desired }: PropertyView, type: string, allowed: Json | undefined): string | undefined {
  if (desired === undefined || desired === "") return undefined;
  if (allowed?.accessMode === "ReadOnly") return "cannot be desired: the model says ReadOnly";
  const shown = shortened(desired);
  if (type === "boolean")
    return desired === "true" || desired === "false" ? undefined : `cannot be ${shown}: it is a boolean`;
  if (type === "string") return undefined;
  const isNumber = type === "float" ? Number.isFinite(Number(desired)) : /^[-+]?\d{1,19}$/.test(desired);
  if (!isNumber) return `cannot be ${shown}: it is ${type === "float" ? "a float" : "an integer"}`;
  const { minimum, maximum } = { minimum: boundOf(allowed?.minimum), maximum: boundOf(allowed?.maximum) };
  if (minimum !== undefined && Number(desired) < minimum) return `cannot be ${shown}: less than ${minimum}`;
  if (maximum !== undefined && Number(desired) > maximum) return `cannot be ${shown}: more than ${maximum}`;
  return undefined;
}

function twinFault({ name, desired = "" }: PropertyView): string | undefined {
  if (!twinName.test(name))
    return "has a name that nodes cannot hold: letters, digits and -_.,:/@#, up to 128";
  if (!twinValue.test(desired))
    return `cannot be ${shortened(desired)}: nodes hold letters, digits and -_.,:/@#, up to 512`;
  return undefined;
}

function boundOf(value: unknown): number | undefined {
  const bound = typeof value === "string" && value.trim() !== "" ? Number(value) : Number.NaN;
  return Number.isNaN(bound) ? undefined : bound;
}

function shortened(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
