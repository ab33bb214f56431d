import { describe, expect, it } from "vitest";
import { connectedAgent, type TestAgent } from "./test-agent.ts";
import { frameBytes, opcodes } from "./websocket-frames.ts";
import { newHeader, type WireJson } from "./wire-json.ts";

/** What a cloud may say wrongly: what it sees then, that it is counted, and that the agent's work goes on. */

const good: WireJson = {
  header: { msg_id: "m", timestamp: 1, resourceversion: "7" },
  route: {
    source: "edgecontroller",
    group: "resource",
    operation: "insert",
    resource: "default/configmap/limits",
  },
  content: { kind: "ConfigMap", apiVersion: "v1", metadata: { name: "limits", namespace: "default" } },
};
const text = JSON.stringify(good);

/** The agent dials again, and takes an object over the new link. */
async function expectBack({ edge, cloud }: TestAgent): Promise<void> {
  const link = await cloud.nextLink();
  await link.next();
  link.send({ ...good, header: { ...newHeader(), resourceversion: "8" } });
  expect(await link.next()).toMatchObject({ content: "OK" });
  expect(edge.store.meta.get("default/configmap/limits")?.version).toBe("8");
}

describe("what is no message", () => {
  it.each([
    ["JSON that ends early", text.slice(0, -1)],
    ["an empty message", ""],
    ["an array", `[${text}]`],
    ["a message id that is a number", text.replace('"m"', "7")],
    ["a timestamp that is a text", text.replace('"timestamp":1', '"timestamp":"1"')],
    ["a timestamp with a fraction", text.replace('"timestamp":1', '"timestamp":1.5')],
    ["a resource version that is a number", text.replace('"7"', "7")],
    ["a route that is a list", text.replace(/"route":\{[^}]*\}/, '"route":[]')],
  ])("ends the link with E_BAD_FRAME, and the agent comes again: %s", async (_name, bad) => {
    const agent = await connectedAgent();
    agent.link.send(bad);
    expect(await agent.link.ended()).toMatchObject({
      code: 4000,
      text: expect.stringMatching(/^E_BAD_FRAME: .{10,}/),
    });
    expect(agent.logged).toContainEqual(
      expect.objectContaining({
        event: "the link is closed",
        error: expect.objectContaining({ code: "E_BAD_FRAME" }),
      }),
    );
    await expectBack(agent);
  });
});

describe("a message that is well formed and cannot be used", () => {
  const withHeader = (more: object): WireJson => ({ ...good, header: { ...good.header, ...more } });
  const withRoute = (more: object): WireJson => ({ ...good, route: { ...good.route, ...more } });

  it.each([
    ["with a version that is no number", withHeader({ resourceversion: "seven" })],
    ["with an operation that nobody knows", withRoute({ operation: "explode" })],
    ["without an id", withHeader({ msg_id: "" })],
    ["with a resource of 1025 characters", withRoute({ resource: "x".repeat(1_025) })],
    ["with an operation that is not for an edge", withRoute({ operation: "patch" })],
    ["of a group that no module takes", withRoute({ group: "nobody" })],
  ])("%s is counted and not answered; the link goes on", async (_name, bad) => {
    const { edge, link } = await connectedAgent();
    link.send(bad);
    link.send({ ...good, header: { ...newHeader(), resourceversion: "8" } });
    expect(await link.next()).toMatchObject({ content: "OK" });
    expect(await link.sentSoFar()).toEqual([]);
    expect(edge.counters.refused).toBe(1);
    expect(edge.status().resources).toBe(1);
  });

  it("is not even that if it is empty: it is ignored", async () => {
    const { edge, link } = await connectedAgent();
    link.send('{"header":{"msg_id":"","timestamp":0},"route":{},"content":null}\n');
    expect(await link.sentSoFar()).toEqual([]);
    expect(edge.counters).toMatchObject({ refused: 0, ignored: 1 });
  });
});

describe("frames", () => {
  const payload = Buffer.from(text);
  const plain = { opcode: opcodes.text, fin: true, isMasked: false, payload };

  it("of more than 16 MiB end the link, and the agent comes again", async () => {
    const agent = await connectedAgent();
    agent.link.sendFrame({ payload: Buffer.alloc(20 << 20, "x") });
    expect(await agent.link.ended()).toMatchObject({ code: 1009 });
    await expectBack(agent);
  });

  it("that are masked end the link, and the agent comes again", async () => {
    const agent = await connectedAgent();
    agent.link.sendBytes(frameBytes({ ...plain, isMasked: true }));
    expect(await agent.link.ended()).toMatchObject({ code: 1002 });
    await expectBack(agent);
  });

  it("that are binary are read like any other", async () => {
    const { link } = await connectedAgent();
    link.sendFrame({ ...plain, opcode: opcodes.binary });
    expect(await link.next()).toMatchObject({ content: "OK" });
  });
});
