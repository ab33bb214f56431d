import { ApiError, isReason, type KubeObject, type ResourceName } from "../../kubernetes/index.ts";
import { type Logger, OncePer } from "../../platform/logger.ts";
import type { Incoming } from "../../sdk/index.ts";
import { nameOf } from "../runtime/informer.ts";
import { deviceStatuses, devices, olderDevices } from "../runtime/kinds.ts";
import type { ControllerParts } from "../runtime/parts.ts";
import { WorkQueue } from "../runtime/work-queue.ts";
import { type IdForm, reportedProperties } from "./device.ts";
import { statusChange } from "./device-status.ts";
import { isOlderDevice } from "./older-form.ts";
import { newest, type PropertyReport, type Report, type StateReport } from "./reports.ts";

export interface ReportingOptions {
  /** Between two writes of one device's status, at least; what is reported meanwhile becomes one write. */
  readonly statusMs: number;
}

export interface ReportingParts extends Pick<ControllerParts, "objects" | "clock" | "log"> {
  /** A device as it is now. */
  readonly device: (namespace: string, name: string) => KubeObject | undefined;
  /** Told when a report is in the status, or can be forgotten. */
  readonly done: (incoming: Incoming) => void;
}

/** Reports of one device that are not written yet. */
interface Pending {
  readonly uid: string;
  twins: Map<string, PropertyReport>;
  state: StateReport | undefined;
  waiting: Incoming[];
}

/** A conflict is tried again so often at once, with the object as it is now. */
const attempts = 4;

/** Writes what devices report into the status of their objects: the newest of each property, in few writes. */
export class Reporting {
  readonly #parts: ReportingParts;
  readonly #options: ReportingOptions;
  readonly #log: Logger;
  readonly #queue: WorkQueue;
  readonly #complaints: OncePer;
  /** By form and key of the device. */
  readonly #pending = new Map<string, Pending>();
  readonly #writtenAt = new Map<string, number>();
  /** By uid of the device: the newest of each property. */
  readonly #latest = new Map<string, Map<string, PropertyReport>>();
  /** DeviceStatus objects as this controller has written them; nobody else does. */
  readonly #statuses = new Map<string, KubeObject>();

