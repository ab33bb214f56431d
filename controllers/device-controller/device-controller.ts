import { OncePer } from "../../platform/logger.ts";
import { asHubError, isPresence } from "../../protocol/index.ts";
import { contentOf, type Incoming, type Message, type PublishDraft, volatile } from "../../sdk/index.ts";
import { objectOf } from "../runtime/fields.ts";
import { devices } from "../runtime/kinds.ts";
import type { ControllerParts, RunningController } from "../runtime/parts.ts";
import type { IdForm } from "./device.ts";
import { DeviceIndex } from "./device-index.ts";
import { Downstream } from "./downstream.ts";
import { fitOf } from "./model-fit.ts";
import { Reporting } from "./reporting.ts";
import { type PropertyReport, readReport } from "./reports.ts";

export interface DeviceControllerOptions {
  /** Between two writes of one device's status, ms; default 100. */
  readonly statusMs?: number;
}

/** Devices: to their nodes, what they are to be, and what they report back into their status. */
export function startDeviceController(
  parts: ControllerParts,
  options: DeviceControllerOptions = {},
): RunningController {
  const controller = new DeviceController(parts, options);
  controller.start();
  return controller;
}

class DeviceController implements RunningController {
  readonly #parts: ControllerParts;
  readonly #index: DeviceIndex;
  readonly #downstream: Downstream;
  readonly #reporting: Reporting;
  readonly #complaints: OncePer;
  readonly #stop = new AbortController();
  #endObserving: () => void = () => {};

  constructor(parts: ControllerParts, { statusMs = 100 }: DeviceControllerOptions) {
    this.#parts = parts;
    this.#index = new DeviceIndex(parts.informers);
    this.#downstream = new Downstream(parts, this.#index);
    this.#complaints = new OncePer(parts.clock, 60_000);
    const device = (namespace: string, name: string) => this.#index.get(namespace, name);
    const done = (incoming: Incoming) => this.#done(incoming);
    this.#reporting = new Reporting({ ...parts, device, done }, { statusMs });
  }

  start(): void {
    this.#downstream.start();
    this.#endObserving = this.#parts.informers.of(devices).observe(({ object, previous }) => {
      if (object === undefined && previous !== undefined) this.#reporting.forget(previous);
    });
    void this.#listen();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#endObserving();
    await Promise.all([this.#downstream.close(), this.#reporting.close()]);
  }

  async #listen(): Promise<void> {
    const { hub, log } = this.#parts;
    const filter = { groups: ["resource"], sources: ["twin"], presence: true };
    try {
      const subscription = hub.subscribe(filter, { signal: this.#stop.signal });
      await this.#index.synced;
      for await (const incoming of subscription) this.#take(incoming);
    } catch (error) {
      if (!this.#stop.signal.aborted) log.error("nodes are not listened to any more", { error });
    }
  }

  #take(incoming: Incoming): void {
    const { message } = incoming;
    if (isPresence(message)) {
      this.#presence(message);
      incoming.ack();
      return;
    }
    try {
      this.#report(incoming);
    } catch (error) {
      // The same the next time.
      this.#complain("a node's report cannot be read", message, error);
      this.#done(incoming);
    }
  }

  #presence(message: Message): void {
    if (message.operation === "disconnected") this.#downstream.disconnected(message.node);
    else this.#downstream.connected(message.node, objectOf(contentOf(message)).dialect);
  }

  /** Throws `E_BAD_MESSAGE`. */
  #report(incoming: Incoming): void {
    const { message } = incoming;
    if (message.resource.path === "membership/detail") {
      this.#done(incoming);
      this.#downstream.asked(message.node);
      return;
    }
    const report = readReport(message);
    const object = report && this.#index.meant(message.node, report.id);
    if (report === undefined || object === undefined) {
      this.#complain("a node reports what is none of its devices", message);
      this.#done(incoming);
      return;
    }
    const form: IdForm = report.id.includes("/") ? "namespaced" : "name";
    this.#downstream.named(message.node, form);
    this.#reporting.take(object, form, report, incoming);
    if (report.what === "twins" && form === "namespaced") this.#compare(message, report.id, report.twins);
  }

  /**
   * A node refuses a wish that does not know how often its programs have changed the property, and says so: then it gets
   * the wish again. What programs change after it had taken the wish is left to them.
   */
  #compare(message: Message, id: string, twins: ReadonlyMap<string, PropertyReport>): void {
    const object = this.#index.meant(message.node, id);
    if (object === undefined || ![...twins.values()].some(({ expected }) => expected !== undefined)) return;
    const device = this.#index.view(object);
    const { desired } = fitOf(device, this.#index.model(device.namespace, device.model));
    for (const [name, { expected }] of twins) {
      const wish = desired.get(name);
      const version = expected?.version;
      if (wish === undefined || version === undefined || wish.value === expected?.value) continue;
      this.#downstream.differs(device, { property: name, ...version });
    }
  }

  /** A stock edge sends it again until it is confirmed; one of ours, until it is acked. */
  #done({ message, ack }: Incoming): void {
    ack();
    if (this.#downstream.nodes.get(message.node).kind === "native") return;
    const draft: PublishDraft = {
      node: message.node,
      source: "devicecontroller",
      group: "twin",
      operation: "response",
      resource: "twin",
      parentId: message.id,
      content: "OK",
      delivery: volatile,
    };
    this.#parts.hub.publish(draft).catch((error: unknown) => {
      // Without a link it is confirmed when it comes again.
      if (asHubError(error).code !== "E_LINK_LOST")
        this.#complain("a report could not be confirmed", message, error);
    });
  }

  #complain(what: string, { node, resource }: Message, error?: unknown): void {
    if (this.#complaints.pass(`${what} ${node} ${resource.path}`) === undefined) return;
    this.#parts.log.warn(what, { node, resource: resource.path, ...(error === undefined ? {} : { error }) });
  }
}
