import { spawnSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, test } from "vitest";
import type { EdgeOptionsInput } from "../../edgehub/index.ts";
import { admission, clockVerdict, refusal } from "../../edgehub/inspect/checks/hub.ts";
import { diskVerdict } from "../../edgehub/inspect/checks/node.ts";
import type { InspectionIo } from "../../edgehub/inspect/io.ts";
import { freePort } from "../support/free-port.ts";
import { temporaryDirectory, until } from "../support/processes.ts";
import { startWorld, type World } from "../support/world.ts";
import { edgehub } from "./inspect-run.ts";

const dayMs = 86_400_000;

interface Finding {
  readonly check: string;
  readonly state: string;
  readonly found: string;
  readonly advice?: string;
}

/** Runs `edgehub check` with the addresses of a hub. */
async function check(world: World, words: readonly string[] = [], io: Partial<InspectionIo> = {}) {
  const { code, out, err } = await edgehub(
    [
      ...["check", "-o", "json", "--data-dir", join(world.directory, "edge-1")],
      ...["--hub.server", `wss://127.0.0.1:${world.hub.ports.nodes}`],
      ...["--hub.join", `https://127.0.0.1:${world.hub.ports.join}`],
      ...["--eventBus.enable", "false", ...words],
    ],
    io,
  );
  expect(err).toBe("");
  const findings = JSON.parse(out) as Finding[];
  return {
    code,
    findings,
    of: (name: string): Finding | undefined => findings.find((one) => one.check === name),
    failed: findings.filter(({ state }) => state === "failed").map((one) => one.check),
  };
}

/** A world with an agent that has joined and is connected. */
async function joined(options: EdgeOptionsInput = {}) {
  const world = await startWorld();
  const agent = await world.agent("edge-1", options);
  await until("it is connected", () => agent.connected);
  return { world, agent };
}

/** A port that is taken, by somebody who never says a word. */
async function silentPort(): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

