import { expect, it, onTestFinished } from "vitest";
import { startImpairer } from "../../testbed/impairer/index.ts";
import { until } from "../support/processes.ts";
import { startWorld } from "../support/world.ts";

const largeBytes = 90_000;
const small = 40;

/**
 * A message that takes longer than a peer may be silent, both ways at once, and others behind it. Whoever took the
 * quiet meanwhile for a dead link, or the wait for a loss, would send the same bytes again and never get through.
 */
it("gets everything through a link that needs longer for a message than a peer may be silent, and nothing twice", async () => {
  const { hub, agent } = await startWorld();
  const link = await startImpairer({
    listen: { host: "127.0.0.1", port: 0 },
    target: { host: "127.0.0.1", port: hub.ports.nodes },
    profile: { delayMs: 40, rateBitsPerSecond: 50_000, queueBytes: 16_384 },
    seed: 1,
  });
  onTestFinished(() => link.close());
  const resources = ["large", ...Array.from({ length: small }, (_, i) => `small-${i}`)];
  await hub.admin.addNode("edge-1");
  for (const name of resources)
    await hub.publish({
      node: "edge-1",
      resource: `default/configmap/${name}`,
      operation: "update",
      resourceVersion: "7",
      content: { kind: "ConfigMap", data: { text: "x".repeat(name === "large" ? largeBytes : 400) } },
    });
  const edge = await agent("edge-1", { hub: { server: `wss://127.0.0.1:${link.port}` } });
  await edge.publish({
    group: "user",
    resource: "report",
    operation: "publish",
    content: "y".repeat(largeBytes),
  });
  const upward: string[] = [];
  void (async () => {
    for await (const { message, ack } of hub.subscribe({})) {
      upward.push(message.resource.path);
      ack();
    }
  })();
  await until(
    "everything is checkpointed and the report has come",
    async () => {
      const states = await hub.resources({ node: "edge-1" });
      return (
        upward.includes("report") &&
        states.filter((one) => one.state === "current").length === resources.length
      );
    },
    90_000,
  );
  const metrics = await hub.metrics();
  expect(metrics).toMatch(/^hub_messages_resent_total 0$/m);
  expect(metrics).not.toMatch(/^hub_node_links_closed_total\{.*\} [1-9]/m);
  expect(edge.counters.resent).toBe(0);
});
