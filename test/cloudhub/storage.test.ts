import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it, onTestFinished } from "vitest";
import { type HubOptionsInput, type RunningHub, startHub } from "../../cloudhub/index.ts";
import { silentLogger } from "../../platform/logger.ts";
import { temporaryDirectory } from "../support/processes.ts";
import { hubOptions } from "../support/world.ts";

const dataDirectory = (): string => {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  return join(path, "hub");
};
const start = async (dataDir: string, options: HubOptionsInput = {}): Promise<RunningHub> => {
  const hub = await startHub(hubOptions(dataDir, options), { log: silentLogger });
  onTestFinished(() => hub.close());
  return hub;
};
const put = (name: string, content: unknown = { data: 1 }) => ({
  node: "edge-1",
  resource: `default/configmap/${name}`,
  operation: "update",
  resourceVersion: "1",
  content,
});

/** A hub that has been set up and holds one message; stopped. */
async function usedDirectory(): Promise<string> {
  const dataDir = dataDirectory();
  const hub = await start(dataDir);
  await hub.admin.addNode("edge-1");
  await hub.publish(put("kept"));
  await hub.close();
  return dataDir;
}

describe("a full disk", () => {
  const full = { store: { maxBytes: 400_000 } };

  async function fill(hub: RunningHub): Promise<string[]> {
    await hub.admin.addNode("edge-1");
    const accepted: string[] = [];
    for (let i = 0; i < 200; i++) {
      const [outcome] = await hub.publishBatch([put(`n-${i}`, { data: "x".repeat(5_000) })]);
      if (outcome?.ok) accepted.push(outcome.published.resource);
      else {
        expect(outcome?.error).toMatchObject({ code: "E_STORAGE_FULL", retryable: true });
        return accepted;
      }
    }
    throw new Error("it was never full");
  }

  it("refuses new messages, says why, and still answers questions", async () => {
    const hub = await start(dataDirectory(), full);
    const accepted = await fill(hub);
    await expect(hub.publish(put("one-more", { data: "x".repeat(5_000) }))).rejects.toThrow(
      /hub\.db.*free space/,
    );
    expect(await hub.where({ node: "edge-1", limit: 1_000 })).toHaveLength(accepted.length);
  });

  it("loses nothing that was accepted, and goes on when there is room again", async () => {
    const dataDir = dataDirectory();
    const cramped = await start(dataDir, full);
    const accepted = await fill(cramped);
    await cramped.close();
    const roomy = await start(dataDir);
    const held = await roomy.where({ node: "edge-1", limit: 1_000 });
    expect(held.map((entry) => entry.resource).sort()).toEqual([...accepted].sort());
    expect(await roomy.publish(put("one-more"))).toMatchObject({ stale: false });
  });
});

const hashOf = (path: string): string =>
  existsSync(path) ? createHash("sha256").update(readFileSync(path)).digest("hex") : "missing";

