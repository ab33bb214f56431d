import { onTestFinished } from "vitest";
import { startDeviceController } from "../../../controllers/device-controller/device-controller.ts";
import { Informers } from "../../../controllers/runtime/informers.ts";
import { deviceModels, deviceStatuses, devices } from "../../../controllers/runtime/kinds.ts";
import type { KubeObject, ResourceName } from "../../../kubernetes/index.ts";
import type { HubApi } from "../../../protocol/index.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { FakeObjects } from "../../support/fake-objects.ts";
import { recordingLogger } from "../../support/recording-logger.ts";
import { FakeHub } from "./fake-hub.ts";

/** The device controller between objects and a hub in memory. */
export class World {
  readonly clock = new FakeClock();
  readonly log = recordingLogger();
  readonly hub = new FakeHub();
  readonly objects = new FakeObjects(() => this.clock.wallTime());
  #stop: () => Promise<void> = () => Promise.resolve();

  constructor() {
    onTestFinished(() => this.stop());
  }

  async start(): Promise<void> {
    const { clock, log, objects } = this;
    const hub = this.hub as unknown as HubApi;
    const stop = new AbortController();
    const informers = new Informers({ objects, clock, log }, stop.signal);
    const running = startDeviceController({ hub, objects, clock, log, informers });
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

  /** A node reports something, which is taken. */
  async report(node: string, draft: Parameters<FakeHub["report"]>[1]): Promise<void> {
    const taken = this.hub.report(node, draft);
    await this.settle();
    await taken;
  }

  /** Lets everything happen that takes less than this. */
  settle(ms = 500): Promise<void> {
    return this.clock.advance(ms);
  }

  async create(...all: [ResourceName, KubeObject][]): Promise<void> {
    for (const [resource, object] of all) await this.objects.create(resource, object);
  }

  device(name: string, namespace = "default"): Promise<KubeObject> {
    return this.objects.get(devices, { namespace, name });
  }

  status(name: string, namespace = "default"): Promise<KubeObject> {
    return this.objects.get(deviceStatuses, { namespace, name });
  }

  async change(name: string, patch: object): Promise<void> {
    await this.objects.patch(devices, { namespace: "default", name }, "merge", patch);
  }
}

export function model(
  name = "sensor-model",
  properties: readonly object[] = [temperature],
): [ResourceName, KubeObject] {
  const object = { apiVersion: "devices.kubeedge.io/v1beta1", kind: "DeviceModel" };
  return [
    deviceModels,
    { ...object, metadata: { name, namespace: "default" }, spec: { protocol: "modbus", properties } },
  ];
}

export const temperature = {
  name: "temperature",
  type: "INT",
  accessMode: "ReadWrite",
  minimum: "-20",
  maximum: "100",
};

export function device(
  name: string,
  {
    node = "edge-a",
    desired = "20",
    namespace = "default",
    more = {} as object,
    status = undefined as unknown,
  } = {},
): [ResourceName, KubeObject] {
  const property = { name: "temperature", desired: { value: desired, metadata: { type: "int" } } };
  const spec = { deviceModelRef: { name: "sensor-model" }, nodeName: node, properties: [property], ...more };
  const object = { apiVersion: "devices.kubeedge.io/v1beta1", kind: "Device", spec };
  return [devices, { ...object, metadata: { name, namespace }, ...(status === undefined ? {} : { status }) }];
}

/** What DeviceTwin says of a property. */
export function reportOf(
  id: string,
  value: string,
  { at = 1_000, edge = 1, property = "temperature", more = {} as object } = {},
) {
  const actual = { value, metadata: { timestamp: at } };
  const twin = { actual, optional: true, metadata: { type: "int" }, actual_version: { cloud: 0, edge } };
  return {
    resource: `device/${id}/twin/edge_updated`,
    content: { event_id: "e", timestamp: at, twin: { [property]: { ...twin, ...more } } },
  };
}
