import { expect, it } from "vitest";
import { contentOf, event } from "../../../protocol/index.ts";
import { startWorld } from "../../support/world.ts";
import { until } from "../test-agent.ts";
import { answerOf, service } from "./support.ts";

it("answers a request that a program of the cloud sends through the hub", async () => {
  const port = await service((request, response) => void response.writeHead(202).end(`at ${request.url}`));
  const world = await startWorld();
  const edge = await world.agent("edge-1", {
    serviceBus: { enable: true, port: 0 },
    eventBus: { enable: false },
  });
  await until("the link", () => edge.connected);
  const answer = await world.hub.request(
    {
      node: "edge-1",
      source: "router_servicebus",
      group: "user",
      operation: "GET",
      resource: `${port}:/status?full=1`,
      content: { header: {}, body: null, method: "GET", url: "" },
      delivery: event({ ttlMs: 10_000 }),
    },
    { timeoutMs: 10_000 },
  );
  expect(answerOf(answer)).toMatchObject({ status_code: 202, text: "at /status?full=1" });
  expect(contentOf(answer)).toHaveProperty("header.Date");
});
