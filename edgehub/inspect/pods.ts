import { ageOf } from "../../kubernetes/table/age.ts";
import { counted, formatAge } from "../../platform/quantities.ts";
import type { Database } from "../../platform/sqlite.ts";
import { contentOf } from "../../protocol/index.ts";
import type { PodMemory } from "../edged/pod-memory.ts";
import type { ContainerState, ContainerStatus, PodStatus } from "../edged/pod-status.ts";
import { findNamed } from "./find.ts";
import { type ListColumn, type Listing, listingOf, type Wanted } from "./listing.ts";
import { listOf, objectOf, patched, textOf } from "./objects.ts";
import { readEdge } from "./place.ts";

/** A pod of this node: what the cloud wants, and what Edged made of it. */
export interface LocalPod {
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly version: string | undefined;
  /** Who sent it; `undefined`: the cloud has deleted it. */
  readonly source: string | undefined;
  /** Wall clock, ms: when it came. */
  readonly changedAt: number;
  /** The object, as it came. */
  readonly object: Readonly<Record<string, unknown>>;
  /** The cloud has deleted it; it is here until all of it has ended. */
  readonly isDeleted: boolean;
  /** `undefined`: Edged has not begun with it, or does not run. */
  readonly memory: PodMemory | undefined;
  /** As the cloud was told last. */
  readonly status: Partial<PodStatus> | undefined;
}

interface PodRow {
  readonly key: string;
  readonly namespace: string | null;
  readonly name: string;
  readonly source: string;
  readonly version: string | null;
  readonly uid: string | null;
  readonly changed_at: number;
  readonly value: Uint8Array;
}

/** In the order of their paths; those that the cloud has deleted, and that have not ended yet, behind the others. */
export function localPods(database: Database): LocalPod[] {
  const rows = database
    .prepare(
      `SELECT key, namespace, name, source, version, uid, changed_at, value
       FROM meta WHERE deleted = 0 AND type = 'pod' ORDER BY key`,
    )
    .all() as PodRow[];
  const states = database.prepare("SELECT state FROM edged_pod ORDER BY key").all() as { state: string }[];
  const memories = new Map(states.flatMap(({ state }) => memoryIn(state)).map((one) => [one.uid, one]));
  const wanted = rows.map((row) => wantedPod(row, memories));
  for (const { uid } of wanted) memories.delete(uid);
  return [...wanted, ...[...memories.values()].map(endingPod)];
}

/** The pod that is meant; of two of one name, the one that the cloud wants. Throws as `findNamed`. */
export function findPod(
  pods: readonly LocalPod[],
  which: { wanted: string; namespace: string | undefined },
): LocalPod {
  const byName = Map.groupBy(pods, ({ namespace, name }) => `${namespace}/${name}`);
  const candidates = [...byName.values()].flatMap(([first]) => first ?? []);
  return findNamed(candidates, { what: "pod", ...which });
}

function wantedPod(row: PodRow, memories: ReadonlyMap<string, PodMemory>): LocalPod {
  const object = objectOf(contentOf({ content: row.value }));
  const uid = row.uid ?? textOf(objectOf(object.metadata).uid);
  const memory = memories.get(uid);
  return {
    resource: row.key,
    namespace: row.namespace ?? "",
    name: row.name,
    uid,
    version: row.version ?? undefined,
    source: row.source,
    changedAt: row.changed_at,
    object,
    isDeleted: false,
    memory,
    status: memory && sentStatus(memory),
  };
}

/** Of the object nothing is left but its name. */
function endingPod(memory: PodMemory): LocalPod {
  const { namespace, name, uid, startTime } = memory;
  return {
    resource: `${namespace}/pod/${name}`,
    namespace,
    name,
    uid,
    version: undefined,
    source: undefined,
    changedAt: startTime,
    object: { metadata: { namespace, name, uid } },
    isDeleted: true,
    memory,
    status: sentStatus(memory),
  };
}

function memoryIn(text: string): PodMemory[] {
  const found = jsonIn(text);
  return textOf(found.uid) === "" ? [] : [found as unknown as PodMemory];
}

function sentStatus({ sent }: PodMemory): Partial<PodStatus> | undefined {
  return sent ? (objectOf(patched(jsonIn(sent).status)) as Partial<PodStatus>) : undefined;
}

/** Empty for what is damaged: the agent takes it for nothing, too. */
function jsonIn(text: string): Readonly<Record<string, unknown>> {
  try {
    return objectOf(JSON.parse(text));
  } catch {
    return {};
  }
}

/** What is told of its containers, those that run before the others first. */
export function containersOf({ status }: Pick<LocalPod, "status">): readonly ContainerStatus[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
}

