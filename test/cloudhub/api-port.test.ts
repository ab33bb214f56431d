import { connect, type TLSSocket } from "node:tls";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { eventually } from "../interop/patience.ts";
import { startWorld, type World } from "../support/world.ts";

/** The port for controllers, spoken to by others than controllers. */

let world: World;
beforeEach(async () => {
  world = await startWorld({ nodes: { handshakeTimeoutMs: 300 } });
});

async function open(): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port: world.hub.ports.api, ca: world.hub.ca.pem });
  onTestFinished(() => void socket.destroy());
  await new Promise<void>((resolve, reject) =>
    socket.once("secureConnect", () => resolve()).once("error", reject),
  );
  socket.on("error", () => undefined);
  return socket;
}

/** Writes a head and reads what is answered until the hub hangs up. */
async function say(lines: readonly string[]): Promise<string> {
  const socket = await open();
  let answer = "";
  socket.on("data", (chunk: Buffer) => {
    answer += chunk.toString("latin1");
  });
  const ended = new Promise((resolve) => socket.once("close", resolve));
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  await ended;
  return answer;
}

const upgrade = (...more: string[]) => [
  "GET /controllers/v1 HTTP/1.1",
  "Host: hub",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version: 13",
  ...more,
];
const refused = async (code: string): Promise<boolean> =>
  (await world.hub.metrics()).includes(`hub_connections_refused_total{port="api",code="${code}"} 1`);

describe("the port for controllers", () => {
  it.each([
    ["somebody who does not speak its dialect", upgrade(), 400, "E_UNSUPPORTED"],
    ["somebody without token and certificate", upgrade("Hub-Dialects: native.1"), 401, "E_BAD_TOKEN"],
    [
      "a token that is none",
      upgrade("Hub-Dialects: native.1", "Authorization: Bearer \u00e4.\u00f6"),
      401,
      "E_BAD_TOKEN",
    ],
    ["a page of another host", upgrade("Origin: https://elsewhere.example"), 403, "E_FORBIDDEN"],
    ["what is no HTTP", ["\u0016\u0003\u0001 hello"], 400, "E_BAD_FRAME"],
  ])("refuses %s with words, and hangs up", async (_who, lines, status, code) => {
    const answer = await say(lines);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).toMatch(new RegExp(`\\r\\n\\r\\n${code}: .{10,}\\n$`));
    expect(await refused(code)).toBe(true);
  });

  it("cuts off who never ends its request, however slowly it speaks", async () => {
    const socket = await open();
    const ended = new Promise((resolve) => socket.once("close", resolve));
    socket.write(`${upgrade().slice(0, 3).join("\r\n")}\r\nX-Slow: `);
    const slowly = setInterval(() => socket.write("x"), 20);
    onTestFinished(() => clearInterval(slowly));
    await ended;
    await eventually(() => refused("E_TIMEOUT")).toBe(true);
  });

  it("says that there is nothing where there is nothing", async () => {
    const answer = await say(["GET /somewhere HTTP/1.1", "Host: hub", "Connection: close"]);
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(answer).toContain("E_NOT_FOUND: there is nothing at /somewhere\n");
  });
});
