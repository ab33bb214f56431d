import {
  isDeleted,
  type Twin,
  type TwinPart,
  type Twins,
  type TwinVersion,
  tombstone,
  twinParts,
  withoutVersions,
} from "./device.ts";
import { typeFault, valueFault } from "./values.ts";

/** What is wanted of one property. */
export interface TwinChange {
  readonly expected?: { readonly value?: string };
  readonly actual?: { readonly value?: string };
  readonly optional?: boolean;
  /** `undefined`: not said. */
  readonly type?: string;
  readonly expected_version?: TwinVersion;
  readonly actual_version?: TwinVersion;
}

/** By property; null deletes it. */
export type TwinChanges = ReadonlyMap<string, TwinChange | null>;

export interface TwinOutcome {
  /** The same object if nothing has changed. */
  readonly twins: Twins;
  /** What was set, for whoever asked: null for a deleted property. */
  readonly result: ReadonlyMap<string, Twin | null>;
  /** Before and after; null: it was not there, or is no more. */
  readonly document: ReadonlyMap<string, { readonly last: Twin | null; readonly current: Twin | null }>;
  /** With versions, for the cloud: what it does not know yet, or got wrong. */
  readonly upstream: ReadonlyMap<string, Twin>;
}

/** One property's part of an outcome. */
interface Edit {
  /** `undefined`: as it was. */
  readonly twin?: Twin;
  readonly result?: Twin | null;
  readonly document?: { readonly last: Twin | null; readonly current: Twin | null };
  readonly upstream?: Twin;
}

const none: TwinVersion = { cloud: 0, edge: 0 };

/**
 * Applies what a device or a program on the node says. It is never refused for its version: each value that is
 * set, to what it was already too, counts the edge's version up. Source: KubeEdge DeviceTwin, update from MQTT.
 *
 * @returns Why nothing of it is applied, if one value is wrong.
 */
export function updateTwins(
  twins: Twins,
  changes: TwinChanges,
  now: number,
): TwinOutcome | { readonly refused: string } {
  const edits = new Map<string, Edit>();
  for (const [name, change] of changes) {
    const old = twins.get(name);
    const edit = change === null ? deleteHere(old) : setHere(old, change, now);
    if (typeof edit === "string") return { refused: edit };
    edits.set(name, edit);
  }
  return outcomeOf(twins, edits);
}

/**
 * Applies what the cloud says, where it knows what it changes: a value is taken if neither of its versions is older
 * than ours. Of what is not taken, the cloud is told our value and version. Source: KubeEdge DeviceTwin, cloud sync.
 */
export function syncTwins(twins: Twins, changes: TwinChanges, now: number): TwinOutcome {
  const edits = new Map<string, Edit>();
  for (const [name, change] of changes) {
    if (change === null) continue;
    const old = twins.get(name);
    if (change.type === "deleted") edits.set(name, deleteByCloud(old, change));
    else edits.set(name, old ? setByCloud(old, change, now) : addByCloud(change, now));
  }
  return outcomeOf(twins, edits);
}

/** What the device is to do: its properties with a wish, and those of them whose value is another one. */
export function deltaOf(twins: Twins): { twin: Map<string, Twin>; delta: Map<string, string> } | undefined {
  const twin = new Map<string, Twin>();
  const delta = new Map<string, string>();
  for (const [name, one] of twins) {
    const wanted = one.expected?.value;
    if (isDeleted(one) || !wanted) continue;
    twin.set(name, withoutVersions(one));
    if (wanted !== one.actual?.value) delta.set(name, wanted);
  }
  return delta.size === 0 ? undefined : { twin, delta };
}