  constructor(parts: ReportingParts, options: ReportingOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#log = parts.log;
    this.#queue = new WorkQueue(parts, (key) => this.#write(key), {
      name: "reports of devices",
      concurrency: 32,
    });
    this.#complaints = new OncePer(parts.clock, 60_000);
  }

  /** Takes a report of a device. It is done when it is written, together with what came with it. */
  take(object: KubeObject, form: IdForm, report: Report, incoming: Incoming): void {
    const { namespace, name } = nameOf(object);
    const key = `${form} ${namespace}/${name}`;
    const uid = object.metadata.uid ?? "";
    let pending = this.#pending.get(key);
    if (pending !== undefined && pending.uid !== uid) {
      // Of a device that is no more.
      pending.waiting.forEach(this.#parts.done);
      pending = undefined;
    }
    pending ??= { uid, twins: new Map(), state: undefined, waiting: [] };
    this.#pending.set(key, pending);
    pending.waiting.push(incoming);
    if (report.what === "state") pending.state = report.state;
    else this.#merge(object, pending, report.twins);
    const againMs =
      (this.#writtenAt.get(key) ?? -Infinity) + this.#options.statusMs - this.#parts.clock.now();
    if (againMs > 0) this.#queue.addAfter(key, againMs);
    else this.#queue.add(key);
  }

  /** A device is gone: nothing of it is remembered. */
  forget(object: KubeObject): void {
    const { namespace, name } = nameOf(object);
    this.#latest.delete(object.metadata.uid ?? "");
    this.#statuses.delete(`${namespace}/${name}`);
    for (const form of ["name", "namespaced"]) this.#writtenAt.delete(`${form} ${namespace}/${name}`);
  }

  close(): Promise<void> {
    return this.#queue.close();
  }

  #merge(object: KubeObject, pending: Pending, twins: ReadonlyMap<string, PropertyReport>): void {
    const listed = reportedProperties(object);
    const latest = this.#latest.get(pending.uid) ?? new Map<string, PropertyReport>();
    this.#latest.set(pending.uid, latest);
    for (const [name, report] of twins) {
      if (!listed.has(name)) {
        if (this.#complaints.pass(`${pending.uid} ${name}`) !== undefined)
          this.#log.info("a device reports a property that it has not", {
            ...nameOf(object),
            property: name,
          });
        continue;
      }
      const newestReport = newest(latest.get(name), report);
      latest.set(name, newestReport);
      pending.twins.set(name, newestReport);
    }
  }

  async #write(key: string): Promise<undefined> {
    const pending = this.#pending.get(key);
    if (pending === undefined) return;
    this.#pending.delete(key);
    const [form = "", device = ""] = key.split(" ");
    try {
      if (pending.twins.size > 0 || pending.state !== undefined)
        await this.#writeStatus(form as IdForm, device, pending);
    } catch (error) {
      if (isPassing(error)) {
        this.#putBack(key, pending);
        throw error;
      }
      if (this.#complaints.pass(`${key} ${error}`) !== undefined)
        this.#log.error("what a device reports cannot be written", { device, error });
    }
    this.#writtenAt.set(key, this.#parts.clock.now());
    pending.waiting.forEach(this.#parts.done);
  }

  /** What came meanwhile is newer. */
  #putBack(key: string, { uid, twins, state, waiting }: Pending): void {
    const later = this.#pending.get(key);
    if (later !== undefined && later.uid !== uid) {
      waiting.forEach(this.#parts.done);
      return;
    }
    this.#pending.set(key, {
      uid,
      twins: new Map([...twins, ...(later?.twins ?? [])]),
      state: later?.state ?? state,
      waiting: [...waiting, ...(later?.waiting ?? [])],
    });
  }

  async #writeStatus(form: IdForm, key: string, pending: Pending): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const [namespace = "", name = ""] = key.split("/");
      const known = attempt === 1 ? this.#parts.device(namespace, name) : undefined;
      const device = known ?? (await this.#fresh(devices, key));
      if (device === undefined || device.metadata.uid !== pending.uid) return;
      try {
        if (form === "name") await this.#writeToDevice(device, pending);
        else await this.#writeToStatus(device, pending);
        return;
      } catch (error) {
        this.#statuses.delete(key);
        const isOutdated = isReason(error, "Conflict") || isReason(error, "NotFound");
        if (!isOutdated || attempt === attempts) throw error;
      }
    }
  }

  /** The other fields of the Device stay as they are, whoever changes them meanwhile. */
  async #writeToDevice(device: KubeObject, pending: Pending): Promise<void> {
    const status = statusChange(device, pending);
    if (Object.keys(status).length === 0) return;
    const resource = isOlderDevice(device) ? olderDevices : devices;
    const { resourceVersion } = device.metadata;
    const patch = { metadata: { resourceVersion }, status };
    await this.#parts.objects.patch(resource, nameOf(device), "merge", patch);
  }

  async #writeToStatus(device: KubeObject, pending: Pending): Promise<void> {
    const { namespace, name } = nameOf(device);
    const key = `${namespace}/${name}`;
    const found = this.#statuses.get(key) ?? (await this.#fresh(deviceStatuses, key));
    const object = found ?? (await this.#parts.objects.create(deviceStatuses, newStatus(device)));
    this.#statuses.set(key, object);
    const status = statusChange(object, pending);
    if (Object.keys(status).length === 0) return;
    const patch = { metadata: { resourceVersion: object.metadata.resourceVersion }, status };
    const options = { subresource: "status" } as const;
    const written = await this.#parts.objects.patch(
      deviceStatuses,
      { namespace, name },
      "merge",
      patch,
      options,
    );
    this.#statuses.set(key, written);
  }

  async #fresh(resource: ResourceName, key: string): Promise<KubeObject | undefined> {
    const [namespace = "", name = ""] = key.split("/");
    try {
      return await this.#parts.objects.get(resource, { namespace, name });
    } catch (error) {
      if (isReason(error, "NotFound")) return undefined;
      throw error;
    }
  }
}

/** Goes with its device. */
function newStatus({ metadata }: KubeObject): KubeObject {
  const { name = "", namespace = "", uid = "" } = metadata;
  const owner = { apiVersion: "devices.kubeedge.io/v1beta1", kind: "Device", name, uid, controller: true };
  return {
    apiVersion: "devices.kubeedge.io/v1beta1",
    kind: "DeviceStatus",
    metadata: { name, namespace, ownerReferences: [owner] },
    spec: {},
  };
}

/** What can be otherwise the next time, or when an operator has changed something. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof ApiError)) return true;
  return (
    error.code >= 500 || ["Conflict", "TooManyRequests", "Forbidden", "Unauthorized"].includes(error.reason)
  );
}
