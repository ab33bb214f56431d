import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { isReason, type KubeObject, type StatusReason } from "../../kubernetes/index.ts";
import { EventRecorder } from "../runtime/event-recorder.ts";
import { statusOf } from "../runtime/fields.ts";
import { type Informer, nameOf } from "../runtime/informer.ts";
import { deployments, nodes, pods, replicaSets } from "../runtime/kinds.ts";
import type { ControllerParts, RunningController } from "../runtime/parts.ts";
import { WorkQueue } from "../runtime/work-queue.ts";
import { indexPods, keyOf, nameOfKey } from "./keys.ts";
import { ownerOf } from "./pod-state.ts";
import { isReachable, onReadiness } from "./reachable.ts";
import { planRevisions, revisionAnnotation, revisionOf } from "./revisions.ts";
import { hashLabel, planRollout, podOf, type Rollout, templateHash } from "./rollout.ts";

/** Pods made, and pods removed, in one look at a Deployment. */
const perLook = 100;
/** An informer that has not told of a change within this time will not be waited for. */
const tellingMs = 10_000;
/** Clocks do not tell a deadline to the millisecond. */
const slackMs = 100;

const letters = "bcdfghjklmnpqrstvwxz2456789";

/** Makes and removes the pods of Deployments. */
export function startDeployments(parts: ControllerParts): RunningController {
  const { informers, objects, clock } = parts;
  const ofDeployments = informers.of(deployments);
  const ofPods = informers.of(pods);
  const ofNodes = informers.of(nodes);
  const ofSets = informers.of(replicaSets);
  ofSets.addIndex("owner", (set) => [ownerOf(set) ?? ""]);
  indexPods(ofPods);
  const events = new EventRecorder(parts, "deployment-controller");
  const ready = Promise.all([ofDeployments, ofPods, ofNodes, ofSets].map((one) => one.synced));

  const look = async (key: string): Promise<number | undefined> => {
    await ready;
    const deployment = ofDeployments.get(nameOfKey(key));
    if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) return undefined;
    const owned = ofPods.by("owner", deployment.metadata.uid ?? "");
    const plan = planRollout(deployment, owned, (pod) => isReachable(ofNodes, pod), clock.wallTime());
    await writeStatus(deployment, plan.status);
    sayScaling(deployment, plan);
    await keepRevisions(deployment, owned);
    for (const pod of plan.remove.slice(0, perLook)) {
      await remove(pod);
      await told(
        parts,
        ofPods,
        pod,
        (now) => now?.metadata.deletionTimestamp !== undefined || now === undefined,
      );
    }
    const template = podOf(deployment);
    for (let i = 0; i < Math.min(plan.create, perLook); i++) {
      const pod = await objects.create(pods, named(template));
      await told(parts, ofPods, pod, (now) => now !== undefined);
    }
    return plan.againMs === undefined ? undefined : plan.againMs + slackMs;
  };

  /** What the informer does not know yet is written again, and is the same. */
  const keepRevisions = async (deployment: KubeObject, owned: readonly KubeObject[]): Promise<void> => {
    const sets = ofSets.by("owner", deployment.metadata.uid ?? "");
    const { current, create, change, remove } = planRevisions(deployment, sets, owned);
    if (current > 0 && revisionOf(deployment) !== current) {
      const metadata = { annotations: { [revisionAnnotation]: String(current) } };
      await objects.patch(deployments, nameOf(deployment), "merge", { metadata });
    }
    if (create !== undefined) await unless("AlreadyExists", objects.create(replicaSets, create));
    for (const { set, patch, status } of change) {
      if (patch) await unless("NotFound", objects.patch(replicaSets, nameOf(set), "merge", patch));
      if (status)
        await unless(
          "NotFound",
          objects.patch(replicaSets, nameOf(set), "merge", { status }, { subresource: "status" }),
        );
    }
    for (const set of remove) await unless("NotFound", objects.delete(replicaSets, nameOf(set)));
  };

  /** Of each step of a rollout. */
  const sayScaling = (deployment: KubeObject, { create, remove: leaving }: Rollout): void => {
    const hash = templateHash(deployment);
    const old = leaving.filter((pod) => pod.metadata.labels?.[hashLabel] !== hash).length;
    const say = (text: string): void => events.normal(deployment, "ScalingReplicaSet", text);
    if (create > 0) say(`Scaled up by ${create}, to pods of template ${hash}`);
    if (old > 0) say(`Scaled down by ${old}, of pods of earlier templates`);
    if (leaving.length > old) say(`Scaled down by ${leaving.length - old}, of pods of template ${hash}`);
  };

  const remove = async (pod: KubeObject): Promise<void> => {
    const { uid } = pod.metadata;
    const options = uid === undefined ? {} : { preconditions: { uid } };
    await objects.delete(pods, nameOf(pod), options).catch((error: unknown) => {
      if (!isReason(error, "NotFound") && !isReason(error, "Conflict")) throw error;
    });
  };

  const writeStatus = async (deployment: KubeObject, status: object): Promise<void> => {
    const now = statusOf(deployment);
    if (isDeepStrictEqual({ ...now, ...status }, { ...now })) return;
    await objects.patch(deployments, nameOf(deployment), "merge", { status }, { subresource: "status" });
  };

  const queue = new WorkQueue(parts, look, { name: "deployments" });
  const touchOwner = (pod: KubeObject | undefined): void => {
    const owner = pod?.metadata.ownerReferences?.find((one) => one.controller);
    if (owner?.kind === "Deployment") queue.add(`${pod?.metadata.namespace}/${owner.name}`);
  };
  const ends = [
    ofDeployments.observe(({ object }) => object && queue.add(keyOf(object))),
    ofPods.observe(({ object, previous }) => touchOwner(object ?? previous)),
    onReadiness(ofNodes, (node) => ofPods.by("node", node).forEach(touchOwner)),
  ];
  return {
    async close() {
      for (const end of ends) end();
      await queue.close();
    },
  };
}

async function unless(reason: StatusReason, doing: Promise<unknown>): Promise<void> {
  await doing.catch((error: unknown) => {
    if (!isReason(error, reason)) throw error;
  });
}

/** The API would make a name too, but an informer must be asked for it. */
function named(template: KubeObject): KubeObject {
  const { generateName = "", ...metadata } = template.metadata;
  const suffix = [...randomBytes(5)].map((byte) => letters[byte % letters.length]).join("");
  return { ...template, metadata: { ...metadata, name: `${generateName.slice(0, 247)}${suffix}` } };
}

/** Resolves when the informer knows of a change: the next look must not make it again. */
async function told(
  { clock }: Pick<ControllerParts, "clock">,
  informer: Informer,
  pod: KubeObject,
  knows: (now: KubeObject | undefined) => boolean,
): Promise<void> {
  const current = (): KubeObject | undefined => {
    const found = informer.get(nameOf(pod));
    return found?.metadata.uid === pod.metadata.uid ? found : undefined;
  };
  if (knows(current())) return;
  await new Promise<void>((resolve) => {
    let end: () => void = () => {};
    const done = (): void => {
      cancel();
      end();
      resolve();
    };
    const cancel = clock.after(tellingMs, done);
    end = informer.observe(() => {
      if (knows(current())) queueMicrotask(done);
    });
  });
}
