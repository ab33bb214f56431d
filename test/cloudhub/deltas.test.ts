import { beforeEach, describe, expect, it } from "vitest";
import type { EdgeHub } from "../../edgehub/index.ts";
import { until } from "../support/processes.ts";
import { startWorld, type World } from "../support/world.ts";

/** Compression and deltas between a hub and an agent, over real connections. */

const resource = "default/configmap/limits";
let world: World;
let edge: EdgeHub;

async function connected(): Promise<void> {
  await until("it is connected", () => edge.status().dialect === "native");
}

beforeEach(async () => {
  world = await startWorld();
  edge = await world.agent("edge-1");
  await connected();
});

function contentOf(version: number): object {
  const data = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`sensor-${i}`, `${Math.cos(i)}`]));
  return { kind: "ConfigMap", apiVersion: "v1", data: { ...data, "sensor-40": `value ${version}` } };
}

/** Publishes a version and waits until the node has it. @returns What the node has received for it, bytes. */
async function update(version: number, operation = "update"): Promise<number> {
  const before = edge.counters.bytesReceived;
  const draft = {
    node: "edge-1",
    resource,
    operation,
    resourceVersion: String(version),
    content: contentOf(version),
  };
  await world.hub.publish(draft, { until: "acked" });
  return edge.counters.bytesReceived - before;
}

/** What the node has stored. */
const stored = (): string | undefined => {
  const found = edge.store.meta.get(resource);
  return found && Buffer.from(found.value).toString();
};
const whole = JSON.stringify(contentOf(1)).length;

async function metric(name: string): Promise<number> {
  const line = (await world.hub.metrics())
    .split("\n")
    .find((one) => one.startsWith(`${name} `) || one.startsWith(`${name}{`));
  return Number(line?.split(" ").at(-1) ?? 0);
}

describe("an object that a node has", () => {
  it("comes compressed at first, and then as what has changed in it", async () => {
    expect(await update(1)).toBeLessThan(0.7 * whole);
    for (const version of [2, 3, 4]) {
      expect(await update(version)).toBeLessThan(0.08 * whole);
      expect(stored()).toBe(JSON.stringify(contentOf(version)));
    }
    expect(await metric("hub_saved_bytes_total")).toBeGreaterThan(3 * whole);
    expect(await metric("hub_messages_nacked_total")).toBe(0);
  });

  it("comes as a delta over the node's next connection too", async () => {
    await update(1);
    await edge.close();
    edge = await world.agent("edge-1");
    await connected();
    expect(await update(2)).toBeLessThan(0.08 * whole);
    expect(stored()).toBe(JSON.stringify(contentOf(2)));
  });

  it("comes whole once after the hub's restart, and then as deltas again", async () => {
    await update(1);
    await (await world.stopHub()).start();
    await connected();
    expect(await update(2)).toBeGreaterThan(0.3 * whole);
    expect(await update(3)).toBeLessThan(0.08 * whole);
    expect(stored()).toBe(JSON.stringify(contentOf(3)));
  });

  it("comes whole after it was deleted", async () => {
    await update(1);
    await update(2, "delete");
    expect(stored()).toBeUndefined();
    expect(await update(3)).toBeGreaterThan(0.3 * whole);
    expect(stored()).toBe(JSON.stringify(contentOf(3)));
  });
});

describe("a delta that does not fit what the node has", () => {
  it.each([
    ["another content under the same version", "UPDATE meta SET value = CAST('{}' AS BLOB)"],
    [
      "a content with one other byte",
      "UPDATE meta SET value = CAST(replace(CAST(value AS TEXT), 'sensor-9', 'censor-9') AS BLOB)",
    ],
    ["another version", "UPDATE meta SET version = '0'"],
    ["nothing", "DELETE FROM meta"],
    ["the object of another hub's store", "UPDATE meta SET origin = 'another'"],
  ])("is followed by the whole message: %s", async (_what, sql) => {
    await update(1);
    edge.store.database.exec(sql);
    const bytes = await update(2);
    expect(stored()).toBe(JSON.stringify(contentOf(2)));
    expect(bytes).toBeGreaterThan(0.3 * whole);
    expect(await metric("hub_messages_nacked_total")).toBe(1);
    expect(await metric('hub_faults_total{code="E_DELTA_MISMATCH"}')).toBe(1);
    expect(await update(3)).toBeLessThan(0.08 * whole);
    expect(stored()).toBe(JSON.stringify(contentOf(3)));
  });
});

it("sends everything whole where the hub is told to keep nothing for deltas", async () => {
  const plain = await startWorld({ delivery: { deltaCacheBytes: 0 } });
  world = plain;
  edge = await plain.agent("edge-1");
  await connected();
  await update(1);
  expect(await update(2)).toBeGreaterThan(0.3 * whole);
  expect(stored()).toBe(JSON.stringify(contentOf(2)));
});