describe("edgehub check", () => {
  it("finds nothing wrong while the agent runs, and does not disturb it", async () => {
    const { world, agent } = await joined();
    const { code, findings, of } = await check(world);
    // The disk is this machine's own.
    const wrong = findings.filter((one) => one.state !== "ok" && one.check !== "disk");
    expect([code, wrong]).toEqual([0, []]);
    expect(findings.map((one) => one.check)).toEqual([
      ...["agent", "certificate", "hub", "join", "clock", "disk", "database"],
    ]);
    expect(of("agent")?.found).toMatch(/^runs on /);
    expect(of("certificate")?.found).toMatch(/^of edge-1, ends .*\(in \d+d/);
    expect(of("hub")?.found).toMatch(/answers in .* over TLSv1\.3, and lets edge-1 in$/);
    expect(of("database")?.found).toMatch(/no damage; \d+ messages? for the hub/);
    expect(agent.connected).toBe(true);
  });

  it("says so when the agent does not run, and still looks at the rest", async () => {
    const { world, agent } = await joined();
    await agent.close();
    const { code, of } = await check(world);
    expect([code, of("agent")]).toMatchObject([
      0,
      { state: "warning", advice: expect.stringMatching(/start it/) },
    ]);
    expect(of("hub")?.state).toBe("ok");
    expect(of("database")?.state).toBe("ok");
  });

  it("has one line for each, with what to do", async () => {
    const { world, agent } = await joined();
    await agent.close();
    const argv = [
      "check",
      "--data-dir",
      join(world.directory, "edge-1"),
      "--hub.server",
      "wss://127.0.0.1:1",
    ];
    const { code, out } = await edgehub([...argv, "--hub.join", "https://127.0.0.1:1"]);
    expect(code).toBe(1);
    expect(out).toMatch(/^warning {2}agent +does not run on .*\. To do: start it: /m);
    expect(out).toMatch(
      /^failed {3}hub +nothing listens at wss:\/\/127\.0\.0\.1:1\. To do: start the hub there, or correct hub\.server$/m,
    );
    expect(out).toMatch(/^warning {2}join +nothing listens/m);
    expect(out).toMatch(/^warning {2}clock +cannot be compared/m);
    expect(out).not.toContain("\u001b");
  });

  test.each([
    ["revoked", (world: World) => world.hub.admin.revokeNode("edge-1")],
    ["removed", (world: World) => world.hub.admin.removeNode("edge-1")],
  ])("sees that the hub has %s this node", async (_word, end) => {
    const { world, agent } = await joined();
    await agent.close();
    await end(world);
    expect((await check(world)).of("hub")).toMatchObject({
      state: "failed",
      found: expect.stringMatching(/does not let edge-1 in: E_REVOKED: certificate .* has been revoked/),
      advice: expect.stringMatching(/hubctl token create --node NAME/),
    });
  });

  it("sees that the hub has no room, but not for a node that is connected", async () => {
    const world = await startWorld({ nodes: { maxNodes: 1 } });
    const first = await world.agent("edge-1");
    await until("it is connected", () => first.connected);
    expect((await check(world)).of("hub")?.state).toBe("ok");
    await first.close();
    const second = await world.agent("edge-2");
    await until("the other is connected", () => second.connected);
    expect((await check(world)).of("hub")).toMatchObject({
      state: "failed",
      found: expect.stringMatching(/E_NODE_LIMIT/),
      advice: expect.stringMatching(/maxNodes/),
    });
  });

  it("does not take a cloud that cannot be asked for one that refuses", () => {
    const answer = { url: "https://hub", tookMs: 1, tls: "TLSv1.3", aheadMs: 0 };
    const body = Buffer.from("Bad Request\nwebsocket: the client is not using the websocket protocol\n");
    expect(admission({ ...answer, status: 400, body }, "edge-1").state).toBe("ok");
  });

  it("gives up on a hub that says nothing", async () => {
    const { world } = await joined();
    const port = await silentPort();
    const { of } = await check(world, ["--hub.server", `wss://127.0.0.1:${port}`, "--timeout", "100ms"]);
    expect(of("hub")).toMatchObject({ state: "failed", advice: expect.stringMatching(/firewall/) });
  });

  it("tells another hub from the one that was joined", async () => {
    const { world } = await joined();
    const other = await startWorld();
    const addresses = ["--hub.server", `wss://127.0.0.1:${other.hub.ports.nodes}`];
    const { of } = await check(world, [
      ...addresses,
      "--hub.join",
      `https://127.0.0.1:${other.hub.ports.join}`,
    ]);
    expect(of("hub")).toMatchObject({ state: "failed", found: expect.stringMatching(/another CA/) });
    expect(of("join")).toMatchObject({ state: "warning", found: expect.stringMatching(/shows another CA/) });
  });

  test.each([
    [-630_000, "failed", /is 10m\d+s behind the hub's/],
    [630_000, "failed", /ahead of the hub's/],
    [60_000, "warning", /ahead of the hub's/],
    [1_000, "ok", /agrees/],
  ])("sees a clock that is %i ms wrong", async (wrongBy, state, found) => {
    const { world } = await joined();
    const { of } = await check(world, [], { now: Date.now() + wrongBy });
    expect(of("clock")).toMatchObject({ state, found: expect.stringMatching(found) });
  });

  test.each([
    [400 * dayMs, "failed", /has ended/, /hubctl token create/],
    [330 * dayMs, "warning", /should have been renewed/, /agent's log/],
    [-dayMs, "failed", /is not valid before/, /clock/],
  ])("sees a certificate %i ms from now", async (later, state, found, advice) => {
    const { world } = await joined();
    const { of } = await check(world, [], { now: Date.now() + later });
    expect(of("certificate")).toMatchObject({
      state,
      found: expect.stringMatching(found),
      advice: expect.stringMatching(advice),
    });
  });

  it("sees that a configuration is for another node", async () => {
    const { world } = await joined();
    expect((await check(world, ["--node", "edge-2"])).of("certificate")).toMatchObject({
      state: "failed",
      advice: expect.stringMatching(/set node: edge-1/),
    });
  });

  it("compares the hub with the token before a node joins", async () => {
    const world = await startWorld();
    const other = await startWorld();
    const { token } = await world.hub.admin.createJoinToken({ ttlMs: 600_000 });
    const good = await check(world, ["--hub.token", token]);
    expect(good.of("join")).toMatchObject({
      state: "ok",
      found: expect.stringMatching(/the CA that the token names/),
    });
    const bad = await check(other, ["--hub.token", token]);
    expect(bad.of("join")).toMatchObject({ state: "failed", advice: expect.stringMatching(/do not go on/) });
    expect((await check(world)).of("certificate")).toMatchObject({
      found: expect.stringMatching(/has no token/),
    });
    expect(good.failed).toEqual([]);
    expect(good.of("agent")).toMatchObject({
      state: "warning",
      found: expect.stringMatching(/has not run on/),
    });
    expect(good.of("hub")?.found).toMatch(/asks for a certificate, which this node gets when it joins/);
    expect(good.of("disk")?.found).toContain(world.directory);
    expect(good.of("database")).toBeUndefined();
  });

  it("looks at the agent's broker as a client of it", async () => {
    const port = await silentPort();
    const address = `tcp://127.0.0.1:${await freePort()}`;
    const credentials = { internalUsername: "press", internalPassword: "hush" };
    const eventBus = { enable: true, mqttServerInternal: address, ...credentials };
    const { world, agent } = await joined({ eventBus });
    const words = ["--eventBus.enable", "true", "--eventBus.mqttServerInternal", address];
    const names = ["--eventBus.internalUsername", "press", "--eventBus.internalPassword"];
    const { of, failed } = await check(world, [...words, ...names, "hush"]);
    expect(failed).toEqual([]);
    expect(of("broker")?.found).toMatch(/lets the agent in/);
    expect(of("ports")?.found).toBe(`the agent listens at ${address.slice(6)}`);
    expect((await check(world, [...words, ...names, "wrong"])).of("broker")).toMatchObject({
      state: "failed",
      found: expect.stringMatching(/refuses the user name or the password/),
    });
    const elsewhere = ["--eventBus.enable", "true", "--eventBus.mqttServerInternal", "tcp://127.0.0.1:1"];
    expect((await check(world, elsewhere)).failed).toEqual(["broker", "ports"]);
    await agent.close();
    expect((await check(world, words)).of("ports")?.found).toMatch(/free for the agent/);
    const taken = ["--eventBus.enable", "true", "--eventBus.mqttServerInternal", `tcp://127.0.0.1:${port}`];
    expect((await check(world, taken)).of("ports")).toMatchObject({
      state: "failed",
      found: `127.0.0.1:${port} is taken by another program`,
      advice: expect.stringMatching(/ss -ltnp .*set eventBus\.mqttServerInternal/),
    });
  });

  it("does not expect ServiceBus to listen while the cloud has no rules for it", async () => {
    const serviceBus = { enable: true, port: await freePort() };
    const { world, agent } = await joined({ serviceBus });
    const words = ["--serviceBus.enable", "true", "--serviceBus.port", String(serviceBus.port)];
    expect((await check(world, words)).of("ports")).toBeUndefined();
    await agent.close();
    expect((await check(world, words)).of("ports")?.found).toMatch(/free for the agent/);
  });

  it("sees that the broker beside the agent is missing, or silent", async () => {
    const { world } = await joined();
    const external = ["--eventBus.enable", "true", "--eventBus.mqttMode", "external", "--timeout", "200ms"];
    const at = (port: number) => [...external, "--eventBus.mqttServerExternal", `tcp://127.0.0.1:${port}`];
    expect((await check(world, at(1))).of("external broker")).toMatchObject({
      state: "failed",
      found: "nothing listens at tcp://127.0.0.1:1",
      advice: expect.stringMatching(/start the broker/),
    });
    expect((await check(world, at(await silentPort()))).failed).toEqual(["external broker"]);
  });

  it("asks the container runtime", async () => {
    const { world } = await joined();
    const edged = ["--edged.enable", "true"];
    expect((await check(world, [...edged, "--edged.runtime", "process"])).of("runtime")).toMatchObject({
      state: "ok",
    });
    const socket = `unix://${world.directory}/none.sock`;
    expect(
      (await check(world, [...edged, "--edged.remoteRuntimeEndpoint", socket])).of("runtime"),
    ).toMatchObject({
      state: "failed",
      found: `there is no ${world.directory}/none.sock`,
      advice: expect.stringMatching(/start containerd/),
    });
  });

  it("says that there is no agent's directory", async () => {
    const { path, remove } = temporaryDirectory();
    remove();
    const { code, out } = await edgehub(["check", "--data-dir", path, "--hub.server", "wss://127.0.0.1:1"]);
    expect(code).toBe(1);
    expect(out).toMatch(
      /^failed {3}agent +there is no directory .*To do: name the agent's directory with --data-dir/m,
    );
    expect(out).not.toMatch(/database/);
  });
});

const program = join(import.meta.dirname, "../../edgehub/main.ts");
/** Root may read everything, so another user is played by another one. */
const stranger = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
const canPlay = spawnSync("test", ["-r", program], stranger).status === 0;

describe.skipIf(!canPlay)("a user who may not read the agent's directory", () => {
  const run = (directory: string, ...words: string[]) => {
    const argv = [program, ...words, "--data-dir", directory, "--hub.server", "wss://127.0.0.1:1"];
    const { status, stdout, stderr } = spawnSync(process.execPath, argv, { ...stranger, encoding: "utf8" });
    return { code: status, out: stdout, err: stderr };
  };
  const closedDirectory = (): string => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    chmodSync(path, "uid" in stranger ? 0o700 : 0);
    return path;
  };

  it("is told so, and not that something is missing or damaged", () => {
    const { code, out } = run(closedDirectory(), "check");
    expect(code).toBe(1);
    for (const name of ["agent", "certificate", "database"])
      expect(out).toMatch(
        new RegExp(`^failed {3}${name} +.* cannot be read: run this as the user that owns it`, "m"),
      );
    expect(out).not.toMatch(/ports|join again|backup/);
  });

  test.each([["get"], ["describe", "pod", "x"], ["logs", "x"]])("is not allowed to %s", (...words) => {
    const { code, err } = run(closedDirectory(), ...words);
    expect([code, err]).toEqual([
      5,
      expect.stringMatching(/E_FORBIDDEN: .* run this as the user that owns it/),
    ]);
  });
});

const gib = 1 << 30;

test.each([
  [{ freeBytes: 10 * gib, allBytes: 20 * gib, hasFiles: true }, "ok"],
  [{ freeBytes: 10 * gib, allBytes: 400 * gib, hasFiles: true }, "warning"],
  [{ freeBytes: gib / 4, allBytes: gib, hasFiles: true }, "warning"],
  [{ freeBytes: gib / 32, allBytes: gib, hasFiles: true }, "failed"],
  [{ freeBytes: gib, allBytes: gib, hasFiles: false }, "failed"],
])("a disk with %j is %s", (disk, state) => {
  expect(diskVerdict("/data", disk).state).toBe(state);
});

test.each([
  [undefined, "warning"],
  [-4_999, "ok"],
  [5_000, "warning"],
  [-300_000, "failed"],
])("a hub's clock that is %s ms ahead is %s", (ahead, state) => {
  expect(clockVerdict(ahead).state).toBe(state);
});

test.each([
  ["ENOTFOUND", "", /DNS/],
  ["EHOSTUNREACH", "", /network/],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "", /advertise/],
  ["CERT_HAS_EXPIRED", "", /clock/],
  ["ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "", /does not accept this node's certificate|token/],
  ["ECONNRESET", "socket hang up", /token/],
  ["EWHATEVER", "strange", /is a hub there/],
])("what to do about %s of the hub", (code, message, advice) => {
  const error = Object.assign(new Error(message), { code });
  const { state, advice: told } = refusal(error, { url: "wss://hub:10000", field: "hub.server" });
  expect([state, told]).toEqual(["failed", expect.stringMatching(advice)]);
});
