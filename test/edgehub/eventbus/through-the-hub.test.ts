import { expect, it } from "vitest";
import { contentOf, event } from "../../../protocol/index.ts";
import { recordingLogger } from "../../support/recording-logger.ts";
import { startWorld } from "../../support/world.ts";
import { device, received, waitFor } from "./harness.ts";

it("a device reports while the hub is away, and the cloud gets all of it in order; the cloud answers", async () => {
  const world = await startWorld();
  const log = recordingLogger();
  const edge = await world.agent(
    "edge-1",
    { eventBus: { mqttServerInternal: "tcp://127.0.0.1:0" } },
    { log },
  );
  await waitFor("it is connected", () => edge.status().dialect === "native");
  const stopped = await world.stopHub();
  const listens = log.lines.find((line) => line.event === "internal broker listens");
  const client = await device(`mqtt://127.0.0.1:${listens?.port}`);
  const seen = received(client);
  await client.subscribeAsync("line/valve", { qos: 1 });
  for (const i of ["0", "1", "2"]) await client.publishAsync("line/user/temperature", i, { qos: 1 });
  await client.publishAsync("line/user/raw", Buffer.from([0xff]), { qos: 1 });
  expect(edge.status().outbox.messages).toBe(4);

  await stopped.start();
  const uploads: unknown[] = [];
  for await (const { message, ack } of world.hub.subscribe({ groups: ["user"], sources: ["bus"] })) {
    uploads.push([message.resource.path, contentOf(message)]);
    ack();
    if (uploads.length === 4) break;
  }
  expect(uploads).toEqual([
    ["line/user/temperature", "0"],
    ["line/user/temperature", "1"],
    ["line/user/temperature", "2"],
    ["line/user/raw", { data_base64: "/w==" }],
  ]);
  const command = { node: "edge-1", source: "router_eventbus", group: "user", operation: "publish" };
  await world.hub.publish(
    { ...command, resource: "line/valve", content: "open", delivery: event() },
    { until: "acked" },
  );
  await waitFor("the device has it", () => seen.length === 1);
  expect(seen).toEqual(["line/valve open"]);
  await waitFor("the outbox is empty", () => edge.status().outbox.messages === 0);
});
