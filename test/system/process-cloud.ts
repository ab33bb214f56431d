import { join } from "node:path";
import { onTestFinished } from "vitest";
import { startControllers } from "../../controllers/index.ts";
import { nodes, pods } from "../../controllers/runtime/kinds.ts";
import { ProcessRuntime } from "../../edgehub/edged/process-runtime.ts";
import type { EdgeHub, EdgeOptionsInput } from "../../edgehub/index.ts";
import type { ObjectsApi } from "../../kubernetes/index.ts";
import { systemClock } from "../../platform/clock.ts";
import { silentLogger } from "../../platform/logger.ts";
import { startWorld, type World } from "../support/world.ts";

const edged = { enable: true, runtime: "process", syncMs: 50 } as const;

/** A hub with all its controllers, and agents of ours whose pods are plain processes. */
export class ProcessCloud {
  readonly world: World;
  #controllers: { close(): Promise<void> };

  private constructor(world: World) {
    this.world = world;
    this.#controllers = this.#start();
  }

  static async start(): Promise<ProcessCloud> {
    const cloud = new ProcessCloud(await startWorld());
    onTestFinished(() => cloud.stopControllers());
    return cloud;
  }

  /** An agent that runs pods; its processes end with the test. */
  async node(
    name: string,
    options: { namespace?: "default" | "null" } = {},
    hub: EdgeOptionsInput["hub"] = {},
  ): Promise<EdgeHub> {
    onTestFinished(async () => {
      const root = join(this.world.directory, name, "edged/process");
      const runtime = new ProcessRuntime({ clock: systemClock, log: silentLogger }, root);
      for (const { sandboxId } of await runtime.pods()) await runtime.removeSandbox(sandboxId);
      await runtime.close();
    });
    return await this.world.agent(name, { edged: { ...edged, ...options }, hub });
  }

  stopControllers(): Promise<void> {
    return this.#controllers.close();
  }

  startControllers(): void {
    this.#controllers = this.#start();
  }

  get objects(): ObjectsApi {
    return this.world.hub.objects;
  }

  async ready(node: string): Promise<boolean> {
    return (await this.#condition(node)) === "True";
  }

  async phase(name: string): Promise<string | undefined> {
    const pod = await this.objects.get(pods, { namespace: "default", name }).catch(() => undefined);
    return pod === undefined ? "gone" : (pod.status as { phase?: string } | undefined)?.phase;
  }

  async #condition(name: string): Promise<string | undefined> {
    const node = await this.objects.get(nodes, { name }).catch(() => undefined);
    const status = (node?.status ?? {}) as { conditions?: { type: string; status: string }[] };
    return status.conditions?.find((one) => one.type === "Ready")?.status;
  }

  #start(): { close(): Promise<void> } {
    const { hub } = this.world;
    const parts = { hub, objects: hub.objects, clock: systemClock, log: silentLogger };
    return startControllers(parts, { clusterCa: hub.ca.pem });
  }
}
