import { expect, it } from "vitest";
import { contentOf, event, type Message } from "../../../protocol/index.ts";
import { freePort } from "../../support/free-port.ts";
import { startWorld } from "../../support/world.ts";
import { until } from "../test-agent.ts";
import { Client, configMap } from "./support.ts";

it("serves what the hub sends, and keeps watches while the hub is restarted", async () => {
  const port = await freePort();
  const world = await startWorld();
  const edge = await world.agent("edge-1", {
    metaServer: { enable: true, port, cloudTimeoutMs: 100 },
    eventBus: { enable: false },
  });
  await until("the link", () => edge.connected);
  const client = new Client(port);
  const watch = await client.watch("/api/v1/configmaps?watch=1");
  const publish = (version: number) =>
    world.hub.publish({
      node: "edge-1",
      resource: "default/configmap/limits",
      operation: "update",
      resourceVersion: String(version),
      content: configMap("limits", version),
    });
  await publish(1);
  await until("the first version", () => watch.events.length === 1);
  const { start } = await world.stopHub();
  await until("the link's end", () => !edge.connected);
  expect((await client.get("/api/v1/namespaces/default/configmaps/limits")).body).toEqual(
    configMap("limits", 1),
  );
  await start();
  await publish(2);
  await until("the second version", () => watch.events.length === 2);
  expect(watch.told).toEqual(["ADDED limits 1", "MODIFIED limits 2"]);
});

it("waits for no cloud where the hub says that there is none, holds up no other message, and asks one that comes", async () => {
  const port = await freePort();
  const world = await startWorld();
  const edge = await world.agent("edge-1", { metaServer: { enable: true, port, cloudTimeoutMs: 600_000 } });
  await until("the link", () => edge.connected);
  const client = new Client(port);
  const path = "/api/v1/namespaces/default/configmaps";
  await world.hub.publish({
    node: "edge-1",
    resource: "default/configmap/limits",
    operation: "update",
    resourceVersion: "1",
    content: configMap("limits", 1),
  });
  await until("the object", () => edge.status().resources === 1);
  await edge.publish({ group: "user", operation: "upload", resource: "nobody/wants/this", content: 1 });
  expect((await client.get(path)).body.items).toHaveLength(1);
  expect((await client.get(`${path}/nope`)).status).toBe(404);
  const write = await client.send("POST", path, JSON.stringify(configMap("new", 1)));
  expect(write).toMatchObject({
    status: 503,
    body: { message: expect.stringMatching(/no controller at the cloud/) },
  });
  await until("an outbox without questions", () => edge.status().outbox.messages === 1);

  const asked: Message[] = [];
  void (async () => {
    for await (const { message, ack } of world.hub.subscribe({ groups: ["dynamiccontroller"] })) {
      asked.push(message);
      ack();
      const content = { ...(contentOf(message) as object), Status: "Approved" };
      await world.hub.publish({
        node: "edge-1",
        source: "dynamiccontroller",
        operation: "applicationResponse",
        resource: "ignore/Application/ignore",
        parentId: message.id,
        content,
        delivery: event({ ttlMs: 10_000 }),
      });
    }
  })();
  const options = { "content-type": "application/json" };
  const again = await client.send("POST", path, JSON.stringify(configMap("new", 1)), options);
  expect(again.status).toBe(201);
  expect(asked).toHaveLength(1);
});
