import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { createKey, readCertificate, readKey } from "../../platform/certificate.ts";
import type { Issuer } from "../../platform/x509.ts";
import { type ConnectOptions, connectHub, type HubClient, type Rights } from "../../sdk/index.ts";
import { certificateFor, future, otherCa, past, selfSigned } from "../interop/certificates.ts";
import { until } from "../support/processes.ts";
import { startWorld, type World } from "../support/world.ts";

/** Controllers that show a certificate instead of a token. */

type KeyPair = NonNullable<ConnectOptions["certificate"]>;

const rights: Rights = { nodes: ["edge-1"], groups: ["resource"], verbs: ["publish"] };
let world: World;
beforeEach(async () => {
  world = await startWorld();
  for (const node of ["edge-1", "edge-2"]) await world.hub.admin.addNode(node);
});

/** A key pair that the hub has certified for a controller. */
async function certified(name = "planner", days?: number): Promise<KeyPair> {
  const { publicKey, pem } = await keyWithPublicPem();
  const { certificate } = await world.hub.admin.issueControllerCertificate(name, publicKey, days);
  return { cert: certificate, key: pem };
}

async function keyWithPublicPem(): Promise<{ publicKey: string; pem: string }> {
  const { pem } = await createKey();
  return { pem, publicKey: createPublicKey(pem).export({ type: "spki", format: "pem" }).toString() };
}

function connect(certificate: KeyPair, more: Partial<ConnectOptions> = {}): Promise<HubClient> {
  const { url, ca } = JSON.parse(readFileSync(world.hub.adminFile, "utf8")) as { url: string; ca: string };
  // Of pauses between dials there is none to sit out: who is turned away is told so at the first one.
  return connectHub({ url, ca, certificate, connectTimeoutMs: 60_000, ...more }, { random: () => 0.02 });
}

async function connected(certificate: KeyPair): Promise<HubClient> {
  const client = await connect(certificate);
  onTestFinished(() => client.close());
  return client;
}

const put = (node: string, version: string) => ({
  node,
  resource: "default/configmap/limits",
  operation: "update",
  resourceVersion: version,
  content: { data: 1 },
});

describe("a controller with a certificate", () => {
  beforeEach(() => world.hub.admin.createController("planner", rights));

  it("has the rights it was given, and no others", async () => {
    const client = await connected(await certified());
    expect(await client.publish(put("edge-1", "1"))).toMatchObject({ version: "1", stale: false });
    await expect(client.publish(put("edge-2", "1"))).rejects.toMatchObject({ code: "E_FORBIDDEN" });
    await expect(client.publish({ ...put("edge-1", "1"), group: "twin" })).rejects.toMatchObject({
      code: "E_FORBIDDEN",
    });
    await expect(client.nodes()).rejects.toMatchObject({ code: "E_FORBIDDEN" });
    await expect(client.admin.controllers()).rejects.toMatchObject({ code: "E_FORBIDDEN" });
    expect(await world.hub.admin.controllers()).toContainEqual(
      expect.objectContaining({ name: "planner", connected: true }),
    );
  });

  it("has its new rights when they change, without another certificate", async () => {
    const client = await connected(await certified());
    const states: string[] = [];
    client.onState((state) => states.push(state));
    await world.hub.admin.createController("planner", { ...rights, nodes: ["edge-2"] });
    await until("it is back", () => states.includes("connected"));
    expect(states).toEqual(["connecting", "connected"]);
    expect(await client.publish(put("edge-2", "1"))).toMatchObject({ stale: false });
    await expect(client.publish(put("edge-1", "1"))).rejects.toMatchObject({ code: "E_FORBIDDEN" });
  });

  it("may have several of them, and a token besides", async () => {
    const token = await world.hub.admin.createController("planner", rights);
    for (const certificate of [await certified(), await certified()])
      expect(await (await connected(certificate)).publish(put("edge-1", "next"))).toMatchObject({
        stale: false,
      });
    const both = await connect(await certified(), { token });
    onTestFinished(() => both.close());
    expect(await both.publish(put("edge-1", "next"))).toMatchObject({ stale: false });
  });

  it("comes back over a new link when the hub has been restarted", async () => {
    const client = await connected(await certified());
    await (await world.stopHub()).start();
    expect(await client.publish(put("edge-1", "1"))).toMatchObject({ stale: false });
  });
});

