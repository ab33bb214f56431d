import { contentOf, HubError, type Message } from "../../sdk/index.ts";
import { type Json, objectOf, textOf } from "../runtime/fields.ts";

/** What nodes say of their devices. Pure. Source: KubeEdge DeviceTwin, messages with the cloud. */

/** One half of a property: what the device says, or what it is to be as the node knows it. */
export interface ReportedValue {
  /** `undefined`: it has none any more. */
  readonly value: string | undefined;
  /** When it was set, by the node's clock, ms since 1970. */
  readonly at: number;
  /** How often it was set: by the cloud, and at the node. `undefined`: the node does not say. */
  readonly version: { readonly cloud: number; readonly edge: number } | undefined;
}

export interface PropertyReport {
  readonly type: string;
  readonly actual?: ReportedValue;
  readonly expected?: ReportedValue;
}

export interface StateReport {
  readonly state: string;
  /** RFC 3339; `undefined`: the state says that it is not online. */
  readonly lastOnlineTime: string | undefined;
}

export type Report =
  | { readonly what: "twins"; readonly id: string; readonly twins: ReadonlyMap<string, PropertyReport> }
  | { readonly what: "state"; readonly id: string; readonly state: StateReport };

const endings = { twins: "/twin/edge_updated", state: "/state/update" } as const;
const onlineStates: ReadonlySet<string> = new Set(["online", "ok"]);
const maxText = 1024;

/** @returns `undefined`: it is not about a device's values or state. Throws `E_BAD_MESSAGE`. */
export function readReport(message: Message): Report | undefined {
  const { path } = message.resource;
  if (!path.startsWith("device/")) return undefined;
  const what = (["twins", "state"] as const).find((one) => path.endsWith(endings[one]));
  if (what === undefined) return undefined;
  const id = path.slice("device/".length, -endings[what].length);
  const document = documentOf(message);
  if (what === "state") return { what, id, state: stateOf(document) };
  if (typeof document.twin !== "object" || document.twin === null)
    throw new HubError("E_BAD_MESSAGE", "a report of twins has no twin");
  const twins = Object.entries(objectOf(document.twin)).map(([name, twin]) => [
    name,
    propertyOf(objectOf(twin), timeOf(document.timestamp)),
  ]);
  return { what, id, twins: new Map(twins as [string, PropertyReport][]) };
}

/** An object, or the text of one. */
function documentOf(message: Message): Json {
  const content = contentOf(message);
  if (typeof content !== "string") return objectOf(content);
  try {
    return objectOf(JSON.parse(content));
  } catch (cause) {
    throw new HubError("E_BAD_MESSAGE", "a report is no JSON", { cause });
  }
}

function propertyOf(twin: Json, sentAt: number): PropertyReport {
  const type = textOf(objectOf(twin.metadata).type);
  const half = (name: "actual" | "expected"): ReportedValue | undefined => {
    const given = twin[name];
    if (typeof given !== "object" || given === null) return undefined;
    const { value, metadata } = objectOf(given);
    const said = typeof value === "string" && type !== "deleted" ? value.slice(0, maxText) : undefined;
    return {
      value: said,
      at: timeOf(objectOf(metadata).timestamp) || sentAt,
      version: versionOf(twin[`${name}_version`]),
    };
  };
  const [actual, expected] = [half("actual"), half("expected")];
  return { type, ...(actual && { actual }), ...(expected && { expected }) };
}

function versionOf(value: unknown): ReportedValue["version"] {
  const { cloud, edge } = objectOf(value);
  if (!Number.isSafeInteger(cloud) || !Number.isSafeInteger(edge)) return undefined;
  return { cloud: cloud as number, edge: edge as number };
}

function stateOf(document: Json): StateReport {
  const { state, lastOnlineTime } = objectOf(document.device);
  const said = textOf(state).slice(0, maxText);
  if (said === "") throw new HubError("E_BAD_MESSAGE", "a report of a device's state has no state");
  if (!onlineStates.has(said.toLowerCase())) return { state: said, lastOnlineTime: undefined };
  const time = Date.parse(textOf(lastOnlineTime));
  // KubeEdge 1.15 says it in the node's local time, without saying which: the time of the message is the same.
  const at = Number.isNaN(time) ? timeOf(document.timestamp) : time;
  return { state: said, lastOnlineTime: new Date(at).toISOString().replace(/\.\d+Z$/, "Z") };
}

function timeOf(value: unknown): number {
  return Number.isSafeInteger(value) && (value as number) > 0 && (value as number) < 8.64e15
    ? (value as number)
    : 0;
}

/** The newer report of a property, each half for itself. */
export function newest(known: PropertyReport | undefined, report: PropertyReport): PropertyReport {
  if (known === undefined) return report;
  const actual = newerHalf(known.actual, report.actual);
  const expected = newerHalf(known.expected, report.expected);
  return { type: report.type || known.type, ...(actual && { actual }), ...(expected && { expected }) };
}

function newerHalf(
  known: ReportedValue | undefined,
  later: ReportedValue | undefined,
): ReportedValue | undefined {
  if (known === undefined || later === undefined) return later ?? known;
  return isRepeated(known, later) ? known : later;
}

/**
 * An edge that got no confirmation sends a report again, after newer ones perhaps. It is older by its version and by its
 * time; a device that was made anew counts from the beginning but is later, a clock that was set back goes back alone.
 */
function isRepeated(known: ReportedValue, later: ReportedValue): boolean {
  if (known.version === undefined || later.version === undefined) return false;
  return later.version.edge < known.version.edge && later.at < known.at;
}
