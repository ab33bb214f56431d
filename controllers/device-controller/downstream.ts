import type { KubeObject } from "../../kubernetes/index.ts";
import { HubError, type PublishDraft } from "../../sdk/index.ts";
import { EventRecorder } from "../runtime/event-recorder.ts";
import type { Informer } from "../runtime/informer.ts";
import { nodes } from "../runtime/kinds.ts";
import type { ControllerParts } from "../runtime/parts.ts";
import { WorkQueue } from "../runtime/work-queue.ts";
import { type DeviceView, type IdForm, oldestByName } from "./device.ts";
import type { DeviceIndex } from "./device-index.ts";
import { EdgeNodes } from "./edge-nodes.ts";
import { fitOf } from "./model-fit.ts";
import { NodeDevices, type WantedDevices } from "./node-devices.ts";
import { currentDevice, currentModel } from "./older-form.ts";
import { StockMembership } from "./stock-membership.ts";
import { type EdgeCounts, membershipPath, objectPath, placeOf, type Wanted } from "./wanted.ts";

/** A node that is not known to the hub is looked for again so much later; its first link tells sooner. */
const unknownNodeMs = 60_000;
/** A stock edge asks for its devices when its link comes up. If it does not, it is told so much later. */
const unaskedMs = 2_000;
const noCounts: EdgeCounts = new Map();

/** One node as this controller deals with it. */
interface NodeWork {
  readonly devices: NodeDevices;
  readonly membership: StockMembership;
}

/** Brings nodes their devices and models, tells them which devices are their own, and what these are to be. */
export class Downstream implements WantedDevices {
  readonly nodes = new EdgeNodes();
  readonly #parts: ControllerParts;
  readonly #index: DeviceIndex;
  readonly #events: EventRecorder;
  readonly #nodeObjects: Informer;
  readonly #queue: WorkQueue;
  readonly #work = new Map<string, NodeWork>();
  /** By path of a device's membership. */
  readonly #counts = new Map<string, Map<string, number>>();
  #isReady = false;
  #endObserving: () => void = () => {};

  constructor(parts: ControllerParts, index: DeviceIndex) {
    this.#parts = parts;
    this.#index = index;
    this.#events = new EventRecorder(parts, "device-controller");
    this.#nodeObjects = parts.informers.of(nodes);
    this.#queue = new WorkQueue(parts, (node) => this.#reconcile(node), { name: "devices of nodes" });
  }

