import { counted, formatAge } from "../../platform/quantities.ts";
import { readDatabase } from "../../platform/read-only-sqlite.ts";
import type { Database } from "../../platform/sqlite.ts";
import { type Column, formatTable } from "../../platform/table.ts";
import { contentOf } from "../../protocol/index.ts";
import type { PodMemory } from "../edged/pod-memory.ts";
import type { ContainerState, ContainerStatus, PodStatus } from "../edged/pod-status.ts";
import { edgeApplicationId } from "../store/schema.ts";
import type { Listing } from "./listing.ts";
import { listOf, objectOf, textOf } from "./objects.ts";

/** A pod of this node: what the cloud wants, and what Edged made of it. */
export interface LocalPod {
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly version: string | undefined;
  /** Who sent it. */
  readonly source: string;
  /** Wall clock, ms: when it came. */
  readonly changedAt: number;
  /** The object, as it came. */
  readonly object: Readonly<Record<string, unknown>>;
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

/** In the order of their paths. */
export function localPods(database: Database): LocalPod[] {
  const rows = database
    .prepare(
      `SELECT key, namespace, name, source, version, uid, changed_at, value
       FROM meta WHERE deleted = 0 AND type = 'pod' ORDER BY key`,
    )
    .all() as PodRow[];
  const states = database.prepare("SELECT uid, state FROM edged_pod").all() as {
    uid: string;
    state: string;
  }[];
  const memories = new Map(states.map(({ uid, state }) => [uid, JSON.parse(state) as PodMemory]));
  return rows.map((row) => podOf(row, memories));
}

function podOf(row: PodRow, memories: ReadonlyMap<string, PodMemory>): LocalPod {
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
    memory,
    status: memory?.sent ? (objectOf(JSON.parse(memory.sent)).status as Partial<PodStatus>) : undefined,
  };
}

/** What is told of its containers, those that run before the others first. */
export function containersOf({ status }: Pick<LocalPod, "status">): readonly ContainerStatus[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
}

/** How it is in one word, as kubectl has it. */
export function conditionOf(pod: Pick<LocalPod, "object" | "status">): string {
  if (objectOf(pod.object.metadata).deletionTimestamp) return "Terminating";
  const { status } = pod;
  if (status === undefined) return "Waiting";
  const init = status.initContainerStatuses?.find(
    ({ state }) => !state.terminated || state.terminated.exitCode,
  );
  const stuck = init && reasonOf(init.state);
  if (stuck !== undefined && stuck !== "PodInitializing") return `Init:${stuck}`;
  const main = status.containerStatuses ?? [];
  const reason = main.map(({ state }) => reasonOf(state)).find((one) => one !== undefined);
  if (reason === undefined || (reason === "Completed" && main.some(({ state }) => state.running)))
    return status.reason ?? status.phase ?? "Unknown";
  return reason;
}

function reasonOf({ waiting, terminated }: ContainerState): string | undefined {
  return waiting?.reason ?? terminated?.reason;
}

export function restartsOf(pod: Pick<LocalPod, "status">): number {
  return containersOf(pod).reduce((sum, { restartCount }) => sum + restartCount, 0);
}

function readyOf({ object, status }: LocalPod): string {
  const wanted = listOf(objectOf(object.spec).containers).length;
  return `${status?.containerStatuses?.filter(({ ready }) => ready).length ?? 0}/${wanted}`;
}

const podColumns = (now: number): Column<LocalPod>[] => [
  { title: "NAMESPACE", cell: ({ namespace }) => namespace },
  { title: "NAME", cell: ({ name }) => name },
  { title: "READY", cell: readyOf },
  { title: "STATUS", cell: conditionOf },
  { title: "RESTARTS", cell: restartsOf, align: "right" },
  { title: "IP", cell: ({ status }) => status?.podIP, optional: true },
  { title: "CHANGED", cell: ({ changedAt }) => formatAge(changedAt, now) },
];

/** The pods as a list. Throws as `readDatabase`. */
export function listPods(file: string): Listing {
  const pods = readDatabase(file, edgeApplicationId, localPods);
  return {
    rows: pods.length,
    plain: pods.map((pod) => ({
      resource: pod.resource,
      type: "pod",
      version: pod.version ?? null,
      uid: pod.uid,
      source: pod.source,
      changedAt: new Date(pod.changedAt).toISOString(),
      condition: conditionOf(pod),
      restarts: restartsOf(pod),
      status: pod.status ?? null,
      content: pod.object,
    })),
    remark: `${counted(pods.length, "pod")} on this node`,
    lines: (now, columns) => formatTable(pods, podColumns(now), { width: columns }),
  };
}
