import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { beforeEach, expect, it } from "vitest";
import type { EdgeHub } from "../../edgehub/index.ts";
import { contentOf, type Message } from "../../sdk/index.ts";
import { LeapingClock } from "../interop/leaping-clock.ts";
import { eventually } from "../interop/patience.ts";
import { until } from "../support/processes.ts";
import { type LoggedLine, recordingLogger } from "../support/recording-logger.ts";
import { startWorld, type World } from "../support/world.ts";

/** Two machines that both are edge-1: somebody has copied a token, or a disk. */

interface Twin {
  readonly edge: EdgeHub;
  readonly log: { readonly lines: readonly LoggedLine[] };
}

let world: World;
let hubLog: ReturnType<typeof recordingLogger>;
let clock: LeapingClock;
let token: string;
beforeEach(async () => {
  hubLog = recordingLogger();
  clock = new LeapingClock();
  world = await startWorld({}, { log: hubLog, clock });
  token = (await world.hub.admin.createJoinToken({ ttlMs: 600_000, node: "edge-1" })).token;
});

async function machine(name: string): Promise<Twin> {
  const log = recordingLogger();
  const dataDir = join(world.directory, name);
  const parts = { clock, log, addresses: () => [] };
  return { edge: await world.agent("edge-1", { dataDir, hub: { token } }, parts), log };
}

const isIn = ({ edge }: Twin): boolean => edge.status().dialect !== undefined;
const said = ({ log }: Twin, event: RegExp): readonly LoggedLine[] =>
  log.lines.filter((line) => event.test(line.event));
const hubSaid = (event: string): readonly LoggedLine[] => hubLog.lines.filter((line) => line.event === event);
const metric = async (name: string): Promise<number> => {
  const line = (await world.hub.metrics()).split("\n").find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
};
const put = (node: string, version: string) => ({
  node,
  resource: "default/configmap/limits",
  operation: "update",
  resourceVersion: version,
  content: { kind: "ConfigMap" },
});

/** Time passes in steps short enough for pings and their answers. @param meanwhile Every ten seconds. */
async function minutes(
  count: number,
  meanwhile: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  for (let steps = 1; steps <= 24 * count; steps++) {
    await clock.leap(2_500);
    await pause(5);
    if (steps % 4 === 0) await meanwhile();
  }
}

it("the newer one is served; the older one is told why and waits before it tries again", async () => {
  const first = await machine("first");
  await until("the first is in", () => isIn(first));
  const second = await machine("second");
  await until("the second is in", () => isIn(second));
  await eventually(() => said(first, /another agent uses this node's name/)).toMatchObject([
    { text: "a newer connection of this node took over", retryInMs: 30_000 },
  ]);
  expect(isIn(first)).toBe(false);
  await clock.leap(29_000);
  await pause(50);
  expect([isIn(first), isIn(second)]).toEqual([false, true]);
  await world.hub.publish(put("edge-1", "1"), { until: "acked" });
  expect(second.edge.status().resources).toBe(1);
});

it("they take turns without haste, counted and logged, until one of them is stopped", async () => {
  const twins = [await machine("first"), await machine("second")] as const;
  await until("both have been in", () => hubSaid("node connected").length === 2);
  await minutes(10);
  // Half a minute each: twenty turns, never more.
  const turns = await metric('hub_node_links_closed_total{code="E_REPLACED"}');
  expect(turns).toBeGreaterThan(10);
  expect(turns).toBeLessThanOrEqual(21);
  expect(hubSaid("node connected").length).toBe(turns + 1);
  for (const twin of twins) {
    expect(said(twin, /another agent uses this node's name/).length).toBeGreaterThan(3);
    expect(said(twin, /./).length).toBeLessThan(60);
  }
  // An operator who looks at the hub's warnings sees it as well, once a minute.
  const warned = hubSaid("a node's link was taken over");
  expect(warned.length).toBeGreaterThan(0);
  expect(warned.length).toBeLessThanOrEqual(10);
  expect(warned[0]).toMatchObject({
    node: "edge-1",
    error: { code: "E_REPLACED", message: expect.stringMatching(/do two agents use this node's name\?/) },
  });
  expect(await metric('hub_faults_total{code="E_REPLACED"}')).toBe(turns - 1);

  await twins[0].edge.close();
  await minutes(1);
  const before = hubSaid("node connected").length;
  await minutes(5);
  expect(hubSaid("node connected").length).toBe(before);
  expect(isIn(twins[1])).toBe(true);
});

it("other nodes notice nothing, and nothing is lost that was acknowledged", async () => {
  const twins = [await machine("first"), await machine("second")] as const;
  const other = await world.agent("edge-2", {}, { clock, addresses: () => [] });
  await until("the other is in", () => other.status().dialect === "native");
  const received = new Set<unknown>();
  void (async () => {
    for await (const { message, ack } of world.hub.subscribe({ groups: ["user"] })) {
      received.add(contentOf(message as Message));
      ack();
    }
  })();
  const accepted: unknown[] = [];
  let version = 0;
  await minutes(4, async () => {
    version++;
    await world.hub.publish(put("edge-2", String(version)), { until: "acked" });
    await world.hub.publish(put("edge-1", String(version)));
    for (const [i, { edge }] of twins.entries()) {
      const content = `${i} ${version}`;
      await edge.publish({ group: "user", operation: "upload", resource: "t", content });
      accepted.push(content);
    }
  });
  expect(version).toBe(24);
  // They go on taking turns: each gets rid of what it has in its own.
  const checkpoint = async () => (await world.hub.checkpoint("edge-1", "default/configmap/limits"))?.version;
  // An ack that a takeover has cut off comes again in that one's next turn.
  const isEmpty = () => twins.every(({ edge }) => edge.status().outbox.messages === 0);
  const isDone = async () =>
    received.size === accepted.length && isEmpty() && (await checkpoint()) === String(version);
  for (let turns = 0; turns < 20 && !(await isDone()); turns++) await minutes(1);
  expect([...received].sort()).toEqual([...accepted].sort());
  for (const { edge } of twins) expect(edge.status().outbox.messages).toBe(0);
  expect(await checkpoint()).toBe(String(version));
  const versions = twins.map(({ edge }) => edge.store.meta.get("default/configmap/limits")?.version);
  expect(versions).toContain(String(version));
  expect(hubSaid("node link closed").filter(({ node }) => node === "edge-2")).toEqual([]);
});
