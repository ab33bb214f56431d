import { formatAge, formatDuration } from "../../platform/quantities.ts";
import type { Database } from "../../platform/sqlite.ts";
import type { Column } from "../../platform/table.ts";
import type { Condition, ContainerState, ContainerStatus } from "../edged/pod-status.ts";
import { type Upward, upwardColumns, upwardMessages } from "./messages.ts";
import { listOf, objectOf, pairsOf, textOf, wordsOf } from "./objects.ts";
import { conditionOf, containersOf, findPod, type LocalPod, localPods, restartsOf } from "./pods.ts";
import { Sections } from "./sections.ts";

/** All that is known of a pod. @param now Wall clock, ms. Throws `E_NOT_FOUND`, `E_BAD_OPTION`. */
export function describePod(
  database: Database,
  which: { wanted: string; namespace: string | undefined },
  now: number,
): string {
  const pod = findPod(localPods(database), which);
  const { waiting, refused } = upwardMessages(database);
  const isOfPod = ({ message: { resource } }: Upward): boolean =>
    [`${pod.namespace}/pod/${pod.name}`, `${pod.namespace}/podpatch/${pod.name}`].includes(resource.path);
  const spec = objectOf(pod.object.spec);
  const sections = new Sections().fields(headOf(pod, now));
  for (const container of [...listOf(spec.initContainers), ...listOf(spec.containers)])
    describeContainer(sections, pod, container, now);
  return sections
    .part("Volumes", listOf(spec.volumes).map(volumeOf))
    .table("Conditions", pod.status?.conditions ?? [], conditionColumns)
    .list("Problems", problemsOf(pod))
    .table("Messages about it to the hub", [...refused, ...waiting].filter(isOfPod), upwardColumns(now)).text;
}

function headOf(pod: LocalPod, now: number): [string, unknown][] {
  const { metadata, spec } = { metadata: objectOf(pod.object.metadata), spec: objectOf(pod.object.spec) };
  const { status, memory } = pod;
  return [
    ["Pod", pod.name],
    ["Namespace", pod.namespace],
    ["UID", pod.uid],
    ["Status", conditionOf(pod)],
    ["Phase", status?.phase],
    ["Reason", status?.reason],
    ["Message", status?.message],
    ["Restarts", restartsOf(pod)],
    ["Address", status?.podIP],
    ["Node address", status?.hostIP],
    [
      "Started here",
      memory && `${new Date(memory.startTime).toISOString()} (${formatAge(memory.startTime, now)})`,
    ],
    ["QoS class", status?.qosClass],
    ["Restart policy", spec.restartPolicy],
    ["Host network", spec.hostNetwork === true ? "yes" : undefined],
    ["Deletion asked for", metadata.deletionTimestamp],
    ["Labels", pairsOf(metadata.labels)],
    ["Annotations", pairsOf(metadata.annotations)],
    ["Version", pod.version],
    ["Came", pod.source && `${formatAge(pod.changedAt, now)}, from ${pod.source}`],
    ["Deleted", pod.isDeleted ? "at the cloud; it is here until all of it has ended" : undefined],
    ["Ended", memory?.endTold ? "yes, and the hub was told" : undefined],
  ];
}

/** Values of its environment stay out: they may be secret. */
function describeContainer(
  sections: Sections,
  pod: LocalPod,
  container: Readonly<Record<string, unknown>>,
  now: number,
): void {
  const name = textOf(container.name);
  const status = containersOf(pod).find((one) => one.name === name);
  const { limits, requests } = objectOf(container.resources);
  sections.part(`Container ${name}`, [
    ["Image", container.image],
    ["Command", wordsOf(container.command)],
    ["Arguments", wordsOf(container.args)],
    ["State", status ? stateOf(status.state, now) : "not created"],
    ["Last state", status && stateOf(status.lastState, now)],
    ["Ready", status && (status.ready ? "yes" : "no")],
    ["Restarts", status?.restartCount],
    ["Next start", nextStartOf(pod, status, now)],
    ["Ports", listOf(container.ports).map(portOf).join(", ")],
    ["Requests", pairsOf(requests)],
    ["Limits", pairsOf(limits)],
    [
      "Environment",
      listOf(container.env)
        .map(({ name }) => textOf(name))
        .join(", "),
    ],
    [
      "Mounts",
      listOf(container.volumeMounts)
        .map(({ name, mountPath }) => `${textOf(name)} at ${textOf(mountPath)}`)
        .join(", "),
    ],
    ["Id", status?.containerID],
  ]);
}

function portOf({ containerPort, hostPort, protocol }: Readonly<Record<string, unknown>>): string {
  const host = textOf(hostPort);
  return `${textOf(containerPort)}/${textOf(protocol) || "TCP"}${host === "" ? "" : ` at the node's ${host}`}`;
}

function volumeOf(volume: Readonly<Record<string, unknown>>): [string, string] {
  const [kind = "", source] = Object.entries(volume).find(([key]) => key !== "name") ?? [];
  const { name, secretName, path, claimName } = objectOf(source);
  const of = [name, secretName, path, claimName].map(textOf).find((one) => one !== "") ?? "";
  return [textOf(volume.name), `${kind} ${of}`.trimEnd()];
}

function stateOf({ waiting, running, terminated }: ContainerState, now: number): string | undefined {
  if (waiting) return `waiting, ${told(waiting.reason, waiting.message)}`;
  if (running) return `running since ${running.startedAt} (${formatAge(Date.parse(running.startedAt), now)})`;
  if (terminated === undefined) return undefined;
  const { exitCode, reason, message, finishedAt } = terminated;
  return `ended with exit code ${exitCode} at ${finishedAt}, ${told(reason, message)}`;
}

function told(reason: string, message: string | undefined): string {
  return message ? `${reason}: ${message}` : reason;
}

/** For one that crashed: how long it waits. */
function nextStartOf(pod: LocalPod, status: ContainerStatus | undefined, now: number): string | undefined {
  const backoff = status && pod.memory?.containers[status.name]?.backoff;
  const ended = status?.lastState.terminated ?? status?.state.terminated;
  if (backoff === undefined || ended === undefined || status?.state.running) return undefined;
  return `${formatAge(Date.parse(ended.finishedAt) + backoff.delayMs, now)}, after a wait of ${formatDuration(backoff.delayMs)}`;
}

const conditionColumns: Column<Condition>[] = [
  { title: "TYPE", cell: ({ type }) => type },
  { title: "STATUS", cell: ({ status }) => status },
  { title: "SINCE", cell: ({ lastTransitionTime }) => lastTransitionTime },
  { title: "REASON", cell: ({ reason }) => reason, sparse: true },
  { title: "MESSAGE", cell: ({ message }) => message, sparse: true },
];

/** Why it does not run as it should, as far as that is known. */
function problemsOf(pod: LocalPod): string[] {
  const { memory } = pod;
  const stuck = containersOf(pod).flatMap(({ name, state }) =>
    state.waiting?.message ? [`${name}: ${told(state.waiting.reason, state.waiting.message)}`] : [],
  );
  if (memory === undefined)
    return ["Edged has not begun with it: is edged.enable set, and does the agent run? See edgehub check"];
  return [...(memory.failed ? [told(memory.failed.reason, memory.failed.message)] : []), ...stuck];
}
