import { onTestFinished } from "vitest";
import { startControllers } from "../../controllers/index.ts";
import { configMaps, nodes, pods, secrets } from "../../controllers/runtime/kinds.ts";
import type { KubeObject } from "../../kubernetes/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FakeObjects } from "../support/fake-objects.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { FakeHub } from "./fake-hub.ts";

/** An edge-controller, with a hub and objects in memory and a clock that the test moves. */
export class EdgeWorld {
  readonly clock = new FakeClock();
  readonly objects = new FakeObjects(() => this.clock.wallTime());
  readonly log = recordingLogger();
  readonly hub: FakeHub;
  #controllers: { close(): Promise<void> } | undefined;

  constructor(nodeNames: readonly string[] = ["edge-1", "edge-2"]) {
    this.hub = new FakeHub(nodeNames);
    onTestFinished(() => this.stop());
  }

  async start(): Promise<this> {
    const { objects, clock, log } = this;
    const parts = { hub: this.hub.api, objects, clock, log };
    this.#controllers = startControllers(parts, { enable: ["edge"], clusterCa: "the CA" });
    await this.settle();
    return this;
  }

  async stop(): Promise<void> {
    const running = this.#controllers;
    this.#controllers = undefined;
    await running?.close();
  }

  /** Until nothing moves any more. */
  async settle(): Promise<void> {
    for (let i = 0; i < 30; i++) await this.clock.advance(0);
  }

  /** @param from Volumes: `configmap/limits`, `secret/login`. */
  async pod(name: string, node: string, from: readonly string[] = []): Promise<KubeObject> {
    const volumes = from.map((one, index) => {
      const [kind, source] = one.split("/");
      return kind === "secret"
        ? { name: `v${index}`, secret: { secretName: source } }
        : { name: `v${index}`, configMap: { name: source } };
    });
    const spec = { nodeName: node, containers: [{ name: "main", image: "busybox" }], volumes };
    return await this.objects.create(pods, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "default" },
      spec,
    });
  }

  async configMap(name: string, word = "red"): Promise<KubeObject> {
    return await this.objects.create(configMaps, { ...this.#meta("ConfigMap", name), data: { word } });
  }

  async secret(name: string): Promise<KubeObject> {
    return await this.objects.create(secrets, { ...this.#meta("Secret", name), data: { word: "cmVk" } });
  }

  async node(name: string): Promise<KubeObject> {
    return await this.objects.create(nodes, { apiVersion: "v1", kind: "Node", metadata: { name }, spec: {} });
  }

  #meta(kind: string, name: string): KubeObject {
    return { apiVersion: "v1", kind, metadata: { name, namespace: "default" } };
  }
}
