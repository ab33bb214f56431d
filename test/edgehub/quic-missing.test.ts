import { expect, it, vi } from "vitest";
import { until } from "../support/processes.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { startWorld } from "../support/world.ts";

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
