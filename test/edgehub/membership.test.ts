import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { beforeEach, describe, expect, it } from "vitest";
import { loadIdentity, saveIdentity } from "../../edgehub/identity.ts";
import type { EdgeHub, EdgeOptionsInput } from "../../edgehub/index.ts";
import { readCertificate, readKey } from "../../platform/certificate.ts";
import type { NodeId } from "../../protocol/index.ts";
import { certificateFor, past } from "../interop/certificates.ts";
import { LeapingClock } from "../interop/leaping-clock.ts";
import { eventually } from "../interop/patience.ts";
import { agentForTest } from "../interop/test-agent.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { startWorld, type World } from "../support/world.ts";

/** An agent whose hub does not accept it any more. */

let world: World;
let clock: LeapingClock;
let log: ReturnType<typeof recordingLogger>;
beforeEach(async () => {
  world = await startWorld();
  clock = new LeapingClock();
  log = recordingLogger();
});

const tokenFor = async (node: string | undefined): Promise<string> => {
  const terms = node === undefined ? {} : { node };
  return (await world.hub.admin.createJoinToken({ ttlMs: 600_000, ...terms })).token;
};

/** An agent that keeps its token, if it is given one; its pauses are those of the clock. */
async function agent(token: string, more: EdgeOptionsInput = {}): Promise<EdgeHub> {
  return await world.agent("edge-1", { hub: { token }, ...more }, { clock, log, addresses: () => [] });
}

const connected = (edge: EdgeHub) => eventually(() => edge.status().dialect).toBe("native");
const away = (edge: EdgeHub) => eventually(() => edge.status().dialect).toBe(undefined);
const identityOf = () => loadIdentity(join(world.directory, "edge-1"));
const said = (event: string) => log.lines.filter((line) => line.event === event);
const refusals = async (code: string): Promise<number> => {
  const metric = `hub_connections_refused_total{port="nodes",code="${code}"} `;
  const line = (await world.hub.metrics()).split("\n").find((one) => one.startsWith(metric));
  return Number(line?.slice(metric.length) ?? 0);
};

/** Time passes, and what falls due meanwhile has the time it takes. */
async function minutes(count: number): Promise<void> {
  for (let quarters = 0; quarters < 4 * count; quarters++) {
    await clock.leap(15_000);
    await pause(20);
  }
}

const put = (version: string) => ({
  node: "edge-1",
  resource: "default/configmap/limits",
  operation: "update",
  resourceVersion: version,
  content: { kind: "ConfigMap" },
});

describe("an agent whose certificate is revoked", () => {
  it("joins again with a token made for it, and gets what it missed", async () => {
    const edge = await agent(await tokenFor("edge-1"));
    await connected(edge);
    const first = identityOf();
    await edge.publish({ group: "user", operation: "upload", resource: "t", content: 1 });
    await world.hub.admin.revokeNode("edge-1");
    await world.hub.publish(put("1"));
    // Told so on its link, it does not even dial with the old certificate.
    await eventually(() => edge.store.meta.get("default/configmap/limits")?.version).toBe("1");
    expect(said("joined again")).toHaveLength(1);
    expect(identityOf()?.certPem).not.toBe(first?.certPem);
    expect(edge.status()).toMatchObject({ dialect: "native", outbox: { messages: 1 } });
    expect(await refusals("E_REVOKED")).toBe(0);
  });

  it("says what to do if its token is not for it, keeps what it has and tries again slowly", async () => {
    const edge = await agent(await tokenFor(undefined));
    await connected(edge);
    const first = identityOf();
    await world.hub.admin.revokeNode("edge-1");
    const event = "the hub does not accept this node's certificate, and it could not join again";
    await eventually(() => said(event)).toMatchObject([
      { error: { code: "E_FORBIDDEN", message: expect.stringMatching(/hubctl token create --node edge-1/) } },
    ]);
    await clock.leap(29_000);
    expect(said(event)).toHaveLength(1);
    await minutes(5);
    expect(said(event).length).toBeGreaterThan(4);
    expect(await refusals("E_REVOKED")).toBeLessThanOrEqual(11);
    expect(identityOf()).toEqual(first);
    expect(edge.status()).toMatchObject({ joined: true, dialect: undefined });
  });

  it("says what to do if it has no token, and tries again slowly: it may be let in after all", async () => {
    const joined = await agent(await tokenFor(undefined));
    await connected(joined);
    await joined.close();
    const edge = await agent("");
    await connected(edge);
    await world.hub.admin.revokeNode("edge-1");
    await away(edge);
    const event =
      /^the hub does not accept this node's certificate; set hub\.token to one made for this node .*hubctl token create --node/;
    const told = () => log.lines.filter((line) => event.test(line.event));
    await eventually(told).toMatchObject([{ error: { code: "E_REVOKED" } }]);
    await clock.leap(29_000);
    expect(await refusals("E_REVOKED")).toBe(0);
    await minutes(5);
    expect(told().length).toBeGreaterThan(4);
    expect(await refusals("E_REVOKED")).toBeGreaterThan(4);
    expect(await refusals("E_REVOKED")).toBeLessThanOrEqual(11);
    await edge.publish({ group: "user", operation: "upload", resource: "t", content: 1 });
    expect(edge.status()).toMatchObject({ joined: true, outbox: { messages: 1 } });
  });
});

