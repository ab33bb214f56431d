import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectHub, event, type HubClient } from "../../sdk/index.ts";
import { HubProgram, startAgentProgram, startLink } from "../programs.ts";
import type { Scenario } from "../scenario.ts";
import { configMap } from "../updates.ts";

/** More than the link carries while it is measured. */
const bulk = 20_000;
const batch = 1_000;

/** What is urgent, on a thin link that is full of what is not. */
export const urgent: Scenario = {
  name: "urgent",
  describes: "an urgent event to a node whose link of 50 kbit/s and 500 ms is full of updates",
  async run({ directory, rounds, seed }, say) {
    const hub = new HubProgram(join(directory, "hub"));
    await hub.start();
    const link = await startLink(hub.ports.nodes, "gprs", seed);
    const client = await connectHub(hub.admin);
    const { token } = await client.admin.createJoinToken({ ttlMs: 600_000 });
    const agent = await startAgentProgram({
      node: "edge-1",
      dataDir: join(directory, "edge"),
      server: `wss://127.0.0.1:${link.port}`,
      join: `https://127.0.0.1:${hub.ports.join}`,
      token,
    });
    say("idle link");
    const idle: number[] = [];
    for (let round = 0; round < rounds; round++) idle.push(await timeOfOne(client, round));
    say("full link");
    for (let from = 0; from < bulk; from += batch)
      await client.publishBatch(Array.from({ length: batch }, (_, i) => configMap("edge-1", from + i, 1)));
    await pause(15_000);
    const full: number[] = [];
    for (let round = 0; round < rounds; round++) {
      full.push(await timeOfOne(client, rounds + round));
      await pause(2_000);
    }
    await client.close();
    for (const program of [agent, link, hub]) await program.end();
    return [
      {
        name: "urgent event published → acked, link of 50 kbit/s and 500 ms full of updates",
        unit: "ms",
        rounds: full,
        ceiling: { name: "the same, idle link", rounds: idle },
        lessIsBetter: true,
      },
    ];
  },
};

/** How long an urgent event takes until the node has it and the hub knows. */
async function timeOfOne(client: HubClient, count: number): Promise<number> {
  const draft = { ...configMap("edge-1", 90_000 + count, 1), delivery: event({ priority: 20 }) };
  const startedAt = performance.now();
  await client.publish(draft, { until: "acked" });
  return performance.now() - startedAt;
}
