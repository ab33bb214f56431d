/**
 * A device program as anybody writes one: it knows MQTT and its own number, and nothing of hubs or links. Each stroke of
 * the press is reported once, and printed when the node has confirmed it.
 *
 *   node device.ts BROKER DEVICE STROKES EVERY_MS
 */
import { setTimeout as pause } from "node:timers/promises";
import mqtt from "mqtt";

const [broker = "", device = "", strokes = "", everyMs = ""] = process.argv.slice(2);
const client = await mqtt.connectAsync(broker);
for (let stroke = 1; stroke <= Number(strokes); stroke++) {
  const twin = { strokes: { actual: { value: `${stroke}` }, metadata: { type: "int" } } };
  const report = { event_id: `stroke-${stroke}`, timestamp: Date.now(), twin };
  await client.publishAsync(`$hw/events/device/${device}/twin/update`, JSON.stringify(report), { qos: 1 });
  process.stdout.write(`${stroke}\n`);
  await pause(Number(everyMs));
}
await client.endAsync();