function outcomeOf(twins: Twins, edits: ReadonlyMap<string, Edit>): TwinOutcome {
  const changed = new Map(twins);
  const result = new Map<string, Twin | null>();
  const document = new Map<string, { last: Twin | null; current: Twin | null }>();
  const upstream = new Map<string, Twin>();
  for (const [name, edit] of edits) {
    if (edit.twin) changed.set(name, edit.twin);
    if (edit.result !== undefined) result.set(name, edit.result);
    if (edit.document) document.set(name, edit.document);
    if (edit.upstream) upstream.set(name, edit.upstream);
  }
  const same = [...edits.values()].every((edit) => edit.twin === undefined);
  return { twins: same ? twins : changed, result, document, upstream };
}

// ── from this node ───────────────────────────────────────────────────────────────────────────────────────

function deleteHere(old: Twin | undefined): Edit {
  if (old === undefined || isDeleted(old) || old.optional === false) return {};
  const versions = {
    ...(old.expected_version ? { expected_version: counted(old.expected_version) } : {}),
    ...(old.actual_version ? { actual_version: counted(old.actual_version) } : {}),
  };
  const twin = tombstone({ ...old, ...versions });
  return { twin, result: null, document: { last: withoutVersions(old), current: null }, upstream: twin };
}

/** @returns A text: why it is refused. */
function setHere(old: Twin | undefined, change: TwinChange, now: number): Edit | string {
  const base = baseOf(old, change);
  const fault = typeFault(typeOf(base));
  if (fault) return fault;
  const set: TwinPart[] = [];
  let twin = base;
  for (const part of twinParts) {
    const wanted = change[part];
    if (wanted === undefined) continue;
    if (wanted.value === undefined) return `the ${part} value is missing`;
    const wrong = valueFault(typeOf(base), wanted.value);
    if (wrong) return wrong;
    twin = withPart(twin, part, { value: wanted.value, now, version: counted(versionOf(twin, part)) });
    set.push(part);
  }
  twin = withOptional(twin, change);
  if (old !== undefined && set.length === 0 && !differs(old, twin, change)) return {};
  const upstream = old === undefined ? twin : touched(old, twin, set);
  return {
    twin,
    result: withoutVersions(upstream),
    document: { last: aliveOrNull(old), current: withoutVersions(twin) },
    upstream,
  };
}

/** Of a property that was there before, what a document tells of a change. */
function touched(old: Twin, twin: Twin, set: readonly TwinPart[]): Twin {
  const some = set.length > 0;
  return {
    ...(set.includes("expected") ? pick(twin, "expected") : {}),
    ...(set.includes("actual") ? pick(twin, "actual") : {}),
    ...(some || twin.optional !== old.optional ? { optional: twin.optional ?? true } : {}),
    ...(some || isDeleted(old) ? { metadata: twin.metadata ?? {} } : {}),
    ...(set.includes("expected") ? pick(twin, "expected_version") : {}),
    ...(set.includes("actual") ? pick(twin, "actual_version") : {}),
  };
}

// ── from the cloud ───────────────────────────────────────────────────────────────────────────────────────

function deleteByCloud(old: Twin | undefined, change: TwinChange): Edit {
  const given = { ...pick(change, "expected_version"), ...pick(change, "actual_version") };
  if (old === undefined) return { twin: tombstone({ ...given }) };
  if (isDeleted(old)) return {};
  const taken: { expected_version?: TwinVersion; actual_version?: TwinVersion } = {};
  for (const part of twinParts) {
    const key = versionKey(part);
    const mine = old[key];
    const theirs = change[key];
    if (mine === undefined || theirs === undefined) continue;
    if (isBehind(theirs, mine)) return { upstream: old };
    taken[key] = theirs;
  }
  const twin = tombstone({ ...old, ...taken });
  return { twin, document: { last: withoutVersions(old), current: null } };
}

function addByCloud(change: TwinChange, now: number): Edit {
  let twin = baseOf(undefined, change);
  if (typeFault(typeOf(twin))) return {};
  for (const part of twinParts) {
    const value = change[part]?.value;
    const version = change[versionKey(part)];
    if (value === undefined) continue;
    if (version === undefined || isBehind(version, none) || valueFault(typeOf(twin), value)) return {};
    twin = withPart(twin, part, { value, now, version });
  }
  return { twin, document: { last: null, current: withoutVersions(twin) } };
}

