import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { EdgeHub, EdgeOptionsInput } from "../../edgehub/index.ts";
import { connectHub, contentOf, type HubClient } from "../../sdk/index.ts";
import { eventually } from "../interop/patience.ts";
import { until } from "../support/processes.ts";
import { startWorld, type World } from "../support/world.ts";

/** Messages larger than somebody takes, in every direction: they end visibly, and what is behind them goes on. */

const mebibyte = 1 << 20;
let world: World;

async function agent(options: EdgeOptionsInput = {}): Promise<EdgeHub> {
  const edge = await world.agent("edge-1", options);
  await until("it is connected", () => edge.status().dialect === "native");
  return edge;
}

async function controller(): Promise<HubClient> {
  const { url, ca, token } = JSON.parse(readFileSync(world.hub.adminFile, "utf8")) as Record<
    "url" | "ca" | "token",
    string
  >;
  const client = await connectHub({ url, ca, token });
  onTestFinished(() => client.close());
  return client;
}

const put = (name: string, bytes: number) => ({
  node: "edge-1",
  resource: `default/configmap/${name}`,
  operation: "update",
  resourceVersion: "1",
  content: { data: "x".repeat(bytes) },
});
const up = (content: string) => ({ group: "user", operation: "upload", resource: "t", content });

describe("where the hub takes 16 MiB", () => {
  beforeEach(async () => {
    world = await startWorld();
  });

  it("a controller's message of 20 MiB is refused, and its connection stays", async () => {
    await world.hub.admin.addNode("edge-1");
    const client = await controller();
    const states: string[] = [];
    client.onState((state) => states.push(state));
    const [large, small] = await client.publishBatch([put("large", 20 * mebibyte), put("small", 10)]);
    expect(large).toMatchObject({ ok: false, error: { code: "E_TOO_LARGE" } });
    expect(small).toMatchObject({ ok: true });
    expect(states).toEqual([]);
    expect(await world.hub.where({ node: "edge-1" })).toMatchObject([
      { resource: "default/configmap/small" },
    ]);
  });

  it("a message of a little less arrives whole", async () => {
    const edge = await agent();
    const client = await controller();
    await client.publish(put("large", 16 * mebibyte - 4_096), { until: "acked" });
    expect(edge.store.meta.get("default/configmap/large")?.value.length).toBeGreaterThan(15.9 * mebibyte);
  });

  it("an application's message of 20 MiB is refused at the edge, before it is stored", async () => {
    const edge = await agent();
    await expect(edge.publish(up("x".repeat(20 * mebibyte)))).rejects.toMatchObject({
      code: "E_TOO_LARGE",
      message: expect.stringContaining(String(16 * mebibyte)),
    });
    expect(edge.status().outbox).toMatchObject({ messages: 0, refused: 0 });
  });

  it("an agent that takes less is not sent more: the message is refused and shown, those behind it arrive", async () => {
    const edge = await agent({ delivery: { messageBytes: mebibyte } });
    const client = await controller();
    const large = await client.publish(put("large", 2 * mebibyte));
    await client.publish(put("small", 10), { until: "acked" });
    await expect(client.acked(large)).rejects.toMatchObject({ code: "E_REFUSED" });
    expect(await client.where({ node: "edge-1", id: large.id })).toMatchObject([
      { state: "refused", code: "E_TOO_LARGE", text: expect.stringContaining(String(mebibyte)) },
    ]);
    expect(edge.status().resources).toBe(1);
    expect(await world.hub.metrics()).not.toContain("hub_node_links_closed_total{");
  });
});

describe("where the hub takes less than its agents send", () => {
  beforeEach(async () => {
    world = await startWorld({ limits: { messageBytes: mebibyte } });
  });

  it("an application's message is kept for people, those around it arrive in order, and the link stays", async () => {
    const edge = await agent();
    const taken: unknown[] = [];
    void (async () => {
      for await (const { message, ack } of world.hub.subscribe({ groups: ["user"] })) {
        taken.push(contentOf(message));
        ack();
      }
    })();
    for (const content of ["first", "x".repeat(2 * mebibyte), "last"]) await edge.publish(up(content));
    await eventually(() => taken).toEqual(["first", "last"]);
    await until("nothing waits", () => edge.status().outbox.messages === 0);
    expect(edge.status().outbox.refused).toBe(1);
    expect(await world.hub.metrics()).not.toContain("hub_node_links_closed_total{");
  });
});
