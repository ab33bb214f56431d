import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { startEdge } from "../../edgehub/index.ts";
import { silentLogger } from "../../platform/logger.ts";
import { connectHub } from "../../sdk/index.ts";
import { HubProgram } from "../programs.ts";
import { median, quantile, type Scenario } from "../scenario.ts";
import { configMap } from "../updates.ts";

const perRound = 200;

/**
 * One update at a time over an idle link. Publisher and agent are in this process, so that one clock sees both
 * ends; the hub is a process of its own.
 */
export const latency: Scenario = {
  name: "latency",
  describes: "publish to the edge's SQLite, and to the hub's checkpoint",
  async run({ directory, rounds }, say) {
    const hub = new HubProgram(join(directory, "hub"));
    await hub.start();
    const client = await connectHub(hub.admin);
    const { token } = await client.admin.createJoinToken({ ttlMs: 600_000 });
    const server = `wss://127.0.0.1:${hub.ports.nodes}`;
    const edge = await startEdge(
      {
        node: "edge-1",
        dataDir: join(directory, "edge"),
        hub: { server, join: `https://127.0.0.1:${hub.ports.join}`, token },
        eventBus: { enable: false },
      },
      { log: silentLogger },
    );
    while (edge.status().dialect !== "native") await pause(5);
    let version = 0;
    const measure = async (): Promise<{ stored: number[]; acked: number[] }> => {
      const stored: number[] = [];
      const acked: number[] = [];
      for (let i = 0; i < perRound; i++) {
        await pause(2);
        let storedAt = 0;
        const stop = edge.store.onChange(() => {
          storedAt = performance.now();
        });
        const startedAt = performance.now();
        await client.publish(configMap("edge-1", i, ++version), { until: "acked" });
        acked.push(performance.now() - startedAt);
        stored.push(storedAt - startedAt);
        stop();
      }
      return { stored, acked };
    };
    say("warming up");
    await measure();
    const all: { stored: number[]; acked: number[] }[] = [];
    for (let round = 0; round < rounds; round++) {
      say(`round ${round + 1}`);
      all.push(await measure());
    }
    await client.close();
    await edge.close();
    await hub.end();
    const lessIsBetter = true;
    return [
      {
        name: "publish → edge SQLite, idle link, p50",
        unit: "ms",
        rounds: all.map((one) => median(one.stored)),
        goal: 2,
        kubeedge: "4.8",
        lessIsBetter,
      },
      {
        name: "publish → edge SQLite, idle link, p99",
        unit: "ms",
        rounds: all.map((one) => quantile(one.stored, 0.99)),
        lessIsBetter,
      },
      {
        name: "publish → checkpoint, idle link, p50",
        unit: "ms",
        rounds: all.map((one) => median(one.acked)),
        goal: 3,
        kubeedge: "10.5",
        lessIsBetter,
      },
      {
        name: "publish → checkpoint, idle link, p99",
        unit: "ms",
        rounds: all.map((one) => quantile(one.acked, 0.99)),
        lessIsBetter,
      },
    ];
  },
};
