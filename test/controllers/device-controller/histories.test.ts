import { expect, test } from "vitest";
import { devices } from "../../../controllers/runtime/kinds.ts";
import { HubError } from "../../../protocol/index.ts";
import { randomOf, seeds } from "../../support/seeds.ts";
import { device, model, World } from "./world.ts";

/** Whatever happens in whatever order, nodes end with the devices that are theirs, as they are to be. */

const nodes = ["edge-a", "edge-b", "edge-c"];
const names = ["d0", "d1", "d2", "d3", "d4"];

/** What a node has when it has taken all that was published to it, in order. */
function holdings(world: World): Map<string, string> {
  const held = new Map<string, string>();
  for (const { node, operation, resource, content } of world.hub.said) {
    const key = `${node} ${resource}`;
    if (operation === "delete") held.delete(key);
    else if (resource.includes("/device/")) held.set(key, desiredIn(content));
  }
  return held;
}

function desiredIn(content: unknown): string {
  const text = JSON.stringify(content);
  return /"(?:desired|expected)":\{"value":"(\d+)"/.exec(text)?.[1] ?? "?";
}

test.each(seeds(60))("nodes end with what is theirs, seed %i", async (seed) => {
  const next = randomOf(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  const at = new World();
  for (const node of nodes) at.hub.addNode(node);
  await at.create(model());
  await at.start();
  for (const node of nodes) await at.hub.connect(node, "native");
  const steps = {
    create: () =>
      at.create(device(pick(names), { node: pick(nodes), desired: `${Math.floor(next() * 90)}` })),
    remove: async () => void (await at.objects.delete(devices, { namespace: "default", name: pick(names) })),
    move: () => at.change(pick(names), { spec: { nodeName: pick(nodes) } }),
    wish: () => {
      const desired = { value: `${Math.floor(next() * 90)}`, metadata: { type: "int" } };
      return at.change(pick(names), { spec: { properties: [{ name: "temperature", desired }] } });
    },
    restart: async () => {
      await at.stop();
      await at.start();
    },
    crash: async () => {
      await at.stop();
      if (next() < 0.5) await steps.move().catch(() => undefined);
      if (next() < 0.5) await steps.remove().catch(() => undefined);
      await at.start();
    },
    link: async () => {
      const node = pick(nodes);
      await at.hub.disconnect(node);
      if (next() < 0.7) await at.hub.connect(node, "native");
    },
    full: async () => {
      at.hub.failure = new HubError("E_BACKLOG_FULL", "full");
      await at.settle(next() * 500);
      at.hub.failure = undefined;
    },
    watch: async () => (next() < 0.5 ? at.objects.endWatches() : at.objects.compact()),
    wait: () => at.settle(next() * 1_000),
  } satisfies Record<string, () => Promise<void>>;
  for (let step = 0; step < 40; step++) await pick(Object.values(steps))().catch(() => undefined);
  for (const node of nodes) await at.hub.connect(node, "native");
  for (let second = 0; second < 90; second++) await at.settle(1_000);

  const wanted = new Map<string, string>();
  for (const { metadata, spec } of (await at.objects.list(devices)).items) {
    const { nodeName } = spec as { nodeName: string };
    const value = desiredIn(spec);
    wanted.set(`${nodeName} membership/device/default/${metadata.name}`, value);
    wanted.set(`${nodeName} default/device/${metadata.name}`, value);
  }
  expect(Object.fromEntries([...holdings(at)].sort())).toEqual(Object.fromEntries([...wanted].sort()));
});
