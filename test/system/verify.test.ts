import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectHub, type HubClient } from "../../sdk/index.ts";
import { type PeerEars, type PeerOptions, startPeer } from "../../testbed/verify/peer.ts";
import { verifyProfile } from "../../testbed/verify/profiles.ts";
import { type VerifyParts, type VerifyReport, verifyHub } from "../../testbed/verify/verify.ts";
import { adminOf, startTestHub, type TestHub } from "../cli/support.ts";

/** `hubctl verify` against a hub, over links that lose, are cut and fall silent. */
let hub: TestHub;
let client: HubClient;

beforeAll(async () => {
  // What a hub offers besides leads around the link that is made worse.
  hub = await startTestHub({ quic: { enable: true, port: 0 } });
  client = await connectHub(adminOf(hub));
});
afterAll(async () => {
  await client.close();
  await hub.close();
});

function verify(
  profile: string,
  {
    durationMs = 3_000,
    settleMs = 30_000,
    parts = {},
  }: { durationMs?: number; settleMs?: number; parts?: Partial<VerifyParts> } = {},
  signal = new AbortController().signal,
): Promise<VerifyReport> {
  const { nodes, join } = hub.hub.ports;
  return verifyHub(
    {
      hub: client,
      server: `wss://127.0.0.1:${nodes}`,
      join: `https://127.0.0.1:${join}`,
      profile: verifyProfile(profile),
      durationMs,
      settleMs,
      connectTimeoutMs: 30_000,
      perSecond: 20,
      bytes: 100,
      maxP99Ms: undefined,
      seed: 1,
      signal,
    },
    parts,
  );
}

/** A node that takes every event and forgets each tenth of them. */
const forgetful = (options: PeerOptions, ears: PeerEars) => {
  let count = 0;
  return startPeer(options, {
    ...ears,
    event: (number) => {
      if (++count % 10 !== 0) ears.event(number);
    },
  });
};

describe("a hub that keeps its promises", () => {
  it("passes over a link that loses segments", async () => {
    const report = await verify("rtt50,lossPercent=10");
    expect(report.faults).toEqual([]);
    expect(report.segmentsLost).toBeGreaterThan(0);
    expect(report.streams.map(({ sent }) => sent > 40)).toEqual([true, true, true]);
    expect(report.bytes.up).toBeGreaterThan(1_000);
    expect(report.bytes.down).toBeGreaterThan(1_000);
  });

  it("passes over a link that is cut again and again", async () => {
    const report = await verify("flapping", { durationMs: 8_000 });
    expect(report.faults).toEqual([]);
    expect(report.links).toBeGreaterThan(3);
  });

  it("passes over a link that falls silent", async () => {
    const report = await verify("blackout");
    expect(report.faults).toEqual([]);
    const slowest = Math.max(...report.streams.map(({ latencyMs }) => latencyMs?.max ?? 0));
    expect(slowest).toBeGreaterThan(800);
  });
});

it("fails when the node forgets what it has taken", async () => {
  const report = await verify("lan", { settleMs: 500, parts: { startPeer: forgetful } });
  expect(report.passed).toBe(false);
  expect(report.faults).toEqual([expect.stringMatching(/^events down: \d+ lost$/)]);
  expect(report.settledMs).toBeNull();
});

it("leaves neither node nor token behind, also when it is interrupted", async () => {
  const interrupt = new AbortController();
  const joined = {
    startPeer: async (options: PeerOptions, ears: PeerEars) => {
      const peer = await startPeer(options, ears);
      setTimeout(() => interrupt.abort(), 500);
      return peer;
    },
  };
  await expect(verify("lan", { parts: joined }, interrupt.signal)).rejects.toMatchObject({
    code: "E_ABORTED",
  });
  expect((await client.nodes()).filter(({ node }) => node.startsWith("verify-"))).toEqual([]);
  const good = (await client.admin.joinTokens()).filter(
    ({ node, revokedAt, usesLeft }) =>
      node?.startsWith("verify-") && revokedAt === undefined && usesLeft !== 0,
  );
  expect(good).toEqual([]);
});

it.each([
  [
    "nobody listens there",
    (): number => 1,
    "E_LINK_LOST",
    /port for nodes, .*127.0.0.1:1, does not answer: .*ECONNREFUSED/,
  ],
  [
    "it listens there for others",
    (): number => hub.hub.ports.join,
    "E_TIMEOUT",
    /no connection after 1500 ms; it says: no connection to the hub/,
  ],
] as const)("says why the node did not get a connection: %s", async (_why, port, code, message) => {
  const { join } = hub.hub.ports;
  const attempt = verifyHub({
    hub: client,
    server: `wss://127.0.0.1:${port()}`,
    join: `https://127.0.0.1:${join}`,
    profile: verifyProfile("lan"),
    durationMs: 1_000,
    settleMs: 1_000,
    connectTimeoutMs: 1_500,
    perSecond: 1,
    bytes: 0,
    maxP99Ms: undefined,
    seed: 1,
    signal: new AbortController().signal,
  });
  await expect(attempt).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  });
});

it("is a command whose exit code is the verdict", async () => {
  const line = ["verify", "--profile", "lan", "--duration", "1s", "--rate", "20", "--max-p99"];
  const good = await hub.hubctl([...line, "1m"]);
  expect(good.out).toMatch(/STREAM +SENT +ARRIVED[\s\S]*events up[\s\S]*Verdict: passed/);
  expect(good.code).toBe(0);
  const slow = await hub.hubctl([...line, "1ms", "-o", "json"]);
  expect(JSON.parse(slow.out)).toMatchObject({ passed: false, profile: "lan" });
  expect(slow.code).toBe(1);
});