  start(): void {
    this.#endObserving = this.#index.observe({
      device: (now, before) => this.#deviceChanged(now, before),
      model: (users) => {
        for (const user of users) this.#deviceChanged(user, undefined);
      },
    });
    void this.#begin();
  }

  async close(): Promise<void> {
    this.#endObserving();
    await this.#queue.close();
  }

  // ── links ────────────────────────────────────────────────────────────────────────────────────────────────

  connected(node: string, dialect: unknown): void {
    this.nodes.connected(node, dialect);
    const work = this.#of(node);
    work.membership.restart();
    work.devices.reload();
    // A stock edge is about to ask; what is due to it as state does not wait for that.
    if (this.nodes.get(node).kind === "native") this.#queue.add(node);
    else this.#queue.addAfter(node, unaskedMs);
  }

  disconnected(node: string): void {
    this.nodes.disconnected(node);
  }

  /** The node wants to know all its devices. */
  asked(node: string): void {
    this.#of(node).membership.restart();
    this.#queue.add(node);
  }

  /** A node has named a device itself. */
  named(node: string, form: IdForm): void {
    const before = this.#formOf(node);
    this.nodes.named(node, form);
    if (this.nodes.get(node).kind !== "stock" || this.#formOf(node) === before) return;
    this.#of(node).membership.restart();
    this.#queue.add(node);
  }

  /**
   * The node's twin is to be something else than what is desired. It had not taken the wish that it was sent last: programs
   * of the node have changed the property more often than the wish knew, so it is sent again. If it had, they have changed
   * it since: that is left to them, until the wish changes.
   */
  differs(
    device: DeviceView,
    { property, cloud, edge }: { property: string; cloud: number; edge: number },
  ): void {
    const path = membershipPath(device);
    const counts = this.#counts.get(path) ?? new Map<string, number>();
    this.#counts.set(path, counts.set(property, edge));
    const { devices: resources } = this.#of(device.node);
    if (resources.version(path) === String(cloud)) return;
    resources.resend(path);
    this.#queue.add(device.node);
  }

  // ── what a node is to have ───────────────────────────────────────────────────────────────────────────────

  wanted(node: string, path: string): Wanted | "keep" | "withdraw" | undefined {
    const place = placeOf(path);
    if (place === undefined) return "keep";
    const { kind, namespace, name } = place;
    if (kind === "devicemodel") return this.#wantedModel(node, namespace, name);
    if (kind === "membership" && this.nodes.get(node).kind === "stock") return "withdraw";
    const object = this.#index.get(namespace, name);
    if (object === undefined || this.#index.view(object).node !== node) return undefined;
    const device = this.#index.view(object);
    const model = this.#index.model(namespace, device.model);
    if (kind === "device") return model === undefined ? "keep" : { kind, object: currentDevice(object) };
    if (!this.#takesMembership(node)) return "keep";
    return { kind, object, device, desired: fitOf(device, model).desired };
  }

  *paths(node: string): Iterable<string> {
    for (const object of this.#index.on(node)) yield* pathsOf(this.#index.view(object));
  }

  last(path: string): KubeObject | undefined {
    return this.#index.last(path);
  }

  counts(path: string): EdgeCounts {
    return this.#counts.get(path) ?? noCounts;
  }

  #wantedModel(node: string, namespace: string, name: string): Wanted | "keep" | undefined {
    const users = this.#index.users(namespace, name);
    if (!users.some((object) => this.#index.view(object).node === node)) return undefined;
    const model = this.#index.model(namespace, name);
    return model === undefined ? "keep" : { kind: "devicemodel", object: currentModel(model) };
  }

  /** While it is away, a node is what it was last. */
  #takesMembership(node: string): boolean {
    const { kind } = this.nodes.get(node);
    return kind === "native" || (kind === undefined && this.#of(node).devices.hasAny("membership"));
  }

  // ── changes ──────────────────────────────────────────────────────────────────────────────────────────────

  #deviceChanged(object: KubeObject | undefined, previous: KubeObject | undefined): void {
    for (const one of [previous, object]) {
      const device = one && this.#index.view(one);
      if (device === undefined || device.node === "") continue;
      for (const path of pathsOf(device)) this.#of(device.node).devices.touch(path);
      this.#queue.add(device.node);
    }
    if (object !== undefined) this.#check(object);
    else if (previous !== undefined) this.#counts.delete(membershipPath(this.#index.view(previous)));
  }

  /** Tells people what is wrong with a device. */
  #check(object: KubeObject): void {
    const device = this.#index.view(object);
    if (!this.#isReady || device.node === "") return;
    const model = this.#index.model(device.namespace, device.model);
    if (model === undefined) {
      const why = device.model === "" ? "it names no model" : `there is no model ${device.model}`;
      this.#events.warn(object, "ModelNotFound", `${why}: the device is not sent to ${device.node}`);
    }
    const { faults } = fitOf(device, model);
    if (faults.length > 0) this.#events.warn(object, "DoesNotFit", faults.slice(0, 5).join("; "));
  }

  // ── work ─────────────────────────────────────────────────────────────────────────────────────────────────

  #of(node: string): NodeWork {
    const found = this.#work.get(node);
    if (found !== undefined) return found;
    const { hub, clock, log } = this.#parts;
    const refused = (draft: PublishDraft, error: HubError): void =>
      log.error("a device cannot be brought to a node", { node, resource: draft.resource, error });
    const work = {
      devices: new NodeDevices(node, { hub, clock, devices: this, refused }),
      membership: new StockMembership(node),
    };
    this.#work.set(node, work);
    return work;
  }

  /** Looks at all devices, and at all nodes that the hub knows: they may have devices that are no more. */
  async #begin(): Promise<void> {
    await this.#ready();
    this.#isReady = true;
    for (const object of this.#index.all()) this.#check(object);
    try {
      for (const { node } of await this.#parts.hub.nodes()) this.#queue.add(node);
    } catch (error) {
      this.#parts.log.warn("the hub's nodes could not be listed", { error });
    }
  }

  async #ready(): Promise<void> {
    await Promise.all([this.#index.synced, this.#nodeObjects.synced]);
  }

  async #reconcile(node: string): Promise<number | undefined> {
    await this.#ready();
    const { devices: resources } = this.#of(node);
    try {
      await resources.load();
      if (!(await this.#isWithdrawn(node))) return 0;
      await this.#tellMembership(node);
      return (await resources.round()) ? 0 : undefined;
    } catch (error) {
      if (error instanceof HubError && error.code === "E_NO_NODE") return undefined;
      if (!(error instanceof HubError && error.code === "E_UNKNOWN_NODE")) throw error;
      resources.reload();
      return unknownNodeMs;
    }
  }

  /**
   * A node that was one of our agents, and is a stock edge now, may still be sent what was meant for the agent. It is told
   * all its devices when nothing of that can come any more. @returns False: there is more to be taken back.
   */
  async #isWithdrawn(node: string): Promise<boolean> {
    const { membership, devices: resources } = this.#of(node);
    if (this.nodes.get(node).kind !== "stock" || !resources.hasAny("membership")) return true;
    membership.restart();
    await resources.round();
    return !resources.hasAny("membership");
  }

  async #tellMembership(node: string): Promise<void> {
    const { kind, connected } = this.nodes.get(node);
    if (kind !== "stock" || !connected) return;
    const { membership, devices: resources } = this.#of(node);
    const form = this.#formOf(node);
    const devices = this.#tellable(node, form);
    // A node that has never had devices of the API may have some of another program's, which are not to be removed.
    if (devices.length === 0 && !resources.isServed) {
      membership.hasNone();
      return;
    }
    const drafts = membership.tell(devices, form, Math.trunc(this.#parts.clock.wallTime()));
    for (const outcome of drafts.length === 0 ? [] : await this.#parts.hub.publishBatch(drafts)) {
      if (outcome.ok) continue;
      membership.restart();
      // Its next link begins with all.
      if (outcome.error.code === "E_LINK_LOST") return;
      throw outcome.error;
    }
  }

  #formOf(node: string): IdForm {
    return this.nodes.formOf(node, this.#nodeObjects.get({ name: node }));
  }

  #tellable(node: string, form: IdForm): DeviceView[] {
    const objects = this.#index.on(node);
    const views = objects.map((object) => this.#index.view(object));
    if (form === "namespaced") return views;
    const oldest = oldestByName(views);
    for (const object of objects) {
      const { name } = this.#index.view(object);
      if (oldest.get(name) !== this.#index.view(object))
        this.#events.warn(
          object,
          "NameTaken",
          `${node} knows devices by name alone, and another one is called ${name}`,
        );
    }
    return [...oldest.values()];
  }
}

function* pathsOf(device: DeviceView): Iterable<string> {
  const { namespace, name, model } = device;
  yield membershipPath(device);
  if (model !== "") yield objectPath("devicemodel", namespace, model);
  yield objectPath("device", namespace, name);
}
