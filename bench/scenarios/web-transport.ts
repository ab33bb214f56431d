import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectHub, type HubClient } from "../../sdk/index.ts";
import { agentWarmUpMs, HubProgram, startAgentProgram } from "../programs.ts";
import type { Figure, Scenario } from "../scenario.ts";
import { echoes } from "../transport-echo.ts";
import { UpdateLoad } from "../updates.ts";

const windowMessages = 64;
/** WebTransport is to carry so much of what a WebSocket does. */
const goal = 0.5;
/** Before a round counts, its link is full again. */
const runInMs = 500;

/** Updates to two agents of one hub in turn, one by WebSocket, one by WebTransport over HTTP/2; then the links alone. */
export const webTransport: Scenario = {
  name: "web-transport",
  describes: "acked updates to one node over WebTransport, beside WebSocket",
  async run({ directory, rounds, roundMs }, say) {
    const hub = new HubProgram(join(directory, "hub"));
    await hub.start([], { "nodes.webTransport.enable": "true", "nodes.webTransport.port": 0 });
    const client = await connectHub(hub.admin);
    const { token } = await client.admin.createJoinToken({ ttlMs: 600_000 });
    const start = (node: string, flags: Readonly<Record<string, string | number>>) =>
      startAgentProgram({
        node,
        dataDir: join(directory, node),
        server: `wss://127.0.0.1:${hub.ports.nodes}`,
        join: `https://127.0.0.1:${hub.ports.join}`,
        token,
        flags: { "eventBus.enable": "false", "delivery.windowMessages": windowMessages, ...flags },
      });
    const agents = [
      await start("edge-wss", { "hub.transport": "wss" }),
      await start("edge-wt", {
        "hub.transport": "webtransport",
        "hub.webTransportPort": hub.ports.webTransport ?? 0,
      }),
    ];
    say("warming up");
    const one = async (node: string, ms: number): Promise<Round> => await measured({ hub, client }, node, ms);
    for (const node of ["edge-wss", "edge-wt"]) await one(node, agentWarmUpMs);
    const webSocket: Round[] = [];
    const overHttp2: Round[] = [];
    for (let round = 0; round < rounds; round++) {
      say(`round ${round + 1}`);
      webSocket.push(await one("edge-wss", roundMs));
      overHttp2.push(await one("edge-wt", roundMs));
    }
    await client.close();
    for (const program of [...agents, hub]) await program.end();
    say("the links alone");
    const echo = await echoes({ rounds, roundMs });
    const perSecond = (all: readonly Round[]): number[] => all.map((round) => round.perSecond);
    const cpu = (all: readonly Round[]): number[] => all.map((round) => round.hubCpuUs);
    const ceiling = (values: readonly number[]) => ({ name: "WebSocket", rounds: values });
    return [
      {
        name: `acked updates/s to one agent over WebTransport (HTTP/2), window ${windowMessages}`,
        unit: "1/s",
        rounds: perSecond(overHttp2),
        ceiling: ceiling(perSecond(webSocket)),
      },
      {
        name: "the same, WebTransport against WebSocket",
        unit: "ratio",
        rounds: ratios(perSecond(overHttp2), perSecond(webSocket)),
        goal,
      },
      {
        name: "hub's CPU per update over WebTransport",
        unit: "us",
        rounds: cpu(overHttp2),
        ceiling: ceiling(cpu(webSocket)),
        lessIsBetter: true,
      },
      {
        name: `echoes/s of 200 bytes over WebTransport, ${windowMessages} under way, no hub`,
        unit: "1/s",
        rounds: echo.wt,
        ceiling: ceiling(echo.wss),
      },
      {
        name: "the same, WebTransport against WebSocket",
        unit: "ratio",
        rounds: ratios(echo.wt, echo.wss),
        goal,
      },
    ] satisfies Figure[];
  },
};

function ratios(values: readonly number[], of: readonly number[]): number[] {
  return values.map((value, round) => value / (of[round] as number));
}

interface Round {
  readonly perSecond: number;
  /** Of all threads of the hub, publishing and storing included. */
  readonly hubCpuUs: number;
}

/** Updates that one node acks while the other has nothing to do. */
async function measured(
  { hub, client }: { hub: HubProgram; client: HubClient },
  node: string,
  ms: number,
): Promise<Round> {
  const load = new UpdateLoad(client, node);
  load.start();
  await pause(runInMs);
  const cpuBefore = hub.process.cpuMs();
  const startedAt = performance.now();
  const perSecond = await load.rate(ms);
  const acked = (perSecond * (performance.now() - startedAt)) / 1_000;
  const hubCpuUs = ((hub.process.cpuMs() - cpuBefore) * 1_000) / acked;
  await load.stop();
  while ((await client.nodes()).some(({ backlogMessages }) => backlogMessages > 0)) await pause(20);
  return { perSecond, hubCpuUs };
}
