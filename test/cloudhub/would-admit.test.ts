import { request } from "node:https";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { loadIdentity } from "../../edgehub/identity.ts";
import { until } from "../support/processes.ts";
import { startWorld } from "../support/world.ts";

/** A node that is connected, and plain requests with its certificate to the port of the nodes. */
async function connectedNode() {
  const world = await startWorld();
  const agent = await world.agent("edge-1");
  await until("it is connected", () => agent.connected);
  const identity = loadIdentity(join(world.directory, "edge-1"));
  if (identity === undefined) throw new Error("it has not joined");
  const tls = { ca: identity.caPem, cert: identity.certPem, key: identity.keyPem };
  const ask = (headers: Readonly<Record<string, string>>, method = "GET") =>
    new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
      const url = `https://127.0.0.1:${world.hub.ports.nodes}/project/edge-1/events`;
      const sent = request(url, { ...tls, headers, method, agent: false }, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (text) => (body += text));
        response.once("end", () => resolve({ status: response.statusCode, body }));
      });
      sent.once("error", reject).end();
    });
  return { agent, ask };
}

describe("a node that asks whether it would be let in", () => {
  it("is told so, and its connection stays", async () => {
    const { agent, ask } = await connectedNode();
    expect(await ask({ Node_id: "edge-1", ConnectionUse: "msg" })).toMatchObject({ status: 200 });
    expect(agent.connected).toBe(true);
  });

  test.each([
    ["another node's name", { Node_id: "edge-2", ConnectionUse: "msg" }, 403, /^E_IDENTITY: /],
    ["no use", { Node_id: "edge-1" }, 400, /^E_BAD_MESSAGE: /],
    ["a name that is none", { Node_id: "Edge One", ConnectionUse: "msg" }, 400, /^E_NO_NODE: /],
  ])("is refused with %s, as a connection would be", async (_what, headers, status, body) => {
    const { ask } = await connectedNode();
    expect(await ask(headers)).toEqual({ status, body: expect.stringMatching(body) });
  });
});

test("other requests to the port of the nodes are refused as by a KubeEdge cloud", async () => {
  const { ask } = await connectedNode();
  const asNode = { Node_id: "edge-1", ConnectionUse: "msg" };
  for (const answer of [await ask({}), await ask(asNode, "POST")])
    expect(answer).toEqual({ status: 400, body: "this port takes WebSocket connections only\n" });
});
