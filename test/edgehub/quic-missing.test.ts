import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { until } from "../support/processes.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { startWorld } from "../support/world.ts";
import { edgehub } from "./inspect-run.ts";

vi.mock("@currentspace/http3", () => {
  throw new Error("Cannot find package");
});

const enable = { nodes: { quic: { enable: true, port: 0 } } };
const wanted = /QUIC needs the package @currentspace\/http3 .*npm install @currentspace\/http3@/;

it("a hub without the package says what to install, and goes on", async () => {
  const log = recordingLogger();
  const { hub } = await startWorld(enable, { log });
  expect(hub.ports.quic).toBeUndefined();
  const lines = log.lines.filter(({ event }) => event === "nodes cannot connect over QUIC");
  expect(lines).toMatchObject([{ error: { code: "E_UNSUPPORTED", message: expect.stringMatching(wanted) } }]);
});

it("an agent without the package takes the WebSocket at once, and says nothing", async () => {
  const world = await startWorld();
  const log = recordingLogger();
  const agent = await world.agent("edge-1", { hub: { quicPort: 10_001 } }, { log });
  await until("it is connected", () => agent.status().transport === "wss");
  expect(log.lines.filter((line) => JSON.stringify(line).includes("QUIC"))).toEqual([]);
});

it("an agent that is to use QUIC says what to install", async () => {
  const world = await startWorld();
  const log = recordingLogger();
  await world.agent("edge-1", { hub: { transport: "quic" } }, { log });
  await until("it has tried", () => log.lines.some(({ event }) => event === "no connection to the hub"));
  expect(log.lines.find(({ event }) => event === "no connection to the hub")).toMatchObject({
    code: "E_UNSUPPORTED",
    text: expect.stringMatching(wanted),
  });
});

it.each([
  ["auto", "ok", /the agent uses WebSocket instead: QUIC needs the package/],
  ["quic", "failed", wanted],
])("edgehub check says so: hub.transport %s", async (transport, state, found) => {
  const world = await startWorld();
  const agent = await world.agent("edge-1");
  await until("it is connected", () => agent.connected);
  const { out } = await edgehub([
    ...["check", "-o", "json", "--data-dir", join(world.directory, "edge-1"), "--eventBus.enable", "false"],
    ...["--hub.server", `wss://127.0.0.1:${world.hub.ports.nodes}`, "--hub.quicPort", "10001"],
    ...["--hub.join", `https://127.0.0.1:${world.hub.ports.join}`, "--hub.transport", transport],
  ]);
  expect(JSON.parse(out)).toContainEqual(
    expect.objectContaining({ check: "quic", state, found: expect.stringMatching(found) }),
  );
});
