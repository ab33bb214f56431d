import { expect, test } from "vitest";
import { configMaps, pods } from "../../../controllers/runtime/kinds.ts";
import { HubError } from "../../../protocol/index.ts";
import { randomOf, seeds } from "../../support/seeds.ts";
import { DynamicWorld } from "./world.ts";

/** Whatever happens in whatever order, nodes end with what they watch and what their pods need, as it is. */

const nodes = ["edge-1", "edge-2"];
const names = ["a", "b", "c", "d"];
const selectors = ["", "room=hall", "room=yard"];
const rooms = ["hall", "yard", "attic"];

/** What a node has when it has taken all that was published to it, in order: path → word and labels. */
function holdings(world: DynamicWorld, node: string): Map<string, string> {
  const held = new Map<string, string>();
  for (const { node: to, operation, resource, content } of world.hub.published) {
    if (to !== node || !resource.includes("/configmap/")) continue;
    if (operation === "delete") held.delete(resource);
    else held.set(resource, summary(content));
  }
  return held;
}

function summary(content: unknown): string {
  const object = content instanceof Uint8Array ? JSON.parse(Buffer.from(content).toString()) : content;
  const { data, metadata } = object as { data: { word: string }; metadata: { labels?: { room?: string } } };
  return `${data.word} in ${metadata.labels?.room}`;
}

test.each(seeds(60))("nodes end with what they watch, seed %i", async (seed) => {
  const next = randomOf(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  const world = await new DynamicWorld({ keepMs: 60_000 }, ["edge", "dynamic"]).start();
  const watched = new Map<string, readonly string[]>(nodes.map((node) => [node, []]));
  const steps = {
    create: () => world.configMap(pick(names), { room: pick(rooms) }, `${Math.floor(next() * 90)}`),
    change: () =>
      world.objects.patch(configMaps, { namespace: "default", name: pick(names) }, "merge", {
        metadata: { labels: { room: pick(rooms) } },
        data: { word: `${Math.floor(next() * 90)}` },
      }),
    remove: () => world.objects.delete(configMaps, { namespace: "default", name: pick(names) }),
    watch: async () => {
      const node = pick(nodes);
      const selector = pick(selectors);
      watched.set(node, [...new Set([...(watched.get(node) ?? []), selector])]);
      await world.watch(node, selector);
    },
    sync: async () => {
      const node = pick(nodes);
      watched.set(node, next() < 0.5 ? [] : [pick(selectors)]);
      await world.sync(node, watched.get(node) ?? []);
    },
    pod: () => world.pod(`p-${pick(names)}`, pick(nodes), pick(names)),
    endPod: () =>
      world.objects.delete(
        pods,
        { namespace: "default", name: `p-${pick(names)}` },
        { gracePeriodSeconds: 0 },
      ),
    restart: async () => {
      await world.stop();
      if (next() < 0.5) await steps.change().catch(() => undefined);
      if (next() < 0.5) await steps.remove().catch(() => undefined);
      await world.start();
    },
    link: async () => world.hub.link(pick(nodes), true),
    full: async () => {
      world.hub.failure = new HubError("E_BACKLOG_FULL", "full");
      await steps.change().catch(() => undefined);
      await world.settle();
      world.hub.failure = undefined;
    },
    time: () => world.clock.advance(Math.floor(next() * 90_000)),
  };
  const all = Object.values(steps);
  for (let i = 0; i < 40; i++) {
    await pick(all)().catch(() => undefined);
    if (next() < 0.7) await world.settle();
  }
  for (let i = 0; i < 6; i++) {
    await world.clock.advance(60_000);
    await world.settle();
  }
  const { items } = await world.objects.list(configMaps, { namespace: "default" });
  const running = (await world.objects.list(pods)).items;
  for (const node of nodes) {
    const needed = running
      .filter(({ spec }) => (spec as { nodeName: string }).nodeName === node)
      .map(({ spec }) => JSON.stringify(spec));
    const isWanted = (name: string, room: string | undefined): boolean =>
      needed.some((text) => text.includes(`"configMap":{"name":"${name}"}`)) ||
      (watched.get(node) ?? []).some((selector) => selector === "" || selector === `room=${room}`);
    const wanted = items.filter(({ metadata }) => isWanted(metadata.name ?? "", metadata.labels?.room));
    const expected = wanted.map((one) => [`default/configmap/${one.metadata.name}`, summary(one)] as const);
    expect(new Map([...holdings(world, node)].sort()), node).toEqual(new Map([...expected].sort()));
  }
});
