import { existsSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type EdgeOptionsInput, startEdge } from "../../edgehub/index.ts";
import { silentLogger } from "../../platform/logger.ts";
import { openEdgeStore } from "../support/edge-store.ts";
import { until } from "../support/processes.ts";
import { startWorld, type World } from "../support/world.ts";

const put = (name: string, content: unknown = { data: 1 }) => ({
  node: "edge-1",
  resource: `default/configmap/${name}`,
  operation: "update",
  resourceVersion: "1",
  content,
});

describe("a full disk at the edge", () => {
  it("nacks what it cannot store, loses nothing, and catches up when there is room", async () => {
    const world = await startWorld();
    const cramped = await world.agent("edge-1", { store: { maxBytes: 200_000 } });
    await until("it is connected", () => cramped.status().dialect === "native");
    const drafts = Array.from({ length: 60 }, (_, i) => put(`n-${i}`, { data: "x".repeat(5_000) }));
    expect((await world.hub.publishBatch(drafts)).every((outcome) => outcome.ok)).toBe(true);
    await until("it is full", async () =>
      (await world.hub.metrics()).includes('hub_faults_total{code="E_STORAGE_FULL"}'),
    );
    const stored = cramped.status().resources;
    expect(stored).toBeGreaterThan(0);
    expect(stored).toBeLessThan(60);
    const acked = (await world.hub.resources({ node: "edge-1" })).filter((one) => one.state === "current");
    expect(acked.length).toBeLessThanOrEqual(stored);
    await cramped.close();
    const roomy = await world.agent("edge-1");
    await until("all have arrived", () => roomy.status().resources === 60);
  });
});

describe("a full disk at the edge, upward", () => {
  it("refuses what applications send, keeps what it took, and goes on when the cloud has taken that", async () => {
    const world = await startWorld();
    const edge = await world.agent("edge-1", { store: { maxBytes: 400_000 } });
    const content = "x".repeat(5_000);
    const up = (id: string) =>
      edge.publish({ id, group: "user", operation: "upload", resource: "t", content });
    const accepted: string[] = [];
    let refusal: unknown;
    while (refusal === undefined && accepted.length < 200) {
      const id = `event-${accepted.length + 1}`;
      await up(id).then(
        () => accepted.push(id),
        (error: unknown) => {
          refusal = error;
        },
      );
    }
    expect(refusal).toMatchObject({ code: "E_STORAGE_FULL", retryable: true });
    expect(edge.status().outbox.messages).toBe(accepted.length);
    const taken: string[] = [];
    for await (const { message, ack } of world.hub.subscribe({ groups: ["user"] })) {
      taken.push(message.id);
      ack();
      if (taken.length === accepted.length) break;
    }
    expect(taken).toEqual(accepted);
    await until("the outbox is empty", () => edge.status().outbox.messages === 0);
    await up("one-more");
    expect(edge.status().outbox.messages).toBe(1);
  });
});

describe("damage at the edge", () => {
  async function used(): Promise<{ world: World; dataDir: string; again(): Promise<unknown> }> {
    const world = await startWorld();
    const edge = await world.agent("edge-1");
    await until("it is connected", () => edge.status().dialect === "native");
    await edge.close();
    const dataDir = join(world.directory, "edge-1");
    const options: EdgeOptionsInput = { node: "edge-1", dataDir, eventBus: { enable: false } };
    const again = () =>
      startEdge(options, { log: silentLogger }).then(
        (started) => started.close(),
        (error: unknown) => error,
      );
    return { world, dataDir, again };
  }

  it("names a damaged database and changes nothing", async () => {
    const { dataDir, again } = await used();
    const file = join(dataDir, "edge.db");
    const garbage = Buffer.alloc(8_192, 0x55);
    writeFileSync(file, garbage);
    expect(await again()).toMatchObject({ code: "E_STORE_CORRUPT", message: expect.stringContaining(file) });
    expect(readFileSync(file)).toEqual(garbage);
  });

  it("does not take an empty database for a new one: its outbox would be lost unseen", async () => {
    const { dataDir, again } = await used();
    truncateSync(join(dataDir, "edge.db"), 0);
    for (const suffix of ["-wal", "-shm"]) rmSync(join(dataDir, `edge.db${suffix}`), { force: true });
    expect(await again()).toMatchObject({
      code: "E_STORE_CORRUPT",
      message: expect.stringContaining("empty or missing"),
    });
  });

  it("does not create a database where one is missing", async () => {
    const { dataDir, again } = await used();
    rmSync(join(dataDir, "edge.db"));
    expect(await again()).toMatchObject({
      code: "E_STORE_CORRUPT",
      message: expect.stringContaining("is missing"),
    });
    expect(existsSync(join(dataDir, "edge.db"))).toBe(false);
  });

  it("goes on with a first start that was interrupted before its directory was recorded as set up", async () => {
    const world = await startWorld();
    const dataDir = join(world.directory, "edge-1");
    mkdirSync(dataDir);
    openEdgeStore({ file: join(dataDir, "edge.db") }).store.close();
    const edge = await world.agent("edge-1");
    await until("it has joined", () => edge.status().joined);
    expect(existsSync(join(dataDir, "set-up.json"))).toBe(true);
  });

  it("does not guess when the record of a directory in use is lost", async () => {
    const { dataDir, again } = await used();
    rmSync(join(dataDir, "set-up.json"));
    expect(await again()).toMatchObject({
      code: "E_STORE_CORRUPT",
      message: expect.stringContaining("never set up completely"),
    });
  });

  it("keeps key and certificate to itself", async () => {
    const { dataDir } = await used();
    expect(statSync(join(dataDir, "identity.pem")).mode & 0o777).toBe(0o600);
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
  });

  it("refuses to run as a node it did not join as", async () => {
    const { dataDir } = await used();
    await expect(startEdge({ node: "edge-2", dataDir }, { log: silentLogger })).rejects.toMatchObject({
      code: "E_BAD_OPTION",
      message: expect.stringContaining("belongs to node edge-1"),
    });
  });

  it("does not share its directory with another agent", async () => {
    const world = await startWorld();
    await world.agent("edge-1");
    await expect(world.agent("edge-1")).rejects.toMatchObject({ code: "E_STORE_IN_USE" });
  });

  it("starts offline with what it has, and takes messages for later", async () => {
    const { dataDir } = await used();
    const edge = await startEdge(
      {
        node: "edge-1",
        dataDir,
        hub: { server: "wss://127.0.0.1:1" },
        eventBus: { enable: false },
      },
      { log: silentLogger },
    );
    await edge.publish({
      source: "bus",
      group: "user",
      operation: "upload",
      resource: "sensors/t",
      content: 1,
    });
    expect(edge.status()).toMatchObject({ joined: true, dialect: undefined, outbox: { messages: 1 } });
    await edge.close();
  });

  it("says how to join when it has neither identity nor token", async () => {
    const { world } = await used();
    await expect(
      startEdge({ node: "edge-9", dataDir: join(world.directory, "edge-9") }, { log: silentLogger }),
    ).rejects.toMatchObject({
      code: "E_BAD_OPTION",
      message: expect.stringContaining("hubctl token create"),
    });
  });
});
