import { onTestFinished } from "vitest";
import { type RunningController, startControllers } from "../../controllers/index.ts";
import { configMaps, secrets } from "../../controllers/runtime/kinds.ts";
import type { KubeObject, ObjectsApi, ResourceName } from "../../kubernetes/index.ts";
import { type Clock, systemClock } from "../../platform/clock.ts";
import { silentLogger } from "../../platform/logger.ts";
import { startWorld, type World } from "../support/world.ts";
import { messagesOf, type RecordedMessage, readCapture } from "./capture.ts";
import { joinAsStockEdge, type StockEdge } from "./stock-edge.ts";

/** A hub with controllers, as a stock edge has before it: all that a cloud is. */
export class Cloud {
  readonly #world: World;
  readonly #clock: Clock;
  #controllers: RunningController;

  private constructor(world: World, clock: Clock) {
    this.#world = world;
    this.#clock = clock;
    this.#controllers = this.#start();
  }

  static async start(clock: Clock = systemClock): Promise<Cloud> {
    const cloud = new Cloud(await startWorld(), clock);
    onTestFinished(() => cloud.stopControllers());
    return cloud;
  }

  get hub(): World["hub"] {
    return this.#world.hub;
  }

  get objects(): ObjectsApi {
    return this.hub.objects;
  }

  /** A node that has joined with the requests of a stock edge. */
  async join(node = "edge-s"): Promise<StockEdge> {
    const { ports, admin } = this.hub;
    const { token } = await admin.createJoinToken({ ttlMs: 600_000, node });
    return { node, port: ports.nodes, credentials: await joinAsStockEdge(ports.join, node, token) };
  }

  stopControllers(): Promise<void> {
    return this.#controllers.close();
  }

  startControllers(): void {
    this.#controllers = this.#start();
  }

  /** Hub and controllers end and start again, on the same data and ports. */
  async restart(): Promise<void> {
    await this.stopControllers();
    const stopped = await this.#world.stopHub();
    await stopped.start();
    this.startControllers();
  }

  #start(): RunningController {
    const parts = { hub: this.hub, objects: this.objects, clock: this.#clock, log: silentLogger };
    return startControllers(parts, { enable: ["edge"], clusterCa: this.hub.ca.pem });
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
