import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectHub } from "../../sdk/index.ts";
import { HubProgram, Process, startLink } from "../programs.ts";
import type { Scenario } from "../scenario.ts";
import { UpdateLoad } from "../updates.ts";

/** A peer that speaks KubeEdge's dialect and acks at once: the window is what counts, not the edge. */
export const stockEdge: Scenario = {
  name: "stock-edge",
  describes: "acked updates to one peer that speaks KubeEdge's dialect, RTT 200 ms",
  async run({ directory, rounds, roundMs, seed }, say) {
    say("RTT 200 ms");
    const hub = new HubProgram(join(directory, "hub"));
    await hub.start();
    const link = await startLink(hub.ports.nodes, "rtt200", seed);
    const client = await connectHub(hub.admin);
    const peer = new Process("bench/kubeedge-peer.ts");
    await peer.ask({ hubDataDir: hub.dataDir, port: link.port });
    const load = new UpdateLoad(client, "fleet-0");
    load.start();
    await pause(Math.max(roundMs, 3_000));
    const values: number[] = [];
    for (let round = 0; round < rounds; round++) values.push(await load.rate(roundMs));
    await load.stop();
    await client.close();
    for (const program of [peer, link, hub]) await program.end();
    return [
      {
        name: "acked updates/s to one peer speaking kubeedge, RTT 200 ms",
        unit: "1/s",
        rounds: values,
        goal: 300,
        kubeedge: "< 5",
      },
    ];
  },
};