function setByCloud(old: Twin, change: TwinChange, now: number): Edit {
  const base = baseOf(old, change);
  if (typeFault(typeOf(base))) return {};
  let twin = base;
  let some = false;
  let refused: TwinPart | undefined;
  for (const part of twinParts) {
    const value = change[part]?.value;
    if (refused !== undefined || value === undefined || valueFault(typeOf(base), value)) continue;
    const version = change[versionKey(part)];
    if (version === undefined || isBehind(version, versionOf(old, part))) {
      refused = part;
      continue;
    }
    twin = withPart(twin, part, { value, now, version });
    some = true;
  }
  const upstream = refused === undefined ? {} : { upstream: own(some ? twin : old, refused) };
  if (refused === undefined) twin = withOptional(twin, change);
  else if (!some) return upstream;
  if (!some && !differs(old, twin, change)) return upstream;
  return { twin, document: { last: aliveOrNull(old), current: withoutVersions(twin) }, ...upstream };
}

/** What the cloud has wrong, as it is here. */
function own(twin: Twin, part: TwinPart): Twin {
  return {
    ...pick(twin, part),
    optional: twin.optional ?? true,
    metadata: twin.metadata ?? {},
    ...pick(twin, versionKey(part)),
  };
}

// ── parts of a property ──────────────────────────────────────────────────────────────────────────────────

/** The property before its values are set: as it is, as it comes back, or as it is made. */
function baseOf(old: Twin | undefined, change: TwinChange): Twin {
  if (old !== undefined && !isDeleted(old)) return old;
  const type = change.type ?? "string";
  const metadata = type === "" ? {} : { type };
  if (old === undefined) return { optional: change.optional ?? true, metadata };
  const { expected: _, actual: __, ...rest } = old;
  return { ...rest, metadata };
}

function withPart(
  twin: Twin,
  part: TwinPart,
  { value, now, version }: { value: string; now: number; version: TwinVersion },
): Twin {
  const merged = { ...twin, [part]: { value, metadata: { timestamp: now } }, [versionKey(part)]: version };
  return inOrder(merged);
}

/** The order of KubeEdge's fields. */
function inOrder(twin: Twin): Twin {
  return {
    ...pick(twin, "expected"),
    ...pick(twin, "actual"),
    ...pick(twin, "optional"),
    ...pick(twin, "metadata"),
    ...pick(twin, "expected_version"),
    ...pick(twin, "actual_version"),
  };
}

/** What must not be deleted stays so. */
function withOptional(twin: Twin, { optional }: TwinChange): Twin {
  return optional === false && twin.optional !== false ? { ...twin, optional: false } : twin;
}

/** Would a document differ, though no value was set? A type that is not taken over counts too. */
function differs(old: Twin, twin: Twin, { type }: TwinChange): boolean {
  return isDeleted(old) || twin.optional !== old.optional || (type !== undefined && type !== typeOf(old));
}

function aliveOrNull(old: Twin | undefined): Twin | null {
  return old === undefined || isDeleted(old) ? null : withoutVersions(old);
}

function typeOf(twin: Twin): string {
  return twin.metadata?.type ?? "";
}

const versionKey = <Part extends TwinPart>(part: Part) => `${part}_version` as const;

function versionOf(twin: Twin, part: TwinPart): TwinVersion {
  return twin[versionKey(part)] ?? none;
}

function counted({ cloud, edge }: TwinVersion): TwinVersion {
  return { cloud, edge: edge + 1 };
}

function isBehind(theirs: TwinVersion, ours: TwinVersion): boolean {
  return ours.cloud > theirs.cloud || ours.edge > theirs.edge;
}

function pick<T extends object, Key extends keyof T>(from: T, key: Key): Pick<T, Key> | object {
  return from[key] === undefined ? {} : { [key]: from[key] };
}
