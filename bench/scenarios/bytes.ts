import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import {
  createMessage,
  deliveryOf,
  KubeEdgeCloudCodec,
  type Message,
  packMessage,
} from "../../protocol/index.ts";
import { connectHub, type HubClient, type PublishDraft } from "../../sdk/index.ts";
import { HubProgram, startAgentProgram } from "../programs.ts";
import type { Figure, Scenario } from "../scenario.ts";
import { pod, secret, settings, thresholds } from "../typical.ts";
import { type Carried, difference, headerBytes, onlyCarried, onWire } from "../wire.ts";

const node = "edge-1";
/** Updates of a round, one after the other. */
const updates = 100;
/** TCP sends a late ack after 40 ms; then everything has been counted. */
const settleMs = 250;

/** What messages cost on the wire, against the JSON text that KubeEdge sends for the same. */
export const bytes: Scenario = {
  name: "bytes",
  describes:
    "bytes on the wire: one value of a ConfigMap changes; objects that a node gets for the first time",
  async run({ directory, rounds }, say) {
    const hub = new HubProgram(join(directory, "hub"));
    await hub.start();
    const client = await connectHub(hub.admin);
    const { token } = await client.admin.createJoinToken({ ttlMs: 600_000 });
    const agent = await startAgentProgram({
      node,
      dataDir: join(directory, "edge"),
      server: `wss://127.0.0.1:${hub.ports.nodes}`,
      join: `https://127.0.0.1:${hub.ports.join}`,
      token,
    });
    const world = { client, port: hub.ports.nodes };
    const changed: Measured[] = [];
    const fresh: Measured[] = [];
    const together: Measured[] = [];
    for (let round = 0; round < rounds; round++) {
      say(`round ${round + 1}`);
      const seed = 1_000 * (round + 1);
      await client.publish({ node, ...thresholds(seed, 1) }, { until: "acked" });
      const versions = Array.from({ length: updates }, (_, i) => thresholds(seed, i + 2));
      changed.push(await measure(world, versions, 1));
      fresh.push(await measure(world, typicalMix(seed), 1));
      together.push(await measure(world, typicalMix(seed + 500), 64));
    }
    await client.close();
    await agent.end();
    await hub.end();
    return figuresOf(changed, fresh, together);
  },
};

interface Measured {
  readonly messages: number;
  readonly carried: Carried;
  /** The texts that KubeEdge would have sent, without acks and whatever is around them. */
  readonly plainBytes: number;
}

/** What a node of a factory gets: settings of 200 B to 100 KB, secrets, pods. */
function typicalMix(seed: number): Omit<PublishDraft, "node">[] {
  return Array.from({ length: 10 }, (_, i) => [
    pod(seed + i, 1),
    secret(seed + i, 1),
    thresholds(seed + i, 1),
    settings(seed + i, 1, [200, 1_000, 4_000, 20_000, 100_000][i % 5] as number),
  ]).flat();
}

async function measure(
  { client, port }: { client: HubClient; port: number },
  drafts: readonly Omit<PublishDraft, "node">[],
  atOnce: number,
): Promise<Measured> {
  await pause(settleMs);
  const before = onlyCarried(port);
  for (let at = 0; at < drafts.length; at += atOnce) {
    const some = drafts.slice(at, at + atOnce);
    await Promise.all(some.map((draft) => client.publish({ node, ...draft }, { until: "acked" })));
  }
  await pause(settleMs);
  const plainBytes = drafts.reduce((sum, draft) => sum + plainText(draft).length, 0);
  return { messages: drafts.length, carried: difference(onlyCarried(port), before), plainBytes };
}

/** The WebSocket text of a message in KubeEdge's dialect. */
function plainText(draft: Omit<PublishDraft, "node">): Uint8Array {
  const message: Message = createMessage(
    { node, ...draft },
    { id: randomUUID(), timestamp: Date.now(), delivery: deliveryOf },
  );
  const stamp = { newId: randomUUID, wallTime: () => Date.now() };
  const codec = new KubeEdgeCloudCodec(message.node, stamp, { maxMessageBytes: 1 << 20 });
  const packed = packMessage(message);
  return codec.message({
    position: 1,
    size: packed.length,
    kind: "state",
    key: message.resource.path,
    deleted: false,
    priority: 0,
    expiresAt: Number.POSITIVE_INFINITY,
    id: message.id,
    version: message.resourceVersion,
    acceptedAt: 0,
    packed,
  });
}

function figuresOf(changed: Measured[], fresh: Measured[], together: Measured[]): Figure[] {
  const each = (all: readonly Measured[], value: (one: Measured) => number): number[] => all.map(value);
  const plain = each(changed, (one) => one.plainBytes / one.messages);
  return [
    {
      name: "one value of a 2 KB ConfigMap changes: bytes with WebSocket, TLS and ack, of the plain JSON message",
      unit: "ratio",
      rounds: each(changed, (one) => one.carried.bytes / one.plainBytes),
      goal: 1 / 8,
      lessIsBetter: true,
    },
    {
      name: "the same in bytes",
      unit: "B",
      rounds: each(changed, (one) => one.carried.bytes / one.messages),
      ceiling: { name: "the plain JSON message alone", rounds: plain },
      lessIsBetter: true,
    },
    {
      name: `the same with all TCP/IP headers (${headerBytes} B a packet)`,
      unit: "B",
      rounds: each(changed, (one) => onWire(one.carried) / one.messages),
      lessIsBetter: true,
    },
    {
      name: "the ack of one update, with WebSocket and TLS",
      unit: "B",
      rounds: each(changed, (one) => one.carried.received / one.messages),
      lessIsBetter: true,
    },
    {
      name: "pods, secrets and ConfigMaps of 0.2 to 100 KB, new to the node, one by one: of the plain JSON messages",
      unit: "ratio",
      rounds: each(fresh, (one) => one.carried.bytes / one.plainBytes),
      lessIsBetter: true,
    },
    {
      name: "the acks of the same, sent together",
      unit: "B",
      rounds: each(together, (one) => one.carried.received / one.messages),
      lessIsBetter: true,
    },
  ];
}
