import { readFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import type { EdgeHub } from "../../edgehub/index.ts";
import { connectHub, contentOf, event, type HubClient, type LedgerEntry } from "../../sdk/index.ts";
import { eventually } from "../interop/patience.ts";
import { until } from "../support/processes.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { ShiftedClock } from "../support/shifted-clock.ts";
import { startWorld, type World } from "../support/world.ts";

/**
 * One wall clock is wrong. TLS looks at the machine's own, which no test can set: a clock of the hub that is wrong
 * stands for the opposite at the edge, for all certificates are the hub's.
 */

const minute = 60_000;
const hour = 60 * minute;

const put = (version: string) => ({
  node: "edge-1",
  resource: "default/configmap/limits",
  operation: "update",
  resourceVersion: version,
  content: { kind: "ConfigMap" },
});
const command = (id: string, ttlMs: number) => ({
  node: "edge-1",
  id,
  resource: "device/commands",
  operation: "publish",
  group: "user",
  delivery: event({ ttlMs }),
  content: id,
});
const up = (content: unknown) => ({ group: "user", operation: "upload", resource: "t", content });

async function controllerOf(world: World): Promise<HubClient> {
  const { url, ca } = JSON.parse(readFileSync(world.hub.adminFile, "utf8")) as { url: string; ca: string };
  const rights = { nodes: ["*"], groups: ["*"], verbs: ["publish", "subscribe", "read"] as const };
  const token = await world.hub.admin.createController("shop", rights, 10 * minute);
  const client = await connectHub({ url, ca, token }, { random: () => 0.02 });
  onTestFinished(() => client.close());
  return client;
}

const stateOf = async (world: World, id: string): Promise<LedgerEntry | undefined> =>
  (await world.hub.where({ node: "edge-1", id }))[0];

/** The agent's module for commands keeps what it was given. */
function commandsModule(taken: unknown[]) {
  const handle = (message: Parameters<typeof contentOf>[0]): Promise<void> => {
    taken.push(contentOf(message));
    return Promise.resolve();
  };
  const start = (): Promise<void> => Promise.resolve();
  return [() => ({ name: "commands", groups: ["user"], start, handle, stop: start })];
}

describe.each([
  ["the hub's is an hour ahead", hour, 0],
  ["the hub's is an hour behind", -hour, 0],
  ["the edge's is an hour ahead", 0, hour],
  ["the edge's is an hour behind", 0, -hour],
])("where two clocks differ: %s", (_name, hubAheadMs, edgeAheadMs) => {
  const hubClock = new ShiftedClock(hubAheadMs);
  const clock = new ShiftedClock(edgeAheadMs);
  const commands: unknown[] = [];
  let world: World;
  const agent = async (): Promise<EdgeHub> => {
    commands.length = 0;
    world = await startWorld({}, { clock: hubClock });
    // Good for ten minutes, by the hub's clock.
    return await world.agent("edge-1", {}, { clock, modules: commandsModule(commands) });
  };

  it("a machine joins with a token of ten minutes, and its certificate opens the link", async () => {
    const edge = await agent();
    await until("it is connected", () => edge.status().dialect === "native");
    const lifeMs = (edge.status().certificateEndsAt ?? 0) - hubClock.wallTime();
    expect(Math.abs(lifeMs - 365 * 24 * hour)).toBeLessThan(minute);
  });

  it("messages go both ways, and the ledger's times are the hub's, in their order", async () => {
    const edge = await agent();
    await until("it is connected", () => edge.status().dialect === "native");
    const client = await controllerOf(world);
    const { id } = await client.publish(put("1"), { until: "acked" });
    const entry = (await client.where({ node: "edge-1", id }))[0] as LedgerEntry;
    // Its end is written by another thread, which has the machine's clock and no other.
    const times = [entry.acceptedAt, entry.firstSentAt, entry.lastSentAt, entry.persistedAt];
    expect(times).toEqual([...times].sort((a, b) => Number(a) - Number(b)));
    for (const time of times) expect(Math.abs(Number(time) - hubClock.wallTime())).toBeLessThan(minute);
    await edge.publish(up(1));
    for await (const { message, ack } of client.subscribe({ groups: ["user"] })) {
      // The time in a message is its sender's.
      expect(Math.abs(Number(message.timestamp) - clock.wallTime())).toBeLessThan(minute);
      ack();
      break;
    }
    await until("the outbox is empty", () => edge.status().outbox.messages === 0);
  });

  it("a time to live is counted where the message waits, and by that clock alone", async () => {
    const edge = await agent();
    await until("it is connected", () => edge.status().dialect === "native");
    await edge.close();
    await world.hub.publish(command("soon-over", 1));
    await world.hub.publish(command("ten-minutes", 10 * minute));
    const again = await world.agent("edge-1", {}, { clock, modules: commandsModule(commands) });
    await until("it arrives", () => commands.includes("ten-minutes"));
    expect(commands).toEqual(["ten-minutes"]);
    await eventually(async () => (await stateOf(world, "soon-over"))?.state).toBe("expired");
    const client = await controllerOf(world);
    // Nobody listens yet: it waits at the edge.
    await again.publish({ ...up("later"), delivery: event({ ttlMs: 10 * minute }) });
    for await (const { message, ack } of client.subscribe({ groups: ["user"] })) {
      ack();
      if (contentOf(message) === "later") break;
    }
  });
});

describe("a wall clock that is set while everything runs", () => {
  it.each([
    ["forward", hour],
    ["back", -hour],
  ])("%s by an hour costs no link and nothing that was acknowledged", async (_name, jumpMs) => {
    const hubClock = new ShiftedClock(0);
    const clock = new ShiftedClock(0);
    const world = await startWorld({}, { clock: hubClock });
    const edge = await world.agent("edge-1", {}, { clock });
    await until("it is connected", () => edge.status().dialect === "native");
    const client = await controllerOf(world);
    await client.publish(put("1"), { until: "acked" });
    await edge.publish(up(1));
    await edge.publish(up(2));
    hubClock.aheadMs += jumpMs;
    await client.publish(put("2"), { until: "acked" });
    clock.aheadMs -= jumpMs;
    await client.publish({ ...put("next"), resourceVersion: "next" }, { until: "acked" });
    await edge.publish(up(3));
    const taken: unknown[] = [];
    for await (const { message, ack } of client.subscribe({ groups: ["user"] })) {
      taken.push(contentOf(message));
      ack();
      if (taken.length === 3) break;
    }
    expect(taken).toEqual([1, 2, 3]);
    expect(edge.store.meta.get("default/configmap/limits")?.version).toBe("3");
    expect(await world.hub.metrics()).not.toContain("hub_node_links_closed_total{");
  });

  it.each([
    ["forward by two days", 48 * hour],
    // Further back no certificate would be valid yet.
    ["back by half an hour", -hour / 2],
  ])(
    "%s while the link is away changes no pause, no admission and no budget",
    async (_name, jumpMs) => {
      const hubClock = new ShiftedClock(0);
      const clock = new ShiftedClock(0);
      const options = {
        budget: { bulkBytesPerDay: 1 },
        nodes: { reconnectBurst: 2, reconnectEveryMs: 2_000 },
      };
      const world = await startWorld(options, { clock: hubClock });
      const edge = await world.agent("edge-1", {}, { clock });
      const view = async () => (await world.hub.nodes()).find((one) => one.node === "edge-1");
      await until("it is connected", () => edge.connected);
      // The first one spends the day's budget.
      await world.hub.publish(put("1"), { until: "acked" });
      await world.hub.publish({ ...put("2"), resource: "default/configmap/waits" });
      await until("it waits for the budget", async () => (await view())?.budgetWaitMs !== undefined);
      const endLink = {
        node: "edge-1",
        resource: "default/node/edge-1",
        operation: "delete",
        group: "resource",
      };
      await world.hub.publish({ ...endLink, content: {} });
      await until("it is back", async () => (await view())?.connected === true);
      await world.hub.publish({ ...endLink, content: {} });
      hubClock.aheadMs += jumpMs;
      clock.aheadMs -= jumpMs;
      await until("it is slowed down as ever", async () => (await view())?.flapping === true);
      await until("it is let in when its time has come", async () => (await view())?.connected === true);
      await until("the budget holds", async () => (await view())?.budgetWaitMs !== undefined);
      expect((await view())?.budgetWaitMs).toBeGreaterThan(23 * hour);
      // What is urgent goes on.
      const done = world.hub.publish(
        { ...command("now", hour), delivery: event({ priority: 1, ttlMs: 100 * hour }) },
        { until: "acked", timeoutMs: 20_000 },
      );
      await expect(done).rejects.toMatchObject({ code: "E_REFUSED" });
    },
    60_000,
  );

  it("forward ends what has outlived its time, visibly, and nothing else", async () => {
    const hubClock = new ShiftedClock(0);
    const world = await startWorld({}, { clock: hubClock });
    await world.hub.admin.addNode("edge-1");
    await world.hub.publish(command("half-an-hour", hour / 2));
    await world.hub.publish(command("a-day", 24 * hour));
    await world.hub.publish(put("1"));
    hubClock.aheadMs += hour;
    const commands: unknown[] = [];
    const edge = await world.agent("edge-1", {}, { modules: commandsModule(commands) });
    await until("the rest arrives", () => commands.length === 1 && edge.status().resources === 1);
    expect(commands).toEqual(["a-day"]);
    expect(await stateOf(world, "half-an-hour")).toMatchObject({ state: "expired", sends: 0 });
  });
});

describe("an edge whose clock is so far behind that no certificate is valid yet", () => {
  it("is told to look at its clock, and goes on trying", async () => {
    const hubClock = new ShiftedClock(3 * hour);
    const world = await startWorld({}, { clock: hubClock });
    const log = recordingLogger();
    const edge = await world.agent("edge-1", {}, { log });
    const failures = () => log.lines.filter(({ event }) => event === "cannot join the hub");
    await eventually(() => failures()[0]).toMatchObject({
      error: {
        code: "E_IDENTITY",
        message: expect.stringMatching(/not yet valid.*Is this machine's clock right\?/),
      },
    });
    await eventually(() => failures().length).toBeGreaterThan(1);
    expect(edge.status()).toMatchObject({ joined: false });
  });
});

describe("tokens and a clock that jumps", () => {
  it("end by the hub's clock: a join token and a controller's", async () => {
    const hubClock = new ShiftedClock(0);
    const world = await startWorld({}, { clock: hubClock });
    const client = await controllerOf(world);
    const { token } = await world.hub.admin.createJoinToken({ ttlMs: 10 * minute });
    hubClock.aheadMs += hour;
    const log = recordingLogger();
    const edge = await world.agent("edge-1", { hub: { token } }, { log });
    await eventually(() => log.lines).toContainEqual(
      expect.objectContaining({
        event: "cannot join the hub",
        error: expect.objectContaining({ code: "E_TOKEN_EXPIRED" }),
      }),
    );
    expect(edge.status().joined).toBe(false);
    // A controller that is in stays in, and is turned away when it comes back.
    await world.hub.admin.addNode("edge-1");
    expect(await client.publish(put("1"))).toMatchObject({ stale: false });
    await (await world.stopHub()).start();
    await expect(client.nodes()).rejects.toMatchObject({ code: "E_TOKEN_EXPIRED" });
    // An hour back, and the token is good again.
    hubClock.aheadMs -= hour;
    await eventually(() => edge.status().dialect).toBe("native");
  });
});
