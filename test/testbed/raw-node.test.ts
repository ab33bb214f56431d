import { expect, it } from "vitest";
import { issueFleet } from "../../bench/fleet/identities.ts";
import { pause, systemClock } from "../../platform/clock.ts";
import { FleetNodes } from "../../testbed/fleet/fleet-nodes.ts";
import { startWorld } from "../support/world.ts";

/** Longer than a hub waits for a sign of life. */
const longMs = 12_000;

it("keeps simulated nodes of both dialects connected while nothing is said", async () => {
  const world = await startWorld();
  const identities = await issueFleet(`${world.directory}/hub`, 2);
  for (const { node } of identities.nodes) await world.hub.admin.addNode(node);
  const order = { port: world.hub.ports.nodes, window: 8, bytes: 0 };
  const [native, kubeedge] = identities.nodes.map(
    (one, i) =>
      new FleetNodes({
        ...order,
        mode: i === 0 ? "ack" : "kubeedge",
        identities: { ...identities, nodes: [one] },
      }),
  ) as [FleetNodes, FleetNodes];
  try {
    for (const nodes of [native, kubeedge]) {
      await nodes.connect();
      nodes.start();
    }
    await pause(systemClock, longMs);
    expect([native.counts().connected, kubeedge.counts().connected]).toEqual([1, 1]);
    const dialects = (await world.hub.nodes()).map(({ dialect }) => dialect);
    expect(dialects).toEqual(["native", "kubeedge"]);
  } finally {
    native.close();
    kubeedge.close();
  }
});
