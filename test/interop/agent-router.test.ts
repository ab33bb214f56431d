import { expect, it } from "vitest";
import { device, received, waitFor } from "../edgehub/eventbus/harness.ts";
import { messagesOf, readCapture } from "./capture.ts";
import { connectedAgent } from "./test-agent.ts";

/** The recorded rules between REST and MQTT, played against our agent. */

it("publishes, subscribes and uploads on behalf of a stock cloud's router as the recorded edge did", async () => {
  const agent = await connectedAgent({ edge: { eventBus: { mqttServerInternal: "tcp://127.0.0.1:0" } } });
  const listens = agent.logged.find(({ event }) => event === "internal broker listens");
  const client = await device(`mqtt://127.0.0.1:${listens?.port}`);
  const seen = received(client);
  await client.subscribeAsync("test/down/#");
  const conversation = messagesOf(readCapture("e-router")).filter(
    ({ message: { route } }) => route.source === "router_eventbus" || route.source === "bus",
  );
  expect(conversation.map(({ message }) => message.route.operation)).toEqual([
    "publish",
    "publish",
    "subscribe",
    "upload",
    "unsubscribe",
  ]);
  for (const { message, bytes, from } of conversation) {
    if (from === "cloud") agent.link.sendBytes(bytes);
    else {
      const topic = message.route.resource ?? "";
      await waitFor(
        "the subscription counts",
        () =>
          agent.edge.store.database.prepare("SELECT 1 FROM sub_topics WHERE topic = ?").pluck().get(topic) ===
          1,
      );
      await client.publishAsync(topic, String(message.content), { qos: 1 });
      expect(await agent.link.next()).toEqual({
        ...message,
        header: { msg_id: expect.any(String), timestamp: expect.any(Number) },
      });
    }
  }
  await waitFor(
    "the subscription has ended",
    () => agent.edge.store.database.prepare("SELECT count(*) FROM sub_topics").pluck().get() === 0,
  );
  // Nothing is said of messages for the router: no ack, no answer.
  expect(await agent.link.sentSoFar()).toEqual([]);
  await waitFor("both have been published", () => seen.length === 2);
  expect(seen).toEqual(['test/down {"hello":"edge"}', "test/down/sub/path plain text"]);
});
