import { HubError, shown } from "../../protocol/index.ts";
import type { Attribute, TwinVersion } from "./device.ts";
import type { TwinChange, TwinChanges } from "./twin.ts";
import { nameFault, textFault } from "./values.ts";

/**
 * What devices, programs and the cloud send, checked field by field; unknown fields are passed over. Each function
 * throws `E_BAD_MESSAGE` with the reason. Null stands for a field that is missing, as in KubeEdge's own reading.
 */

export interface TwinRequest {
  readonly eventId: string;
  readonly changes: TwinChanges;
}

/** A device as the cloud describes it. `undefined`: it does not say. */
export interface DeviceDescription {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly state: string;
  readonly attributes: ReadonlyMap<string, Attribute | null> | undefined;
  readonly twins: TwinChanges | undefined;
  /** As it came, for those who are told that it was added or removed. */
  readonly said: Readonly<Record<string, unknown>>;
}

type Fields = Readonly<Record<string, unknown>>;

/** Why a request to change twins is refused that is no JSON, or none of its shape. KubeEdge's words, as the next. */
export const unreadable = "Unmarshal update request body failed, please check the request";
const noTwin = "Update twin error, key:twin does not exist";

/** The id that answers carry. */
export function readEventId(json: unknown): string {
  return textOf(fieldsOf(json, "request"), "event_id");
}

/** A request to change twins, from here or from the cloud. Reasons are KubeEdge's texts. */
export function readTwinRequest(json: unknown): TwinRequest {
  let request: TwinRequest | undefined;
  try {
    const fields = fieldsOf(json, "request");
    const changes = changesOf(fields);
    if (changes) request = { eventId: textOf(fields, "event_id"), changes };
  } catch (cause) {
    throw new HubError("E_BAD_MESSAGE", unreadable, { cause });
  }
  if (request === undefined) throw new HubError("E_BAD_MESSAGE", noTwin);
  for (const [name, change] of request.changes) {
    const texts = [change?.expected?.value, change?.actual?.value];
    const fault = nameFault(name) ?? texts.flatMap((text) => textFault(text ?? "") ?? [])[0];
    if (fault) throw new HubError("E_BAD_MESSAGE", fault);
  }
  return request;
}

export function readState(json: unknown): string {
  const fields = fieldsOf(json, "request");
  textOf(fields, "event_id");
  return textOf(fields, "state");
}

/** Attributes of one device that have changed; null: gone. */
export function readAttributeUpdate(json: unknown): {
  eventId: string;
  attributes: ReadonlyMap<string, Attribute | null>;
} {
  const fields = fieldsOf(json, "update");
  return { eventId: textOf(fields, "event_id"), attributes: attributesOf(fields) ?? new Map() };
}

/** Devices that come and go. */
export function readMembership(json: unknown): { added: DeviceDescription[]; removed: DeviceDescription[] } {
  const fields = fieldsOf(json, "membership");
  return { added: devicesOf(fields, "added_devices"), removed: devicesOf(fields, "removed_devices") };
}

/** All devices there are; null: none. That the list is missing does not mean that. */
export function readDetail(json: unknown): DeviceDescription[] {
  const fields = fieldsOf(json, "membership");
  if (fields.devices === undefined) throw bad("devices", "a list", undefined);
  return devicesOf(fields, "devices");
}

function devicesOf(fields: Fields, key: string): DeviceDescription[] {
  const list = fields[key] ?? [];
  if (!Array.isArray(list)) throw bad(key, "a list", list);
  return list.map((one) => {
    const said = fieldsOf(one, key);
    return {
      id: textOf(said, "id"),
      name: textOf(said, "name"),
      description: textOf(said, "description"),
      state: textOf(said, "state"),
      attributes: attributesOf(said),
      twins: changesOf(said),
      said,
    };
  });
}

function attributesOf(fields: Fields): ReadonlyMap<string, Attribute | null> | undefined {
  return mapOf(fields, "attributes", (attribute) => ({
    value: textOf(attribute, "value"),
    ...optionalOf(attribute),
    ...(typeOf(attribute) === undefined ? {} : { metadata: { type: typeOf(attribute) as string } }),
  }));
}

function changesOf(fields: Fields): TwinChanges | undefined {
  return mapOf(fields, "twin", (twin): TwinChange => {
    const type = typeOf(twin);
    return {
      ...partOf(twin, "expected"),
      ...partOf(twin, "actual"),
      ...optionalOf(twin),
      ...(type === undefined ? {} : { type }),
      ...versionOf(twin, "expected_version"),
      ...versionOf(twin, "actual_version"),
    };
  });
}

function mapOf<T>(
  fields: Fields,
  key: string,
  read: (one: Fields) => T,
): ReadonlyMap<string, T | null> | undefined {
  const found = fields[key];
  if (found === undefined || found === null) return undefined;
  const entries = Object.entries(fieldsOf(found, key));
  return new Map(entries.map(([name, one]) => [name, one === null ? null : read(fieldsOf(one, key))]));
}

function partOf<Key extends "expected" | "actual">(
  fields: Fields,
  key: Key,
): { readonly [K in Key]?: { readonly value?: string } } {
  const found = fields[key];
  if (found === undefined || found === null) return {};
  const { value } = fieldsOf(found, key);
  if (value !== undefined && value !== null && typeof value !== "string") throw bad("value", "a text", value);
  return { [key]: typeof value === "string" ? { value } : {} } as {
    [K in Key]?: { value?: string };
  };
}

function optionalOf(fields: Fields): { optional?: boolean } {
  const { optional } = fields;
  if (optional === undefined || optional === null) return {};
  if (typeof optional !== "boolean") throw bad("optional", "true or false", optional);
  return { optional };
}

/** `undefined`: there is no metadata. */
function typeOf({ metadata }: Fields): string | undefined {
  return metadata === undefined || metadata === null
    ? undefined
    : textOf(fieldsOf(metadata, "metadata"), "type");
}

/** Counts beyond this cannot be counted on. */
const maxCount = 2 ** 52;

function versionOf<Key extends "expected_version" | "actual_version">(
  fields: Fields,
  key: Key,
): { readonly [K in Key]?: TwinVersion } {
  const found = fields[key];
  if (found === undefined || found === null) return {};
  const { cloud, edge } = fieldsOf(found, key);
  const version = { cloud: countOf(cloud, key), edge: countOf(edge, key) };
  return { [key]: version } as { [K in Key]?: TwinVersion };
}

function countOf(count: unknown, key: string): number {
  if (count === undefined || count === null) return 0;
  if (typeof count === "number" && Number.isInteger(count) && Math.abs(count) <= maxCount) return count;
  throw bad(key, `a whole number up to ${maxCount}`, count);
}

function textOf(fields: Fields, key: string): string {
  const text = fields[key] ?? "";
  if (typeof text !== "string") throw bad(key, "a text", text);
  return text;
}

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw bad(what, "an object", value);
  return value as Fields;
}

function bad(what: string, wanted: string, got: unknown): HubError {
  return new HubError("E_BAD_MESSAGE", `${what} must be ${wanted}, got ${shown(got)}`);
}
