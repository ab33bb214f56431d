import { createHash } from "node:crypto";
import { onTestFinished } from "vitest";
import type { FeedsOptions } from "../../../controllers/dynamic-controller/feeds.ts";
import { type ControllerName, startControllers } from "../../../controllers/index.ts";
import { configMaps, pods } from "../../../controllers/runtime/kinds.ts";
import type { KubeObject, ObjectsApi } from "../../../kubernetes/index.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { FakeObjects } from "../../support/fake-objects.ts";
import { recordingLogger } from "../../support/recording-logger.ts";
import { FakeHub } from "../fake-hub.ts";

export interface Answer {
  readonly Status: string;
  readonly Error: { readonly ErrStatus: { readonly reason?: string; readonly message?: string } };
}

/** A dynamic-controller, and an edge-controller if wanted, with a hub and objects in memory and a clock that the test moves. */
export class DynamicWorld {
  readonly clock = new FakeClock();
  readonly objects = new FakeObjects(() => this.clock.wallTime());
  readonly log = recordingLogger();
  readonly hub = new FakeHub(["edge-1", "edge-2"]);
  /** What nodes may do. */
  allowed = true;
  readonly #enable: readonly ControllerName[];
  readonly #dynamic: Partial<FeedsOptions>;
  #controllers: { close(): Promise<void> } | undefined;

  constructor(dynamic: Partial<FeedsOptions> = {}, enable: readonly ControllerName[] = ["dynamic"]) {
    this.#dynamic = dynamic;
    this.#enable = enable;
    onTestFinished(() => this.stop());
  }

  async start(): Promise<this> {
    const { clock, log } = this;
    const parts = { hub: this.hub.api, objects: this.#reviewed(), clock, log };
    this.#controllers = startControllers(parts, { enable: this.#enable, dynamic: this.#dynamic });
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
    for (let i = 0; i < 40; i++) await this.clock.advance(0);
  }

  async ask(node: string, resource: string, content: unknown): Promise<unknown> {
    const id = this.hub.asks(node, resource, content);
    await this.settle();
    return this.hub.answerTo(id)?.content;
  }

  async watch(node: string, selector = "", more: object = {}): Promise<Answer> {
    return (await this.ask(node, "null", watchOf(node, selector, more))) as Answer;
  }

  /** These are the node's watches, by label selector. */
  async sync(node: string, selectors: readonly string[]): Promise<object> {
    const open = selectors.map((selector) => watchOf(node, selector));
    const list = Object.fromEntries(open.map((one) => [one.ID, one]));
    return (await this.ask(node, "watchapp/sync", list)) as object;
  }

  /** How many watches of nodes are kept. */
  async kept(): Promise<number> {
    const { items } = await this.objects.list(configMaps, { namespace: "kubeedge" });
    const lists = items.map(({ data }) => JSON.parse((data as { watches: string }).watches) as object[]);
    return lists.flat().length;
  }

  async configMap(name: string, labels: Record<string, string> = {}, word = "x"): Promise<KubeObject> {
    return await this.objects.create(configMaps, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace: "default", labels },
      data: { word },
    });
  }

  async pod(name: string, node: string, configMap: string): Promise<void> {
    await this.objects.create(pods, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "default" },
      spec: {
        nodeName: node,
        containers: [{ name: "main", image: "busybox" }],
        volumes: [{ name: "v", configMap: { name: configMap } }],
      },
    });
  }

  /** What of the kind the hub has for a node, or will bring: path → message id. */
  async held(node: string, kind = "configmap"): Promise<string[]> {
    const views = await this.hub.resources({ node, resource: `.*/${kind}/.*` });
    return views
      .filter(({ acceptedDeleted }) => !acceptedDeleted)
      .map(({ resource }) => resource)
      .sort();
  }

  #reviewed(): ObjectsApi {
    const { objects } = this;
    const create: ObjectsApi["create"] = async (resource, object, options) =>
      resource.resource === "subjectaccessreviews"
        ? { ...object, status: { allowed: this.allowed } }
        : await objects.create(resource, object, options);
    return new Proxy(objects, {
      get: (target, name) => {
        if (name === "create") return create;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }
}

/** @param more Options that are no part of what is watched. */
export function watchOf(node: string, selector: string, more: object = {}) {
  const selecting = selector === "" ? {} : { labelSelector: selector };
  const option = JSON.stringify({ watch: true, ...selecting, ...more });
  const Key = "/core/v1/configmaps/default/null";
  return {
    ID: createHash("sha256")
      .update(node + option)
      .digest("hex"),
    Key,
    Verb: "watch",
    Nodename: node,
    Option: Buffer.from(option).toString("base64"),
    ReqBody: null,
    Subresource: "",
    RespBody: null,
    Status: "InApplying",
    Reason: "",
    Error: { ErrStatus: { metadata: {} } },
    Timestamp: "0001-01-01T00:00:00Z",
  };
}
