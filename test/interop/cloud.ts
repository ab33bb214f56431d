import { onTestFinished } from "vitest";
import { type RunningController, startControllers } from "../../controllers/index.ts";
import { configMaps, secrets } from "../../controllers/runtime/kinds.ts";
import type { KubeObject, ObjectsApi, ResourceName } from "../../kubernetes/index.ts";
import { type Clock, systemClock } from "../../platform/clock.ts";
import { silentLogger } from "../../platform/logger.ts";
import { messagesOf, type RecordedMessage, readCapture } from "./capture.ts";
import { hubForTest, type TestHub } from "./test-hub.ts";

/** A hub with controllers, as a stock edge has before it: all that a cloud is. */
export class Cloud {
  readonly world: TestHub;
  #controllers: RunningController;
  readonly #clock: Clock;

  private constructor(world: TestHub, clock: Clock) {
    this.world = world;
    this.#clock = clock;
    this.#controllers = this.#start();
  }

  get objects(): ObjectsApi {
    return this.world.hub.objects;
  }

  static async start(clock: Clock = systemClock): Promise<Cloud> {
    const cloud = new Cloud(await hubForTest(), clock);
    onTestFinished(() => cloud.stopControllers());
    return cloud;
  }

  stopControllers(): Promise<void> {
    return this.#controllers.close();
  }

  startControllers(): void {
    this.#controllers = this.#start();
  }

  #start(): RunningController {
    const { hub } = this.world;
    const parts = { hub, objects: this.objects, clock: this.#clock, log: silentLogger };
    return startControllers(parts, { enable: ["edge"], clusterCa: hub.ca.pem });
  }
}

/** The recorded pod, with what it needs, for a node of this name. */
export function recordedPod(node: string): { pod: KubeObject; needed: [ResourceName, KubeObject][] } {
  const conversation = messagesOf(readCapture("b-pod-lifecycle-edged"), "cloud");
  const pod = asWritten(contentOn(conversation, "default/pod/pb"));
  const spec = { ...(pod.spec as object), nodeName: node };
  const needed: [ResourceName, KubeObject][] = [
    [configMaps, asWritten(contentOn(conversation, "default/configmap/cmb"))],
    [secrets, asWritten(contentOn(conversation, "default/secret/sb"))],
  ];
  const { status: _status, ...rest } = pod;
  return { pod: { ...rest, spec } as KubeObject, needed };
}

function contentOn(conversation: readonly RecordedMessage[], resource: string): KubeObject {
  const found = conversation.find(({ message }) => message.route.resource === resource);
  if (found === undefined) throw new Error(`nothing about ${resource} was recorded`);
  return found.message.content as KubeObject;
}

/** As a person would write it: without what the API has filled in. */
function asWritten(object: KubeObject): KubeObject {
  const { name, namespace } = object.metadata;
  return { ...object, metadata: { name: name ?? "", namespace: namespace ?? "default" } };
}
