import { describe, expect, it, onTestFinished, vi } from "vitest";
import { greetingOf, rememberHub } from "../../edgehub/greeting.ts";
import type { EdgeHub } from "../../edgehub/index.ts";
import { edgeSchema } from "../../edgehub/options.ts";
import { checkOptions } from "../../platform/config.ts";
import { silentLogger } from "../../platform/logger.ts";
import { type Dialled, webSocketTransport } from "../../transport/index.ts";
import { until } from "../support/processes.ts";
import { startWorld, type World } from "../support/world.ts";
import { TestAgent } from "./test-agent.ts";

const isUp = (agent: EdgeHub): Promise<void> =>
  until("the link is up", () => agent.status().transport === "wss");

async function deliver({ hub }: World, name: string): Promise<void> {
  const content = {
    kind: "ConfigMap",
    apiVersion: "v1",
    metadata: { name, namespace: "default" },
    data: { name },
  };
  const resource = `default/configmap/${name}`;
  const published = await hub.publish({
    node: "edge-1",
    resource,
    operation: "update",
    resourceVersion: "next",
    content,
  });
  await hub.acked(published, { timeoutMs: 20_000 });
}

/** How often nodes and the hub agreed on what the node has, in one way or the other. */
async function resumed({ hub }: World): Promise<Record<string, number>> {
  const lines = (await hub.metrics()).matchAll(/^hub_resumes_total\{outcome="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, outcome, count]) => [outcome, Number(count)]));
}

describe("what a node says first", () => {
  it("has no digest before it knows a hub, and one for that hub afterwards", () => {
    const { store } = new TestAgent();
    const options = checkOptions(edgeSchema, { node: "edge-1" });
    expect(greetingOf(store, options)).not.toHaveProperty("hello.held");
    rememberHub(store, "hub-1", silentLogger);
    expect(greetingOf(store, options)).toMatchObject({
      hello: { held: { storeId: "hub-1", digest: new Uint8Array(8) } },
      resumption: { origin: "hub-1" },
    });
  });

  it("goes with the request to the hub that it knows", async () => {
    const world = await startWorld();
    const dials = vi.spyOn(webSocketTransport, "dial");
    onTestFinished(() => dials.mockRestore());
    const first = await world.agent("edge-1");
    await isUp(first);
    await deliver(world, "a");
    await first.close();
    for (let visits = 1; visits < 4; visits++) {
      const agent = await world.agent("edge-1");
      await isUp(agent);
      await deliver(world, `b-${visits}`);
      await agent.close();
      expect(await resumed(world)).toEqual({ same: visits + 1 });
    }
    const answers = await Promise.all(dials.mock.results.map(({ value }) => value as Promise<Dialled>));
    expect(answers.map(({ greeted }) => greeted)).toEqual([false, true, true, true]);
  });

  it("is said anew where another hub answers than the one it knows", async () => {
    const world = await startWorld();
    const first = await world.agent("edge-1");
    await isUp(first);
    await deliver(world, "a");
    first.store.remember("hub", "another hub");
    await first.close();
    const again = await world.agent("edge-1");
    await isUp(again);
    await deliver(world, "b");
    expect(await resumed(world)).toEqual({ same: 2 });
    expect(again.store.recall("hub")).toBe(world.hub.storeId);
  });
});
