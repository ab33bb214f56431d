import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectHub } from "../../sdk/index.ts";
import { agentWarmUpMs, HubProgram, startAgentProgram, startLink } from "../programs.ts";
import type { Figure, Scenario } from "../scenario.ts";
import { UpdateLoad } from "../updates.ts";

const links = [
  { profile: "lan", words: "RTT 0", goal: 5_000, kubeedge: "42.5" },
  { profile: "rtt50", words: "RTT 50 ms", goal: 4_000, kubeedge: "16.6" },
  { profile: "rtt200", words: "RTT 200 ms", goal: 2_500, kubeedge: "4.6" },
  { profile: "sat600", words: "RTT 600 ± 50 ms, 2 % loss", goal: 500, kubeedge: "< 1.6" },
] as const;

/** Updates of different 200-byte ConfigMaps to one native agent, as many as will go. */
export const singleNode: Scenario = {
  name: "single-node",
  describes: "acked and checkpointed ConfigMap updates to one node over links of different length",
  async run({ directory, rounds, roundMs, seed }, say) {
    const figures: Figure[] = [];
    for (const { profile, words, goal, kubeedge } of links) {
      say(words);
      const hub = new HubProgram(join(directory, profile, "hub"));
      await hub.start();
      const link = await startLink(hub.ports.nodes, profile, seed);
      const client = await connectHub(hub.admin);
      const { token } = await client.admin.createJoinToken({ ttlMs: 600_000 });
      const agent = await startAgentProgram({
        node: "edge-1",
        dataDir: join(directory, profile, "edge"),
        server: `wss://127.0.0.1:${link.port}`,
        join: `https://127.0.0.1:${hub.ports.join}`,
        token,
      });
      const load = new UpdateLoad(client, "edge-1");
      load.start();
      await pause(agentWarmUpMs);
      const values: number[] = [];
      for (let round = 0; round < rounds; round++) values.push(await load.rate(roundMs));
      figures.push({
        name: `acked updates/s to one agent, ${words}`,
        unit: "1/s",
        rounds: values,
        goal,
        kubeedge,
      });
      await load.stop();
      await client.close();
      for (const program of [agent, link, hub]) await program.end();
    }
    return figures;
  },
};
