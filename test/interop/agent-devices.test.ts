import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { DeviceTwin } from "../../edgehub/devicetwin/device-twin.ts";
import { deviceTwinSection } from "../../edgehub/devicetwin/options.ts";
import type { Agent } from "../../edgehub/index.ts";
import { LocalBus } from "../../edgehub/local-bus.ts";
import { checkOptions } from "../../platform/config.ts";
import { messagesOf, readCapture } from "./capture.ts";
import type { RawWebSocket } from "./raw-websocket.ts";
import { agentForTest, type TestAgent } from "./test-agent.ts";
import { newHeader, type WireJson } from "./wire-json.ts";

/** DeviceTwin of our agent and a stock cloud. */

interface World extends TestAgent {
  readonly bus: LocalBus;
}

const update = "$hw/events/device/sensor-1/twin/update";
const confirmTimeoutMs = 60_000;

async function agentWithDevices(): Promise<World> {
  const bus = new LocalBus();
  const options = { ...checkOptions(deviceTwinSection, {}), confirmTimeoutMs };
  const modules = [(agent: Agent) => new DeviceTwin(agent, bus, options)];
  return { ...(await agentForTest({ parts: { modules } })), bus };
}

/** The next message that is not a heartbeat, as text. */
async function nextText(link: RawWebSocket): Promise<string> {
  for (;;) {
    const text = await link.nextText();
    if (!text.includes('"operation":"keepalive"')) return text;
  }
}
const next = async (link: RawWebSocket): Promise<WireJson> => JSON.parse(await nextText(link)) as WireJson;
const report = (bus: LocalBus, topic: string, payload: string) => bus.report(topic, Buffer.from(payload));

/** Without what no two runs have in common: ids and times. */
function comparable(text: string): string {
  return text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "an-id")
    .replace(/"timestamp(\\?)":\d+/g, '"timestamp$1":0')
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/, "a time");
}

it("says what the recorded edge said of its device, byte for byte", async () => {
  const { bus, cloud } = await agentWithDevices();
  const link = await cloud.nextLink();
  const [, asked] = messagesOf(readCapture("a-join-edged-disabled"), "edge");
  expect(comparable(await nextText(link))).toBe(comparable(asked?.text ?? ""));

  const capture = messagesOf(readCapture("f-device"));
  const [membership] = capture.filter(({ message }) => message.route.resource === "membership");
  link.send(membership?.text ?? "");
  const said = capture.filter(({ from, message }) => from === "edge" && message.route.source === "twin");
  const log = readFileSync(new URL("../fixtures/captures/f-device-mqtt.log", import.meta.url), "utf8");
  const reports = log.split("\n").filter((line) => /^\S+\/(twin|state)\/update /.test(line));
  expect([said.length, reports.length]).toEqual([3, 3]);
  // It is stored before the next message on the link is acked.
  link.send({
    header: { ...newHeader(), resourceversion: "1" },
    route: {
      source: "devicecontroller",
      group: "resource",
      operation: "insert",
      resource: "default/device/sensor-1",
    },
    content: {},
  });
  expect(await next(link)).toMatchObject({ content: "OK" });
  for (const [at, line] of reports.entries()) {
    const space = line.indexOf(" ");
    await report(bus, line.slice(0, space), line.slice(space + 1));
    expect(comparable(await nextText(link))).toBe(comparable(said[at]?.text ?? ""));
  }
});

it("repeats under the same id, on the next link too, what the cloud has not confirmed", async () => {
  const { bus, cloud, clock } = await agentWithDevices();
  const first = await cloud.nextLink();
  await next(first);
  await report(bus, "$hw/events/node/n/membership/updated", '{"added_devices":[{"id":"sensor-1"}]}');
  await report(bus, update, '{"twin":{"t":{"actual":{"value":"1"}}}}');
  const sent = await next(first);
  first.reset();
  const second = await cloud.nextLink();
  await next(second);
  await clock.leap(confirmTimeoutMs);
  await clock.leap(confirmTimeoutMs);
  const again = await next(second);
  expect(again).toMatchObject({ header: { msg_id: sent.header.msg_id }, route: sent.route });
  expect(again.content).toMatchObject({ twin: (sent.content as { twin: object }).twin });

  second.send({
    header: { ...newHeader(), parent_msg_id: sent.header.msg_id },
    route: { source: "devicecontroller", group: "twin", operation: "response", resource: "twin" },
    content: "OK",
  });
  await report(bus, update, '{"twin":{"other":{"actual":{"value":"2"}}}}');
  const other = await next(second);
  await clock.leap(confirmTimeoutMs);
  await clock.leap(confirmTimeoutMs);
  expect(await next(second)).toMatchObject({ header: { msg_id: other.header.msg_id } });
});