describe("an agent that its hub has forgotten", () => {
  it("joins again with any good token", async () => {
    const edge = await agent(await tokenFor(undefined));
    await connected(edge);
    await world.hub.admin.removeNode("edge-1");
    await eventually(() => said("joined again")).toHaveLength(1);
    await connected(edge);
    expect(await world.hub.nodes()).toMatchObject([{ node: "edge-1", connected: true }]);
  });

  it("joins a hub that was built anew under the old address with a token of that hub", async () => {
    const edge = await agent(await tokenFor(undefined));
    await connected(edge);
    await edge.publish({ group: "user", operation: "upload", resource: "t", content: 1 });
    await edge.close();
    const { nodes, join: joinPort } = world.hub.ports;
    await world.stopHub();
    const host = "127.0.0.1";
    const before = identityOf();
    const dataDir = join(world.directory, "edge-1");
    world = await startWorld({ nodes: { host, port: nodes }, join: { host, port: joinPort } });
    const again = await agent(await tokenFor(undefined), { dataDir });
    await connected(again);
    expect(said("joined again")).toHaveLength(1);
    expect(loadIdentity(dataDir)?.caHash).not.toBe(before?.caHash);
    expect(again.status().outbox.messages).toBe(1);
  });
});

describe("an agent whose certificate has ended", () => {
  /** Its identity, as it is after a long time in a drawer. */
  async function withEndedCertificate(): Promise<void> {
    const joined = await agent(await tokenFor(undefined));
    await connected(joined);
    await joined.close();
    const pki = (file: string) => readFileSync(join(world.directory, "hub", "pki", file), "utf8");
    const ca = readCertificate(pki("ca.crt"));
    const made = await certificateFor("edge-1", {
      ca: { certificate: ca.der, key: readKey(pki("ca.key")) },
      ...past,
    });
    const certificate = readCertificate(String(made.cert));
    const node = "edge-1" as NodeId;
    saveIdentity({ node, ca, certificate, key: readKey(String(made.key)) }, join(world.directory, "edge-1"));
  }

  it("joins again with a token made for it", async () => {
    await withEndedCertificate();
    const edge = await agent(await tokenFor("edge-1"));
    await eventually(() => said("joined again")).toHaveLength(1);
    await connected(edge);
    expect(said("no connection to the hub")[0]).toMatchObject({
      code: "E_IDENTITY",
      text: expect.stringMatching(/certificate ended on .*, or this machine's clock is wrong/),
    });
  });

  it("says so if it has no token, and what to do", async () => {
    await withEndedCertificate();
    await agent("");
    await eventually(() => log.lines).toContainEqual(
      expect.objectContaining({
        event: expect.stringMatching(/set hub\.token to one made for this node/),
        error: expect.objectContaining({
          code: "E_IDENTITY",
          message: expect.stringMatching(/certificate ended on /),
        }),
      }),
    );
  });
});

describe("an agent that is turned away however often it joins", () => {
  const refusal = "E_REVOKED: go away";
  const answer = () => `HTTP/1.1 403 Forbidden\r\nContent-Length: ${refusal.length}\r\n\r\n${refusal}`;

  it("takes longer and longer before it joins again", async () => {
    const { cloud, clock: time, logged } = await agentForTest({ cloud: { answer } });
    const joins = () => logged.filter(({ event }) => event === "joined again").length;
    await eventually(joins).toBe(1);
    for (let times = 0; times < 20; times++) {
      await time.leap(31_000);
      await eventually(() => cloud.dials.length).toBeGreaterThan(times + 2);
    }
    // Ten minutes: after 1, 2, 4 … of them.
    expect(joins()).toBeGreaterThan(1);
    expect(joins()).toBeLessThanOrEqual(5);
  });
});
