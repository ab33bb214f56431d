import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "mqtt";
import { describe, expect, it, onTestFinished } from "vitest";
import { DeviceTwin } from "../../../edgehub/devicetwin/device-twin.ts";
import { deviceTwinSection } from "../../../edgehub/devicetwin/options.ts";
import { type Agent, type EdgeHub, startEdge } from "../../../edgehub/index.ts";
import { LocalBus } from "../../../edgehub/local-bus.ts";
import { checkOptions } from "../../../platform/config.ts";
import { silentLogger } from "../../../platform/logger.ts";
import { connectHub, contentOf, event, type Message, type Rights } from "../../../sdk/index.ts";
import { freePort } from "../../support/free-port.ts";
import { until } from "../../support/processes.ts";
import { startWorld, type World } from "../../support/world.ts";
import { D } from "./twin-world.ts";

const connected = (edge: EdgeHub) => until("it is connected", () => edge.status().dialect === "native");
const utf8 = (json: unknown) => Buffer.from(JSON.stringify(json));
const update = (value: number) => ({
  event_id: `${value}`,
  twin: { count: { actual: { value: `${value}` } } },
});

const everything = { nodes: ["*"], groups: ["*"], verbs: ["publish", "subscribe"] } satisfies Rights;

/** A controller of devices: takes what DeviceTwin sends, as long as it is there. */
async function cloud(world: World): Promise<{ taken: Message[]; add(...ids: string[]): Promise<void> }> {
  const token = await world.hub.admin.createController(`devices-${++controllers}`, everything);
  const { url, ca } = JSON.parse(readFileSync(world.hub.adminFile, "utf8")) as { url: string; ca: string };
  const client = await connectHub({ url, ca, token }, { random: () => 0.02 });
  onTestFinished(() => client.close());
  const taken: Message[] = [];
  void (async () => {
    for await (const { message, ack } of client.subscribe({ groups: ["resource"], sources: ["twin"] })) {
      taken.push(message);
      ack();
    }
  })();
  return {
    taken,
    async add(...ids) {
      const added = ids.map((id) => ({ id, name: id }));
      const content = { event_id: "a", timestamp: 1, added_devices: added, removed_devices: null };
      const route = {
        source: "devicecontroller",
        group: "twin",
        operation: "update",
        resource: "membership",
      };
      await client.publish({ node: "edge-1", ...route, content, delivery: event() });
    },
  };
}
let controllers = 0;

const knows = async (edge: EdgeHub, devices: number): Promise<void> => {
  const count = edge.store.database.prepare("SELECT count(*) FROM device").pluck();
  await until("the devices are known", () => count.get() === devices);
};

const countsOf = (messages: readonly Message[], id: string): number[] =>
  messages
    .filter(({ resource }) => resource.path === `device/${id}/twin/edge_updated`)
    .map((message) => contentOf(message) as { twin: { count: { actual: { value: string } } } })
    .map(({ twin }) => Number(twin.count.actual.value));

describe("an agent whose link is down", () => {
  it("takes reports, also across its own restart, and the cloud gets all of them, in order per device", async () => {
    const world = await startWorld();
    let bus = new LocalBus();
    const modules = [(agent: Agent) => new DeviceTwin(agent, bus, checkOptions(deviceTwinSection, {}))];
    const options = { deviceTwin: { enable: false } };
    let edge = await world.agent("edge-1", options, { modules });
    await connected(edge);
    const first = await cloud(world);
    const ids = ["lamp", "plant/pump"];
    await first.add(...ids);
    await knows(edge, 2);

    const server = `wss://127.0.0.1:${world.hub.ports.nodes}`;
    const hub = await world.stopHub();
    await until("the link is down", () => edge.status().dialect === undefined);
    let next = 0;
    const report = async (count: number): Promise<void> => {
      const reports = Array.from({ length: count }, () => next++).flatMap((value) =>
        ids.map((id) => bus.report(`${D}/${id}/twin/update`, utf8(update(value)))),
      );
      await Promise.all(reports);
    };
    await report(150);
    await edge.close();
    bus = new LocalBus();
    const again = {
      ...options,
      node: "edge-1",
      dataDir: join(world.directory, "edge-1"),
      eventBus: { enable: false },
      hub: { server, reconnectMinMs: 20, reconnectMaxMs: 200 },
    };
    edge = await startEdge(again, { log: silentLogger, modules });
    onTestFinished(() => edge.close());
    await report(150);
    expect(edge.status().outbox.messages).toBe(600);

    // The controller connects again by itself.
    await hub.start();
    const { taken } = first;
    await until("all have arrived", () => edge.status().outbox.messages === 0);
    const all = Array.from({ length: 300 }, (_, i) => i);
    for (const id of ids) expect(countsOf(taken, id)).toEqual(all);
  });
});

describe("an agent with its broker", () => {
  it("asks for its devices, takes reports by MQTT and answers there", async () => {
    const world = await startWorld();
    const { taken, add } = await cloud(world);
    const port = await freePort();
    const server = `tcp://127.0.0.1:${port}`;
    const edge = await world.agent("edge-1", {
      eventBus: { enable: true, mqttMode: "internal", mqttServerInternal: server },
    });
    await connected(edge);
    await until("it has asked", () => taken.some(({ resource }) => resource.path === "membership/detail"));
    await add("lamp");
    const client = connect(server.replace("tcp:", "mqtt:"));
    onTestFinished(() => client.endAsync(true));
    const heard: string[] = [];
    client.on("message", (topic) => heard.push(topic));
    await new Promise<void>((resolve) => client.once("connect", () => resolve()));
    await client.subscribeAsync(`${D}/lamp/twin/update/+`);
    await knows(edge, 1);
    await client.publishAsync(`${D}/lamp/twin/update`, utf8(update(7)), { qos: 1 });
    await until("it is answered", () => heard.length === 2);
    expect(heard).toEqual([`${D}/lamp/twin/update/result`, `${D}/lamp/twin/update/document`]);
    await until("the cloud has it", () => countsOf(taken, "lamp").length === 1);
    expect(countsOf(taken, "lamp")).toEqual([7]);
  });
});
