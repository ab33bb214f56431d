import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectHub } from "../../sdk/index.ts";
import { HubProgram, Process, startAgentProgram } from "../programs.ts";
import type { Scenario } from "../scenario.ts";
import { configMap } from "../updates.ts";

/** So long nothing passes in either direction; both sides have found the link dead by then. */
const silentMs = 30_000;
const changed = 500;
const roundTripMs = 200;

/** A path swallows everything for half a minute while 500 resources change; then it is back. */
export const pathReturn: Scenario = {
  name: "path-return",
  describes:
    "a path of 200 ms is silent for 30 s while 500 resources change: until the node has them all; half-open links",
  heavy: true,
  async run({ directory, rounds, seed }, say) {
    const hub = new HubProgram(join(directory, "hub"));
    await hub.start();
    const link = new Process("bench/link-process.ts");
    const { port } = await link.ask<{ port: number }>({ target: hub.ports.nodes, profile: "rtt200", seed });
    const client = await connectHub(hub.admin);
    const { token } = await client.admin.createJoinToken({ ttlMs: 600_000 });
    const agent = await startAgentProgram({
      node: "edge-1",
      dataDir: join(directory, "edge"),
      server: `wss://127.0.0.1:${port}`,
      join: `https://127.0.0.1:${hub.ports.join}`,
      token,
    });
    const node = async () => (await client.nodes()).find((one) => one.node === "edge-1");
    const until = async (check: () => Promise<boolean>): Promise<void> => {
      while (!(await check())) await pause(5);
    };
    const publish = async (version: number): Promise<void> => {
      const drafts = Array.from({ length: changed }, (_, key) => configMap("edge-1", key, version));
      for (const outcome of await client.publishBatch(drafts)) if (!outcome.ok) throw outcome.error;
    };
    const figures = {
      all: [] as number[],
      back: [] as number[],
      transfer: [] as number[],
      dead: [] as number[],
    };
    await publish(1);
    await until(async () => (await node())?.backlogMessages === 0);
    for (let round = 0; round < rounds; round++) {
      say(`round ${round + 1}`);
      // The same over the link that stands: two round trips less than nothing can be.
      const warmAt = performance.now();
      await publish(10 * round + 2);
      await until(async () => (await node())?.backlogMessages === 0);
      figures.transfer.push(Math.max(performance.now() - warmAt - roundTripMs, 0) + 2 * roundTripMs);
      await pause(11_000);

      link.send("freeze");
      const silentAt = performance.now();
      await until(async () => (await node())?.connected === false);
      figures.dead.push(performance.now() - silentAt);
      await publish(10 * round + 3);
      await pause(silentMs - (performance.now() - silentAt));
      link.send("thaw");
      const returnedAt = performance.now();
      await until(async () => (await node())?.connected === true);
      figures.back.push(performance.now() - returnedAt);
      await until(async () => (await node())?.backlogMessages === 0);
      figures.all.push(performance.now() - returnedAt);
    }
    await client.close();
    for (const program of [agent, link, hub]) await program.end();
    const ceiling = { name: "2 round trips + transfer over a link that stands", rounds: figures.transfer };
    const common = { unit: "ms", lessIsBetter: true } as const;
    return [
      {
        ...common,
        name: "path's return → all of 500 changed resources at the node, RTT 200 ms",
        rounds: figures.all,
        ceiling,
      },
      {
        name: "path's return → all of 500 changed resources, against 2 round trips + transfer",
        unit: "ratio",
        rounds: figures.all.map((ms, round) => ms / (figures.transfer[round] as number)),
        goal: 2,
        lessIsBetter: true,
      },
      { ...common, name: "path's return → node connected, RTT 200 ms", rounds: figures.back, goal: 1_000 },
      {
        ...common,
        name: "path silent → hub knows that the link is dead",
        rounds: figures.dead,
        goal: 10_500,
      },
    ];
  },
};
