import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { connectHub } from "../../sdk/index.ts";
import type { Visit, Visited } from "../first-message.ts";
import { issueFleet } from "../fleet/identities.ts";
import { HubProgram } from "../programs.ts";
import { type Figure, median, quantile, type Scenario } from "../scenario.ts";
import { missingForTun, startTunPath, type TunPath } from "../tun-path.ts";
import { configMap } from "../updates.ts";

const path = { delayMs: 50, lossPercent: 5 };
const visitsPerRound = 15;
const ways = ["wss", "quic"] as const;
const names = { wss: "WebSocket", quic: "QUIC" } as const;
/** Of the time that a WebSocket takes. */
const goal = 1 / 3;

/** A node comes to fetch a message that waits for it, over a path of real packets that loses some of them. */
export const quic: Scenario = {
  name: "quic",
  describes: "connecting over a bad path until the first message is there: QUIC beside WebSocket",
  async run({ directory, rounds, seed }, say) {
    const missing = missingForTun();
    if (missing !== undefined) {
      say(`skipped: a path of real packets needs ${missing}`);
      return [];
    }
    const tun = await startTunPath({ ...path, seed });
    try {
      return await measure(tun, { directory, rounds }, say);
    } finally {
      await tun.close();
    }
  },
};

type Visits = Record<"wss" | "quic", Visited[][]>;

async function measure(
  tun: TunPath,
  { directory, rounds }: { directory: string; rounds: number },
  say: (text: string) => void,
): Promise<Figure[]> {
  const hub = new HubProgram(join(directory, "hub"));
  try {
    return figuresOf(await visits(tun, hub, rounds, say));
  } finally {
    await hub.end();
  }
}

async function visits(
  tun: TunPath,
  hub: HubProgram,
  rounds: number,
  say: (text: string) => void,
): Promise<Visits> {
  await hub.start([], {
    advertise: tun.here,
    "nodes.host": tun.here,
    "nodes.quic.enable": "true",
    "nodes.quic.port": 0,
    "nodes.reconnectBurst": 100_000,
  });
  const client = await connectHub(hub.admin);
  const { ca, key, nodes } = await issueFleet(hub.dataDir, 1);
  const { node, cert } = nodes[0] as { node: string; cert: string };
  await client.admin.addNode(node);
  const ports = { wss: hub.ports.nodes, quic: hub.ports.quic };
  const visitor = startVisitor(tun);
  await once(visitor, "message");
  let version = 0;
  const visit = async (transport: "wss" | "quic"): Promise<Visited> => {
    await client.publish(configMap(node, 0, ++version));
    const url = `${transport}://${tun.here}:${ports[transport]}/bench/${node}/events`;
    const wanted: Visit = { transport, url, node, tls: { ca, cert, key } };
    visitor.send(wanted);
    const [visited] = (await once(visitor, "message")) as [Visited | { error: string }];
    if ("error" in visited) throw new Error(visited.error);
    return visited;
  };
  for (const way of ways) await visit(way);
  const all: Visits = { wss: [], quic: [] };
  for (let round = 0; round < rounds; round++) {
    say(`round ${round + 1}`);
    for (const way of ways) all[way].push([]);
    for (let i = 0; i < visitsPerRound; i++) for (const way of ways) all[way].at(-1)?.push(await visit(way));
  }
  visitor.disconnect();
  await client.close();
  return all;
}

/** The node's process, at the other end of the path. */
function startVisitor({ there }: TunPath): ChildProcess {
  const [program = "", ...args] = there;
  const script = join(import.meta.dirname, "..", "first-message.ts");
  return spawn(program, [...args, process.execPath, script], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
}

function figuresOf(all: Visits): Figure[] {
  const where = `${path.lossPercent} % loss, RTT ${2 * path.delayMs} ms`;
  const first = (way: "wss" | "quic"): number[][] =>
    all[way].map((round) => round.map((one) => one.firstMessageMs));
  const medians = { wss: first("wss").map(median), quic: first("quic").map(median) };
  const lessIsBetter = true;
  return [
    {
      name: `connect → first message, QUIC, as share of WebSocket, ${where}`,
      unit: "ratio",
      rounds: medians.quic.map((one, i) => one / (medians.wss[i] as number)),
      goal,
      lessIsBetter,
    },
    ...ways.flatMap((way): Figure[] => [
      {
        name: `connect → first message, ${names[way]}, ${where}, p50`,
        unit: "ms",
        rounds: medians[way],
        lessIsBetter,
      },
      {
        name: `connect → first message, ${names[way]}, ${where}, p90`,
        unit: "ms",
        rounds: first(way).map((round) => quantile(round, 0.9)),
        lessIsBetter,
      },
    ]),
  ];
}
