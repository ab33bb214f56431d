import type { KubeObject } from "../../kubernetes/index.ts";
import { type Informer, nameOf, type ObjectChange } from "../runtime/informer.ts";
import type { Informers } from "../runtime/informers.ts";
import { deviceModels, devices } from "../runtime/kinds.ts";
import { type DeviceView, oldestByName, readDevice } from "./device.ts";
import { currentDevice, currentModel } from "./older-form.ts";
import { isSameForNodes, objectPath, placeOf } from "./wanted.ts";

/** Objects that are gone are remembered until nodes have been told; no more of them than this. */
const maxRemembered = 10_000;
const byNode = "node of devices";
const byModel = "model of devices";

export interface DeviceIndexObserver {
  /** A device has come, gone, or is not for nodes what it was. */
  device(now: KubeObject | undefined, before: KubeObject | undefined): void;
  /** The model of these devices has come, gone or changed. */
  model(users: readonly KubeObject[]): void;
}

/** All devices and models as they are now, as nodes and models ask for them. */
export class DeviceIndex {
  readonly synced: Promise<unknown>;
  readonly #devices: Informer;
  readonly #models: Informer;
  readonly #gone = new Map<string, KubeObject>();
  readonly #views = new WeakMap<KubeObject, DeviceView>();

  constructor(informers: Informers) {
    this.#devices = informers.of(devices);
    this.#models = informers.of(deviceModels);
    this.#devices.addIndex(byNode, (object) => [this.view(object).node].filter((node) => node !== ""));
    this.#devices.addIndex(byModel, (object) => {
      const { namespace, model } = this.view(object);
      return model === "" ? [] : [`${namespace}/${model}`];
    });
    this.synced = Promise.all([this.#devices.synced, this.#models.synced]);
  }

  /** @returns Ends it. */
  observe(observer: DeviceIndexObserver): () => void {
    const ends = [
      this.#devices.observe((change) => {
        if (this.#deviceChanged(change)) observer.device(change.object, change.previous);
      }),
      this.#models.observe((change) => observer.model(this.#modelChanged(change))),
    ];
    return () => {
      for (const end of ends) end();
    };
  }

  view(object: KubeObject): DeviceView {
    const known = this.#views.get(object);
    if (known !== undefined) return known;
    const view = readDevice(object);
    this.#views.set(object, view);
    return view;
  }

  all(): KubeObject[] {
    return this.#devices.all();
  }

  on(node: string): KubeObject[] {
    return this.#devices.by(byNode, node);
  }

  get(namespace: string, name: string): KubeObject | undefined {
    return this.#devices.get({ namespace, name });
  }

  model(namespace: string, name: string): KubeObject | undefined {
    return name === "" ? undefined : this.#models.get({ namespace, name });
  }

  users(namespace: string, model: string): KubeObject[] {
    return this.#devices.by(byModel, `${namespace}/${model}`);
  }

  /** The device that a node means by an id: of this node, whatever others are called. */
  meant(node: string, id: string): KubeObject | undefined {
    const slash = id.indexOf("/");
    const object = slash > 0 ? this.get(id.slice(0, slash), id.slice(slash + 1)) : this.#oldestOn(node, id);
    return object !== undefined && this.view(object).node === node ? object : undefined;
  }

  /** What a resource was last: of a device that is gone, or that is another node's now. */
  last(path: string): KubeObject | undefined {
    const place = placeOf(path);
    if (place === undefined) return undefined;
    const { kind, namespace, name } = place;
    if (kind === "devicemodel") {
      const model = this.model(namespace, name);
      return model === undefined ? this.#gone.get(path) : currentModel(model);
    }
    const object = this.get(namespace, name);
    return object === undefined
      ? this.#gone.get(objectPath("device", namespace, name))
      : currentDevice(object);
  }

  #oldestOn(node: string, name: string): KubeObject | undefined {
    const views = this.on(node).map((object) => this.view(object));
    const found = oldestByName(views.filter((view) => view.name === name)).get(name);
    return found && this.get(found.namespace, found.name);
  }

  /** What devices report comes back as a change too: nodes need not hear of it. */
  #deviceChanged({ object, previous }: ObjectChange): boolean {
    if (object && previous && isSameForNodes(currentDevice(object), currentDevice(previous))) return false;
    const { namespace = "", name } = nameOf((object ?? previous) as KubeObject);
    this.#remember(
      objectPath("device", namespace, name),
      object === undefined && previous ? currentDevice(previous) : undefined,
    );
    return true;
  }

  #modelChanged({ object, previous }: ObjectChange): KubeObject[] {
    const { namespace = "", name } = nameOf((object ?? previous) as KubeObject);
    const path = objectPath("devicemodel", namespace, name);
    this.#remember(path, object === undefined && previous ? currentModel(previous) : undefined);
    return this.users(namespace, name);
  }

  #remember(path: string, last: KubeObject | undefined): void {
    this.#gone.delete(path);
    if (last === undefined) return;
    if (this.#gone.size >= maxRemembered) this.#gone.delete(this.#gone.keys().next().value as string);
    this.#gone.set(path, last);
  }
}
