import type { KubeObject } from "../../kubernetes/index.ts";
import { type Json, objectsOf, statusOf, textOf } from "../runtime/fields.ts";
import { isOlderDevice } from "./older-form.ts";
import type { PropertyReport, ReportedValue, StateReport } from "./reports.ts";

/** What reports make of a status. Pure. Source: KubeEdge DeviceController, upstream. */

export interface Reported {
  readonly twins: ReadonlyMap<string, PropertyReport>;
  readonly state: StateReport | undefined;
}

/** @param object A Device or a DeviceStatus. @returns The fields of its status that are to change; none if none is. */
export function statusChange(object: KubeObject, { twins, state }: Reported): Json {
  const before = statusOf(object);
  const list = objectsOf(before.twins);
  const known = new Set(list.map(({ propertyName }) => textOf(propertyName)));
  const withWish = !isOlderDevice(object);
  const changed = list.map((twin) => {
    const report = twins.get(textOf(twin.propertyName));
    return report === undefined ? twin : twinWith(twin, report, withWish);
  });
  const added = [...twins].flatMap(([propertyName, report]) =>
    known.has(propertyName) ? [] : [twinWith({ propertyName }, report, withWish)],
  );
  const next = {
    ...(twins.size === 0 ? {} : { twins: [...changed, ...added] }),
    ...(state === undefined ? {} : { state: state.state }),
    ...(state?.lastOnlineTime === undefined ? {} : { lastOnlineTime: state.lastOnlineTime }),
  };
  const entries = Object.entries(next).filter(
    ([field, value]) => JSON.stringify(value) !== JSON.stringify(before[field]),
  );
  return Object.fromEntries(entries);
}

/** @param withWish In the older form a twin has no field for what the node knows of the wish. */
function twinWith(twin: Json, { actual, expected, type }: PropertyReport, withWish: boolean): Json {
  const { reported, observedDesired, ...rest } = twin;
  const says = actual === undefined ? reported : shownValue(actual, type);
  const knows = expected === undefined || !withWish ? observedDesired : shownValue(expected, type);
  return {
    ...rest,
    ...(says === undefined ? {} : { reported: says }),
    ...(knows === undefined ? {} : { observedDesired: knows }),
  };
}

function shownValue({ value, at }: ReportedValue, type: string): Json | undefined {
  if (value === undefined) return undefined;
  return { value, metadata: { timestamp: String(at), ...(type === "" ? {} : { type }) } };
}