describe("a certificate", () => {
  /** What the hub's own CA would say of anybody. */
  const hubCa = (): Issuer => {
    const read = (file: string) => readFileSync(join(world.directory, "hub", "pki", file), "utf8");
    return { certificate: readCertificate(read("ca.crt")).der, key: readKey(read("ca.key")) };
  };
  const subject = { organization: "cloudhub:controllers", commonName: "planner" };
  const texts = ({ cert, key }: Awaited<ReturnType<typeof certificateFor>>): KeyPair => ({
    cert: String(cert),
    key: String(key),
  });
  const certificate = async (change: Parameters<typeof certificateFor>[1]): Promise<KeyPair> =>
    texts(await certificateFor("edge-1", { ca: hubCa(), subject, ...change }));

  const refused: [string, () => Promise<KeyPair>, string, RegExp][] = [
    ["that has expired", () => certificate(past), "E_IDENTITY", /it ended on /],
    ["that is not valid yet", () => certificate(future), "E_IDENTITY", /it is valid from /],
    [
      "of another CA",
      async () => certificate({ ca: await otherCa() }),
      "E_IDENTITY",
      /not issued by this authority/,
    ],
    [
      "that signed itself",
      async () => texts(await selfSigned("edge-1")),
      "E_IDENTITY",
      /certificate of an authority/,
    ],
    [
      "that is for servers only",
      () => certificate({ usages: ["serverAuth"] }),
      "E_IDENTITY",
      /may not be used for clientAuth/,
    ],
    [
      "of a node",
      () => certificate({ subject: { organization: "system:nodes", commonName: "system:node:edge-1" } }),
      "E_IDENTITY",
      /is of node edge-1, not of a controller/,
    ],
    [
      "that names nobody",
      () => certificate({ subject: { commonName: "planner" } }),
      "E_IDENTITY",
      /is of nobody this hub knows/,
    ],
    [
      "of a controller that this hub has not issued",
      () => certificate({}),
      "E_IDENTITY",
      /this hub has not issued this certificate of controller planner/,
    ],
    [
      "of a controller that has been revoked",
      async () => {
        const good = await certified();
        await world.hub.admin.revokeController("planner");
        return good;
      },
      "E_REVOKED",
      /of controller planner has been revoked/,
    ],
    [
      "of a controller that was revoked and created anew",
      async () => {
        const good = await certified();
        await world.hub.admin.revokeController("planner");
        await world.hub.admin.createController("planner", rights);
        return good;
      },
      "E_REVOKED",
      /of controller planner has been revoked/,
    ],
    [
      "of a controller whose time is over",
      async () => {
        const good = await certified();
        await world.hub.admin.createController("planner", rights, 1);
        return good;
      },
      "E_TOKEN_EXPIRED",
      /the time given to controller planner is over/,
    ],
  ];

  it.each(refused)("%s is refused, and dialled with no more", async (_name, make, code, text) => {
    await world.hub.admin.createController("planner", rights);
    const shown = await make();
    await expect(connect(shown)).rejects.toMatchObject({ code, message: expect.stringMatching(text) });
    const metrics = await world.hub.metrics();
    expect(metrics).toContain(`hub_connections_refused_total{port="api",code="${code}"} 1`);
  });

  it("is needed if there is no token", async () => {
    const { url, ca } = JSON.parse(readFileSync(world.hub.adminFile, "utf8")) as { url: string; ca: string };
    await expect(connectHub({ url, ca })).rejects.toMatchObject({ code: "E_BAD_TOKEN" });
  });

  it("does not help somebody with a wrong token", async () => {
    await world.hub.admin.createController("planner", rights);
    await expect(connect(await certified(), { token: "planner.wrong" })).rejects.toMatchObject({
      code: "E_BAD_TOKEN",
    });
  });
});

describe("certifying", () => {
  const rsaKey = generateKeyPairSync("rsa", { modulusLength: 2048 })
    .publicKey.export({ type: "spki", format: "pem" })
    .toString();

  it("is for controllers that exist", async () => {
    const { publicKey } = await keyWithPublicPem();
    await expect(world.hub.admin.issueControllerCertificate("nobody", publicKey)).rejects.toMatchObject({
      code: "E_NOT_FOUND",
      message: expect.stringContaining("hubctl controller create"),
    });
    await world.hub.admin.createController("planner", rights);
    await world.hub.admin.revokeController("planner");
    await expect(world.hub.admin.issueControllerCertificate("planner", publicKey)).rejects.toMatchObject({
      code: "E_REVOKED",
    });
  });

  it("gives so many days", async () => {
    await world.hub.admin.createController("planner", rights);
    const { cert } = await certified("planner", 7);
    const days = (readCertificate(cert).notAfter - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(6.9);
    expect(days).toBeLessThan(7.1);
  });

  it.each([
    ["a key that is none", "no key", 1],
    ["a key of another kind", rsaKey, 1],
    ["no day at all", undefined, 0],
    ["part of a day", undefined, 1.5],
    ["more than a hundred years", undefined, 36_501],
  ])("refuses %s", async (_name, publicKey, days) => {
    await world.hub.admin.createController("planner", rights);
    const key = publicKey ?? (await keyWithPublicPem()).publicKey;
    await expect(world.hub.admin.issueControllerCertificate("planner", key, days)).rejects.toMatchObject({
      code: "E_BAD_MESSAGE",
    });
  });
});
