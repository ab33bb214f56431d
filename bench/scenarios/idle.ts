import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectHub } from "../../sdk/index.ts";
import { HubProgram, startAgentProgram } from "../programs.ts";
import type { Scenario } from "../scenario.ts";
import { type Carried, carriedBy, headerBytes, onWire } from "../wire.ts";

/** By then pings are as rare as on a link that has been quiet for long. */
const settleMs = 90_000;
/** Measured from one exchange to the one that is so many later. */
const exchanges = 8;
const lookEveryMs = 200;
const dayMs = 86_400_000;

/** What a link costs over which nothing is said: pings, their answers, TCP's acks. One agent a round, all at once. */
export const idle: Scenario = {
  name: "idle",
  describes: "bytes of a link over which nothing is sent, in a day, with all headers",
  async run({ directory, rounds }, say) {
    const hub = new HubProgram(join(directory, "hub"));
    await hub.start();
    const client = await connectHub(hub.admin);
    const agents = [];
    for (let i = 0; i < rounds; i++) {
      const { token } = await client.admin.createJoinToken({ ttlMs: 600_000 });
      agents.push(
        await startAgentProgram({
          node: `edge-${i}`,
          dataDir: join(directory, `edge-${i}`),
          server: `wss://127.0.0.1:${hub.ports.nodes}`,
          join: `https://127.0.0.1:${hub.ports.join}`,
          token,
        }),
      );
    }
    say(`waiting ${settleMs / 1_000} s`);
    await pause(settleMs);
    say("counting");
    const perDay = await Promise.all(
      [...carriedBy(hub.ports.nodes).keys()].map((link) => bytesPerDay(hub.ports.nodes, link)),
    );
    await client.close();
    for (const agent of agents) await agent.end();
    await hub.end();
    return [
      {
        name: `idle link, bytes a day both ways, TLS and all TCP/IP headers counted (${headerBytes} B a packet)`,
        unit: "B",
        rounds: perDay,
        goal: 2_000_000,
        lessIsBetter: true,
      },
    ];
  },
};

/** Looks at a link's counters just after an exchange, and again some exchanges later. */
async function bytesPerDay(port: number, link: number): Promise<number> {
  const first = await nextExchange(port, link);
  let last = first;
  for (let i = 0; i < exchanges; i++) last = await nextExchange(port, link);
  return ((onWire(last.carried) - onWire(first.carried)) * dayMs) / (last.at - first.at);
}

/** The next moment at which a link has become still again. */
async function nextExchange(port: number, link: number): Promise<{ at: number; carried: Carried }> {
  const look = (): Carried => {
    const carried = carriedBy(port).get(link);
    if (carried === undefined) throw new Error("a link was lost");
    return carried;
  };
  const still = look().segments;
  let carried = look();
  while (carried.segments === still) {
    await pause(lookEveryMs);
    carried = look();
  }
  const at = performance.now();
  await pause(lookEveryMs);
  return { at, carried: look() };
}
