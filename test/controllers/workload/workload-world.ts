import { onTestFinished } from "vitest";
import { startControllers } from "../../../controllers/index.ts";
import { deployments, nodes, pods } from "../../../controllers/runtime/kinds.ts";
import type { KubeObject } from "../../../kubernetes/index.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { FakeObjects } from "../../support/fake-objects.ts";
import { recordingLogger } from "../../support/recording-logger.ts";
import { FakeHub } from "../fake-hub.ts";

export const app = { namespace: "default", name: "app" };

type Spec = Readonly<Record<string, unknown>>;

/** A workload-controller over objects in memory, and kubelets that do as the test says. */
export class WorkloadWorld {
  readonly clock = new FakeClock();
  readonly objects = new FakeObjects(() => this.clock.wallTime());
  readonly log = recordingLogger();
  #controllers: { close(): Promise<void> } | undefined;

  async start(): Promise<this> {
    const { objects, clock, log } = this;
    const parts = { hub: new FakeHub([]).api, objects, clock, log };
    this.#controllers = startControllers(parts, { enable: ["workload"] });
    onTestFinished(() => this.stop());
    await this.settle();
    return this;
  }

  async stop(): Promise<void> {
    await this.#controllers?.close();
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 60; i++) await this.clock.advance(0);
  }

  async node(name: string, spec: Spec = {}, labels: Readonly<Record<string, string>> = {}): Promise<void> {
    const node = { apiVersion: "v1", kind: "Node", metadata: { name, labels }, spec };
    await this.objects.create(nodes, node);
  }

  async deployment(spec: Spec): Promise<KubeObject> {
    const labels = { app: "app" };
    const template = { metadata: { labels }, spec: { containers: [{ name: "main", image: "app:1" }] } };
    return await this.objects.create(deployments, {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: app,
      spec: { selector: { matchLabels: labels }, template, ...spec },
    });
  }

  async change(spec: Spec): Promise<void> {
    await this.objects.patch(deployments, app, "merge", { spec });
    await this.settle();
  }

  /** The template with another image. */
  image(image: string): Promise<void> {
    return this.change({ template: { spec: { containers: [{ name: "main", image }] } } });
  }

  async pods(): Promise<KubeObject[]> {
    return [...(await this.objects.list(pods)).items];
  }

  /** Images of pods, by what they are: `app:1 ready`. */
  async summary(): Promise<string[]> {
    const all = await this.pods();
    return all.map((pod) => `${imageOf(pod)} ${stateOf(pod)}`).sort();
  }

  /** Kubelets do what is to be done: pods with a node become ready, those that end are gone. */
  async kubelets(): Promise<void> {
    for (const pod of await this.pods()) {
      const name = { namespace: "default", name: pod.metadata.name ?? "" };
      if (pod.metadata.deletionTimestamp !== undefined)
        await this.objects.delete(pods, name, { gracePeriodSeconds: 0 });
      else if ((pod.spec as { nodeName?: string }).nodeName) await this.report(name.name, "Running", true);
    }
    await this.settle();
  }

  async report(name: string, phase: string, ready: boolean): Promise<void> {
    const lastTransitionTime = new Date(this.clock.wallTime()).toISOString();
    const status = {
      phase,
      podIP: `10.0.0.${[...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 250}`,
      conditions: [{ type: "Ready", status: ready ? "True" : "False", lastTransitionTime }],
    };
    await this.objects.patch(
      pods,
      { namespace: "default", name },
      "strategic",
      { status },
      { subresource: "status" },
    );
  }

  async status(): Promise<Readonly<Record<string, unknown>>> {
    return (await this.objects.get(deployments, app)).status as Readonly<Record<string, unknown>>;
  }
}

function imageOf(pod: KubeObject): string {
  return (pod.spec as { containers: { image: string }[] }).containers[0]?.image ?? "";
}

function stateOf(pod: KubeObject): string {
  if (pod.metadata.deletionTimestamp !== undefined) return "ending";
  const { conditions = [] } = (pod.status ?? {}) as { conditions?: { type: string; status: string }[] };
  return conditions.some((one) => one.type === "Ready" && one.status === "True") ? "ready" : "new";
}
