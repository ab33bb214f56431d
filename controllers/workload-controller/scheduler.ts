import { isDeepStrictEqual } from "node:util";
import { isReason, type KubeObject } from "../../kubernetes/index.ts";
import { EventRecorder } from "../runtime/event-recorder.ts";
import { objectsOf, specOf, statusOf } from "../runtime/fields.ts";
import { nameOf } from "../runtime/informer.ts";
import { nodes, pods } from "../runtime/kinds.ts";
import type { ControllerParts, RunningController } from "../runtime/parts.ts";
import { timeText } from "../runtime/time.ts";
import { WorkQueue } from "../runtime/work-queue.ts";
import { indexPods, keyOf, nameOfKey } from "./keys.ts";
import { podNode } from "./pod-state.ts";
import { type Candidate, chooseNode } from "./schedule.ts";

const schedulerName = "default-scheduler";
const conflictMs = 500;

/** Gives pods that name no node one. */
export function startScheduler(parts: ControllerParts): RunningController {
  const { informers, objects, clock } = parts;
  const ofPods = informers.of(pods);
  const ofNodes = informers.of(nodes);
  indexPods(ofPods);
  ofPods.addIndex("without-node", (pod) => (podNode(pod) === "" ? [""] : []));
  const ready = Promise.all([ofPods.synced, ofNodes.synced]);
  const events = new EventRecorder(parts, schedulerName);
  /** Pods that have a node which the informer has not told of yet. */
  const placed = new Map<string, KubeObject>();

  const place = async (key: string): Promise<number | undefined> => {
    await ready;
    const pod = ofPods.get(nameOfKey(key));
    if (pod === undefined || placed.has(key) || !isToBePlaced(pod)) return undefined;
    const choice = chooseNode(pod, candidates());
    if ("message" in choice) {
      events.warn(pod, "FailedScheduling", choice.message);
      await sayScheduled(pod, { status: "False", reason: "Unschedulable", message: choice.message });
      return undefined;
    }
    try {
      const spec = { ...specOf(pod), nodeName: choice.node };
      placed.set(key, await objects.update(pods, { ...pod, spec }));
    } catch (error) {
      if (isReason(error, "NotFound") || isReason(error, "Conflict")) return conflictMs;
      throw error;
    }
    const { namespace, name } = nameOf(pod);
    events.normal(pod, "Scheduled", `Successfully assigned ${namespace}/${name} to ${choice.node}`);
    await sayScheduled(pod, { status: "True" });
    return undefined;
  };

  const candidates = (): Candidate[] => {
    const fresh = [...placed.values()];
    return ofNodes.all().map((node) => {
      const name = node.metadata.name ?? "";
      return { node, pods: [...ofPods.by("node", name), ...fresh.filter((pod) => podNode(pod) === name)] };
    });
  };

  const sayScheduled = async (pod: KubeObject, told: Readonly<Record<string, string>>): Promise<void> => {
    const known = objectsOf(statusOf(pod).conditions).find((one) => one.type === "PodScheduled");
    if (known?.status === told.status && known?.message === told.message) return;
    const condition = { type: "PodScheduled", ...told, lastTransitionTime: timeText(clock.wallTime()) };
    const status = { conditions: [condition] };
    const options = { subresource: "status" } as const;
    await objects.patch(pods, nameOf(pod), "strategic", { status }, options).catch((error: unknown) => {
      if (!isReason(error, "NotFound")) throw error;
    });
  };

  // One at a time: each sees where the one before has gone.
  const queue = new WorkQueue(parts, place, { name: "pods without a node", concurrency: 1 });
  const placeAll = (): void => {
    for (const pod of ofPods.by("without-node", "")) queue.add(keyOf(pod));
  };
  const ends = [
    ofPods.observe(({ object, previous }) => {
      placed.delete(keyOf((object ?? previous) as KubeObject));
      if (object !== undefined && podNode(object) === "") queue.add(keyOf(object));
      // There is room on its node.
      if (object === undefined) placeAll();
    }),
    ofNodes.observe(({ object, previous }) => {
      const isSame = isDeepStrictEqual(
        [object?.spec, object?.metadata.labels],
        [previous?.spec, previous?.metadata.labels],
      );
      if (!isSame) placeAll();
    }),
  ];
  return {
    async close() {
      for (const end of ends) end();
      await queue.close();
    },
  };
}

function isToBePlaced(pod: KubeObject): boolean {
  const scheduler = specOf(pod).schedulerName ?? schedulerName;
  return podNode(pod) === "" && pod.metadata.deletionTimestamp === undefined && scheduler === schedulerName;
}
