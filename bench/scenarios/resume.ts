import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectHub } from "../../sdk/index.ts";
import { HubProgram, startAgentProgram } from "../programs.ts";
import type { Scenario } from "../scenario.ts";
import { configMap } from "../updates.ts";

/** The hub is killed and started again while an update waits: how long until the node has it. */
export const resume: Scenario = {
  name: "resume",
  describes: "from the hub's SIGKILL to the next ack of a node",
  async run({ directory, rounds }, say) {
    const hub = new HubProgram(join(directory, "hub"));
    await hub.start();
    const client = await connectHub(hub.admin);
    const { token } = await client.admin.createJoinToken({ ttlMs: 600_000 });
    const server = `wss://127.0.0.1:${hub.ports.nodes}`;
    const agent = await startAgentProgram({
      node: "edge-1",
      dataDir: join(directory, "edge"),
      server,
      join: `https://127.0.0.1:${hub.ports.join}`,
      token,
    });
    const values: number[] = [];
    for (let round = 0; round < Math.max(rounds, 5); round++) {
      say(`round ${round + 1}`);
      await client.publish(configMap("edge-1", 0, 2 * round + 1), { until: "acked" });
      // A link that has lived so long counts as good: the agent does not go on with the pauses of the last round.
      await pause(10_500);
      const startedAt = performance.now();
      await hub.end("SIGKILL");
      // The publisher waits for nothing but its own link, as the agent does.
      const started = hub.start();
      await client.publish(configMap("edge-1", 0, 2 * round + 2), { until: "acked" });
      values.push(performance.now() - startedAt);
      await started;
    }
    await client.close();
    await agent.end();
    await hub.end();
    return [
      {
        name: "hub SIGKILL → restarted → next update acked",
        unit: "ms",
        rounds: values,
        kubeedge: "30,000–75,000",
        lessIsBetter: true,
      },
    ];
  },
};