/** How it is in one word, as kubectl has it. */
export function conditionOf(pod: Pick<LocalPod, "object" | "status"> & { isDeleted?: boolean }): string {
  if (pod.isDeleted || objectOf(pod.object.metadata).deletionTimestamp) return "Terminating";
  const { status } = pod;
  if (status === undefined) return "Waiting";
  const inits = status.initContainerStatuses ?? [];
  const sidecars = listOf(objectOf(pod.object.spec).initContainers).map(
    ({ restartPolicy }) => restartPolicy === "Always",
  );
  const is = (type: string): boolean =>
    status.conditions?.some((one) => one.type === type && one.status === "True") ?? false;
  const at = is("Initialized")
    ? -1
    : inits.findIndex(({ state, started }, place) =>
        sidecars[place] ? !started : !state.terminated || state.terminated.exitCode,
      );
  const init = inits[at];
  if (init !== undefined) {
    const stuck = reasonOf(init.state);
    return `Init:${stuck === undefined || stuck === "PodInitializing" ? `${at}/${inits.length}` : stuck}`;
  }
  const main = status.containerStatuses ?? [];
  const reason = main.map(({ state }) => reasonOf(state)).find((one) => one !== undefined);
  if (reason === undefined) return status.reason ?? status.phase ?? "Unknown";
  if (reason !== "Completed" || !main.some(({ state, ready }) => state.running && ready)) return reason;
  return is("Ready") ? "Running" : "NotReady";
}

function reasonOf({ waiting, terminated }: ContainerState): string | undefined {
  return waiting?.reason ?? terminated?.reason;
}

export function restartsOf(pod: Pick<LocalPod, "status">): number {
  return containersOf(pod).reduce((sum, { restartCount }) => sum + restartCount, 0);
}

/** `4 (32s ago)`: how often, and when its newest end was. */
function restartsText(pod: LocalPod, now: number): string {
  const ends = containersOf(pod).map(({ lastState }) => Date.parse(lastState.terminated?.finishedAt ?? ""));
  const last = Math.max(...ends.filter((at) => !Number.isNaN(at)));
  const count = String(restartsOf(pod));
  return count === "0" || !Number.isFinite(last) ? count : `${count} (${formatAge(last, now)})`;
}

function readyOf({ object, status }: LocalPod): string {
  const main = status?.containerStatuses ?? [];
  const wanted = listOf(objectOf(object.spec).containers).length || main.length;
  return `${main.filter(({ ready }) => ready).length}/${wanted}`;
}

function createdAt({ object, memory, changedAt }: LocalPod): string {
  const told = textOf(objectOf(object.metadata).creationTimestamp);
  return told || new Date(memory?.startTime ?? changedAt).toISOString();
}

const podColumns = (now: number): ListColumn<LocalPod>[] => [
  { title: "NAMESPACE", cell: ({ namespace }) => namespace },
  { title: "NAME", cell: ({ name }) => name },
  { title: "READY", cell: readyOf },
  { title: "STATUS", cell: conditionOf },
  { title: "RESTARTS", cell: (pod) => restartsText(pod, now) },
  { title: "AGE", cell: (pod) => ageOf(createdAt(pod), now) },
  { title: "IP", cell: ({ status }) => status?.podIP, wide: true },
  { title: "IMAGES", cell: imagesOf, wide: true },
  { title: "CHANGED", cell: ({ changedAt }) => formatAge(changedAt, now), wide: true },
  { title: "VERSION", cell: ({ version }) => version, wide: true },
  { title: "UID", cell: ({ uid }) => uid, wide: true },
];

function imagesOf({ object, status }: LocalPod): string {
  const wanted = listOf(objectOf(object.spec).containers).map(({ image }) => textOf(image));
  return (wanted.length > 0 ? wanted : (status?.containerStatuses ?? []).map(({ image }) => image)).join(",");
}

/** The pods as a list. @param now Wall clock, ms. Throws `E_NOT_FOUND`, `E_BAD_OPTION`, and as `readDatabase`. */
export function listPods(file: string, wanted: Wanted, now: number): Listing {
  const { name, namespace } = wanted;
  const all = readEdge(file, localPods);
  const pods =
    name === undefined
      ? all.filter((pod) => namespace === undefined || pod.namespace === namespace)
      : [findPod(all, { wanted: name, namespace })];
  return listingOf(pods, {
    wanted,
    columns: podColumns(now),
    plain: (pod) => ({
      resource: pod.resource,
      type: "pod",
      version: pod.version ?? null,
      uid: pod.uid,
      source: pod.source ?? null,
      changedAt: new Date(pod.changedAt).toISOString(),
      condition: conditionOf(pod),
      deleted: pod.isDeleted,
      restarts: restartsOf(pod),
      status: pod.status ?? null,
      content: pod.isDeleted ? null : pod.object,
    }),
    remark: `${counted(pods.length, "pod")} on this node${namespace === undefined ? "" : ` in ${namespace}`}`,
  });
}
