import { readFileSync } from "node:fs";
import { onTestFinished } from "vitest";
import type { HubServerParts } from "../../cloudhub/index.ts";
import { type RunningController, startControllers } from "../../controllers/index.ts";
import { configMaps, secrets } from "../../controllers/runtime/kinds.ts";
import type { KubeObject, ObjectsApi, ResourceName } from "../../kubernetes/index.ts";
import { type Clock, systemClock } from "../../platform/clock.ts";
import type { Logger } from "../../platform/logger.ts";
import { silentLogger } from "../../platform/logger.ts";
import { connectHub } from "../../sdk/index.ts";
import { freePort } from "../support/free-port.ts";
import { startWorld, type World } from "../support/world.ts";
import { messagesOf, type RecordedMessage, readCapture } from "./capture.ts";
import { asWritten } from "./recorded-pushes.ts";
import { joinAsStockEdge, type StockEdge } from "./stock-edge.ts";

export interface CloudOptions {
  /** Of the controllers. */
  readonly clock?: Clock;
  /** The hub itself goes by that clock, too: then it wants heartbeats by it. */
  readonly ofHub?: boolean;
  readonly log?: Logger;
}

/**
 * A hub with all its controllers, as a stock edge has before it: all that a cloud is. Objects are read and written over
 * HTTPS, with the SDK, by the hub's Kubernetes API.
 */
export class Cloud {
  readonly objects: ObjectsApi;
  /** Where requests for rules go. */
  readonly restUrl: string;
  readonly #world: World;
  readonly #options: CloudOptions;
  readonly #restPort: number;
  #controllers: RunningController;

  private constructor(world: World, objects: ObjectsApi, restPort: number, options: CloudOptions) {
    this.#world = world;
    this.objects = objects;
    this.#restPort = restPort;
    this.restUrl = `http://127.0.0.1:${restPort}`;
    this.#options = options;
    this.#controllers = this.#start();
  }

  static async start(options: CloudOptions = {}): Promise<Cloud> {
    const { clock, ofHub = false } = options;
    const parts: Partial<HubServerParts> = ofHub && clock ? { clock } : {};
    const world = await startWorld({ store: { synchronous: "normal" } }, parts);
    const { url, token, ca } = JSON.parse(readFileSync(world.hub.adminFile, "utf8")) as Record<
      "url" | "token" | "ca",
      string
    >;
    const user = await connectHub({ url, token, ca });
    onTestFinished(() => user.close());
    const cloud = new Cloud(world, user.objects, await freePort(), options);
    onTestFinished(() => cloud.stopControllers());
    return cloud;
  }

  get hub(): World["hub"] {
    return this.#world.hub;
  }

  /** A node that has joined with the requests of a stock edge. */
  async join(node = "edge-s"): Promise<StockEdge> {
    const { ports, admin } = this.hub;
    const { token } = await admin.createJoinToken({ ttlMs: 600_000, node });
    return { node, port: ports.nodes, credentials: await joinAsStockEdge(ports.join, node, token) };
  }

  /** One of our own agents, as a node of this cloud. */
  agent(...given: Parameters<World["agent"]>): ReturnType<World["agent"]> {
    return this.#world.agent(...given);
  }

  stopControllers(): Promise<void> {
    return this.#controllers.close();
  }

  startControllers(): void {
    this.#controllers = this.#start();
  }

  /** Hub and controllers end. @returns Starts them again, on the same data and ports. */
  async stop(): Promise<() => Promise<void>> {
    await this.stopControllers();
    const stopped = await this.#world.stopHub();
    return async () => {
      await stopped.start();
      this.startControllers();
    };
  }

  /** Hub and controllers end and start again, on the same data and ports. */
  async restart(): Promise<void> {
    const start = await this.stop();
    await start();
  }

  #start(): RunningController {
    const { hub } = this;
    const { clock = systemClock, log = silentLogger } = this.#options;
    const rest = { host: "127.0.0.1", port: this.#restPort, timeoutMs: 10_000 };
    return startControllers(
      { hub, objects: hub.objects, clock, log },
      { clusterCa: hub.ca.pem, router: { rest, retryMs: 10, statusMs: 10 }, device: { statusMs: 10 } },
    );
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
  return { pod: { ...pod, spec }, needed };
}

function contentOn(conversation: readonly RecordedMessage[], resource: string): KubeObject {
  const found = conversation.find(({ message }) => message.route.resource === resource);
  if (found === undefined) throw new Error(`nothing about ${resource} was recorded`);
  return found.message.content as KubeObject;
}
