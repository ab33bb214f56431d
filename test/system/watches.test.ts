import { expect, it, vi } from "vitest";
import type { KubeObject } from "../../kubernetes/index.ts";
import { ApiClient } from "../support/api-client.ts";
import { startWorld } from "../support/world.ts";

/** Many who watch, and one who does not read. */

const maps = "/api/v1/namespaces/default/configmaps";
const map = (name: string, more: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name },
  ...more,
});

it("serves a thousand watches at once", async () => {
  const world = await startWorld();
  const api = new ApiClient(world);
  const query = "watch=true&fieldSelector=metadata.name%3Da";
  const watches = await Promise.all(
    Array.from({ length: 1_000 }, async () => {
      const response = await api.open(`${maps}?${query}`);
      response.on("error", () => undefined);
      const seen = new Promise<string>((resolve) =>
        response.once("data", (chunk: Buffer) => resolve(chunk.toString())),
      );
      return { seen, response };
    }),
  );
  expect(await world.hub.metrics()).toContain("hub_api_watches 1000");
  await api.send(maps, { method: "POST", body: map("a", { data: { k: "v" } }) });
  for (const { seen, response } of watches) {
    expect(await seen).toContain('"type":"ADDED"');
    response.destroy();
  }
  await vi.waitFor(async () => expect(await world.hub.metrics()).toContain("hub_api_watches 0"));
}, 60_000);

it("cuts off a watcher who does not read, and nobody else notices", async () => {
  const strict = await startWorld({ api: { watchStallMs: 300 } });
  const client = new ApiClient(strict);
  const stalled = await client.open(`${maps}?watch=true`);
  stalled.on("error", () => undefined).pause();
  const other = await client.open(`${maps}?watch=true&fieldSelector=metadata.name%3Dlast`);
  const seen = new Promise<string>((resolve) =>
    other.once("data", (chunk: Buffer) => resolve(chunk.toString())),
  );
  const data = { k: "x".repeat(900_000) };
  for (let i = 0; i < 40; i++) await client.send(maps, { method: "POST", body: map(`m${i}`, { data }) });
  await vi.waitFor(
    async () => expect(await strict.hub.metrics()).toContain("hub_api_watches_stalled_total 1"),
    { timeout: 10_000 },
  );
  await client.send(maps, { method: "POST", body: map("last") });
  expect(await seen).toContain("last");
  other.destroy();
});
