import { onTestFinished } from "vitest";
import { startGroupController } from "../../../controllers/group-controller/group-controller.ts";
import { Informers } from "../../../controllers/runtime/informers.ts";
import { edgeApplications, nodeGroups, nodes } from "../../../controllers/runtime/kinds.ts";
import type { KubeObject } from "../../../kubernetes/index.ts";
import type { HubApi } from "../../../protocol/index.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { FakeObjects } from "../../support/fake-objects.ts";
import { recordingLogger } from "../../support/recording-logger.ts";

/** The group-controller on objects in memory. */
export class World {
  readonly clock = new FakeClock();
  readonly log = recordingLogger();
  readonly objects = new FakeObjects(() => this.clock.wallTime());
  #stop: () => Promise<void> = () => Promise.resolve();

  constructor() {
    onTestFinished(() => this.stop());
  }

  async start(): Promise<void> {
    const { clock, log, objects } = this;
    const stop = new AbortController();
    const informers = new Informers({ objects, clock, log }, stop.signal);
    const running = startGroupController({ hub: {} as HubApi, objects, clock, log, informers });
    this.#stop = async () => {
      stop.abort();
      await running.close();
    };
    await this.settle();
  }

  async stop(): Promise<void> {
    await this.#stop();
    this.#stop = () => Promise.resolve();
  }

  settle(ms = 1_000): Promise<void> {
    return this.clock.advance(ms);
  }

  async addNode(name: string, labels: Record<string, string> = {}, ready = "True"): Promise<void> {
    const status = { conditions: [{ type: "Ready", status: ready }] };
    const node = { apiVersion: "v1", kind: "Node", metadata: { name, labels }, status };
    await this.objects.create(nodes, node);
  }

  async labels(name: string): Promise<Readonly<Record<string, string>>> {
    return (await this.objects.get(nodes, { name })).metadata.labels ?? {};
  }

  async addGroup(name: string, spec: object): Promise<void> {
    const group = { apiVersion: "apps.kubeedge.io/v1alpha1", kind: "NodeGroup", metadata: { name }, spec };
    await this.objects.create(nodeGroups, group);
  }

  group(name: string): Promise<KubeObject> {
    return this.objects.get(nodeGroups, { name });
  }

  async addApplication(manifests: readonly object[], workloadScope: object): Promise<void> {
    await this.objects.create(edgeApplications, application(manifests, workloadScope));
  }

  application(): Promise<KubeObject> {
    return this.objects.get(edgeApplications, { namespace: "default", name: "shop" });
  }
}

export function application(manifests: readonly object[], workloadScope: object): KubeObject {
  return {
    apiVersion: "apps.kubeedge.io/v1alpha1",
    kind: "EdgeApplication",
    metadata: { name: "shop", namespace: "default", uid: "shop-uid" },
    spec: { workloadTemplate: { manifests }, workloadScope },
  };
}

export function deployment(name = "web", more: object = {}): object {
  const container = { name: "main", image: "registry.io/team/web:1.0" };
  const template = { metadata: { labels: { app: name } }, spec: { containers: [container] } };
  const spec = { replicas: 1, selector: { matchLabels: { app: name } }, template, ...more };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name }, spec };
}
