import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadIdentity } from "../../edgehub/identity.ts";
import { readCertificate, signWith } from "../../platform/certificate.ts";
import { PeerHandshake } from "../../protocol/index.ts";
import { encodeFrame } from "../../transport/stream-frames.ts";
import { requestText } from "../../transport/stream-request.ts";
import { until } from "../support/processes.ts";
import { startWorld, type World } from "../support/world.ts";
import { firstStream, onStream, rawSession } from "../transport/raw-session.ts";

const enabled = { nodes: { webTransport: { enable: true, port: 0 } } };

function overWebTransport({ hub }: World) {
  return { hub: { transport: "webtransport" as const, webTransportPort: hub.ports.webTransport as number } };
}

/** A hub, and what a machine that has joined can say to it. */
async function joinedNode() {
  const world = await startWorld(enabled);
  const agent = await world.agent("edge-1", overWebTransport(world));
  await until("it is connected", () => agent.connected);
  const identity = loadIdentity(join(world.directory, "edge-1"));
  if (identity === undefined) throw new Error("it has not joined");
  /** Proves the node's key and asks as whoever the headers name. @returns The hub's answer. */
  const ask = async (headers: Readonly<Record<string, string>>): Promise<unknown> => {
    const session = await rawSession(world.hub.ports.webTransport as number, identity.caPem);
    const shown = session.tls.getPeerX509Certificate()?.raw as Buffer;
    const peer = new PeerHandshake({
      nonce: randomBytes(32),
      certificate: readCertificate(identity.certPem).der,
      request: Buffer.from(requestText("/", headers)),
      hubFingerprint: createHash("sha256").update(shown).digest(),
      sign: (bytes) => signWith(identity.keyPem, bytes),
    });
    session.write(onStream(firstStream, encodeFrame("hello", peer.hello)));
    session.write(onStream(firstStream, encodeFrame("proof", peer.prove((await session.next()).bytes))));
    return JSON.parse((await session.next()).bytes.toString());
  };
  return { world, agent, ask };
}

const refusal = (code: string) => expect.objectContaining({ code });

describe("nodes over WebTransport", () => {
  it("get and send messages, in the dialect of this hub", async () => {
    const world = await startWorld(enabled);
    const agent = await world.agent("edge-1", overWebTransport(world));
    await until("it is connected", () => agent.connected);
    await world.hub.publish({
      node: "edge-1",
      resource: "default/configmap/one",
      operation: "update",
      resourceVersion: "7",
      content: { kind: "ConfigMap" },
    });
    await until("it has the update", () => agent.store.meta.list().some(({ version }) => version === "7"));
    expect(await world.hub.metrics()).toContain('hub_node_links_opened_total{transport="wt"} 1');
    expect(await world.hub.nodes()).toMatchObject([{ node: "edge-1", transport: "webtransport" }]);
    await agent.close();
    const isGone = async () => (await world.hub.nodes())[0]?.transport === undefined;
    await until("it has gone, and its transport with it", isGone);
  });

  it("are refused under another node's name, and counted", async () => {
    const { world, agent, ask } = await joinedNode();
    expect(await ask({ Node_id: "edge-2", ConnectionUse: "msg" })).toEqual(refusal("E_IDENTITY"));
    expect(await ask({ ConnectionUse: "msg" })).toEqual(refusal("E_NO_NODE"));
    expect(agent.connected).toBe(true);
    const metrics = await world.hub.metrics();
    expect(metrics).toContain('hub_connections_refused_total{port="webtransport",code="E_IDENTITY"} 1');
  });

  it("are refused with a certificate that has been revoked", async () => {
    const { world, ask } = await joinedNode();
    await world.hub.admin.revokeNode("edge-1");
    expect(await ask({ Node_id: "edge-1", ConnectionUse: "msg" })).toEqual(refusal("E_REVOKED"));
  });

  it("have no port unless it is enabled", async () => {
    const world = await startWorld();
    expect(world.hub.ports.webTransport).toBeUndefined();
  });
});