describe("damage", () => {
  /** Starting must fail, name the file, and leave everything as it is. */
  async function refuses(dataDir: string, file: string, text: RegExp): Promise<void> {
    const path = join(dataDir, file);
    const before = hashOf(path);
    const failed = await startHub(hubOptions(dataDir), { log: silentLogger }).then(
      async (hub) => void (await hub.close()),
      (error: unknown) => error,
    );
    expect(failed).toMatchObject({ code: "E_STORE_CORRUPT", message: expect.stringMatching(text) });
    expect((failed as Error).message).toContain(file.split("/")[0]);
    expect(hashOf(path)).toBe(before);
  }

  it("names a database whose beginning is overwritten", async () => {
    const dataDir = await usedDirectory();
    const bytes = readFileSync(join(dataDir, "hub.db"));
    writeFileSync(join(dataDir, "hub.db"), Buffer.concat([Buffer.alloc(100, 0x55), bytes.subarray(100)]));
    await refuses(dataDir, "hub.db", /damaged.*restore it from a backup/);
  });

  it("names a database with a damaged page in it", async () => {
    const dataDir = await usedDirectory();
    const bytes = readFileSync(join(dataDir, "hub.db"));
    bytes.fill(0xaa, 4096 * 2, 4096 * 4);
    writeFileSync(join(dataDir, "hub.db"), bytes);
    await refuses(dataDir, "hub.db", /damaged/);
  });

  it("does not take an empty database for a new one", async () => {
    const dataDir = await usedDirectory();
    truncateSync(join(dataDir, "hub.db"), 0);
    for (const suffix of ["-wal", "-shm"]) rmSync(join(dataDir, `hub.db${suffix}`), { force: true });
    await refuses(dataDir, "hub.db", /empty or missing/);
  });

  it("does not create a database where one is missing", async () => {
    const dataDir = await usedDirectory();
    rmSync(join(dataDir, "hub.db"));
    await refuses(dataDir, "hub.db", /missing.*backup/);
  });

  it("does not use another hub's database", async () => {
    const [dataDir, other] = [await usedDirectory(), await usedDirectory()];
    renameSync(join(other, "hub.db"), join(dataDir, "hub.db"));
    await refuses(dataDir, "hub.db", /not the database that belongs here/);
  });

  it("treats the database of objects like the other one", async () => {
    const [dataDir, other] = [await usedDirectory(), await usedDirectory()];
    renameSync(join(dataDir, "resources.db"), join(dataDir, "kept"));
    await refuses(dataDir, "resources.db", /missing.*backup/);
    renameSync(join(other, "resources.db"), join(dataDir, "resources.db"));
    await refuses(dataDir, "resources.db", /not the database that belongs here/);
    renameSync(join(dataDir, "kept"), join(dataDir, "resources.db"));
    truncateSync(join(dataDir, "resources.db"), 100);
    await refuses(dataDir, "resources.db", /damaged/);
  });

  it("adds a database of objects to a directory that was set up before there was one", async () => {
    const dataDir = await usedDirectory();
    const file = join(dataDir, "set-up.json");
    const { resourcesId, ...older } = JSON.parse(readFileSync(file, "utf8"));
    expect(resourcesId).toBeDefined();
    writeFileSync(file, JSON.stringify(older));
    rmSync(join(dataDir, "resources.db"));
    const hub = await start(dataDir);
    await hub.close();
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({
      ...older,
      resourcesId: expect.any(String),
    });
    rmSync(join(dataDir, "resources.db"));
    await refuses(dataDir, "resources.db", /missing/);
  });

  it("does not use another program's database", async () => {
    const dataDir = await usedDirectory();
    rmSync(join(dataDir, "hub.db"));
    const foreign = new Database(join(dataDir, "hub.db"));
    foreign.exec("CREATE TABLE notes (text)");
    foreign.close();
    await refuses(dataDir, "hub.db", /another program/);
  });

  it("does not run with another CA than the one its nodes trust", async () => {
    const [dataDir, other] = [await usedDirectory(), await usedDirectory()];
    for (const file of ["ca.crt", "ca.key", "server.crt", "server.key"])
      renameSync(join(other, "pki", file), join(dataDir, "pki", file));
    await refuses(dataDir, "pki/ca.crt", /no node would trust it/);
  });

  it("does not complete a directory that was left half set up", async () => {
    const dataDir = await usedDirectory();
    rmSync(join(dataDir, "set-up.json"));
    await refuses(dataDir, "hub.db", /never set up completely/);
  });

  it("does not guess when its own record cannot be read", async () => {
    const dataDir = await usedDirectory();
    writeFileSync(join(dataDir, "set-up.json"), "{");
    await refuses(dataDir, "set-up.json", /cannot be read/);
  });
});

describe("neighbours", () => {
  it("does not share its directory with another hub", async () => {
    const dataDir = dataDirectory();
    await start(dataDir);
    await expect(startHub(hubOptions(dataDir), { log: silentLogger })).rejects.toMatchObject({
      code: "E_STORE_IN_USE",
    });
  });

  it("says which port is taken, and lets go of everything it had opened", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const dataDir = dataDirectory();
    for (const taken of [{ nodes: { port } }, { join: { port } }, { api: { port } }]) {
      const failed = startHub(hubOptions(dataDir, taken), { log: silentLogger });
      await expect(failed).rejects.toMatchObject({
        code: "E_PORT_TAKEN",
        message: expect.stringContaining(String(port)),
      });
    }
    const hub = await start(dataDir);
    expect(hub.ports.nodes).not.toBe(port);
  });

  it("keeps CA, store and admin token from start to start", async () => {
    const dataDir = await usedDirectory();
    const token = readFileSync(join(dataDir, "admin.json"), "utf8").match(/"token": "([^"]+)"/)?.[1];
    const first = await start(dataDir);
    const { ca, storeId } = first;
    await first.close();
    const second = await start(dataDir);
    expect(second.ca).toEqual(ca);
    expect(second.storeId).toBe(storeId);
    expect(readFileSync(join(dataDir, "admin.json"), "utf8")).toContain(token);
  });
});
