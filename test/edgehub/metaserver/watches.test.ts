import { request } from "node:http";
import { createInterface } from "node:readline";
import { describe, expect, it, onTestFinished, test } from "vitest";
import { randomOf, seeds } from "../../support/seeds.ts";
import type { TestAgent } from "../test-agent.ts";
import { until } from "../test-agent.ts";
import { type Client, fromCloud, putConfigMap, startServer, WatchClient } from "./support.ts";

const maps = "/api/v1/namespaces/default/configmaps";

async function remove(agent: TestAgent, name: string, version: number, content?: object): Promise<void> {
  const resource = `default/configmap/${name}`;
  await fromCloud(agent, {
    resource,
    operation: "delete",
    resourceVersion: String(version),
    ...(content ? { content } : {}),
  });
}

async function told(watch: WatchClient, count: number): Promise<string[]> {
  await until(`${count} events`, () => watch.events.length >= count);
  return watch.told;
}

describe("a watch", () => {
  it("tells what is there, then what changes", async () => {
    const { agent, client } = await startServer();
    await putConfigMap(agent, "b", 1);
    await putConfigMap(agent, "a", 2);
    await putConfigMap(agent, "elsewhere", 3, { namespace: "other" });
    const watch = await client.watch(`${maps}?watch=true`);
    await told(watch, 2);
    await putConfigMap(agent, "a", 4, { operation: "update" });
    await putConfigMap(agent, "elsewhere", 5, { namespace: "other", operation: "update" });
    await remove(agent, "b", 6);
    await putConfigMap(agent, "b", 7);
    expect(await told(watch, 5)).toEqual([
      "ADDED a 2",
      "ADDED b 1",
      "MODIFIED a 4",
      "DELETED b 6",
      "ADDED b 7",
    ]);
    expect(watch.events[3]?.object).toMatchObject({
      kind: "ConfigMap",
      apiVersion: "v1",
      metadata: { namespace: "default" },
    });
  });

  it("gives the last state of what was deleted, if the cloud sent it", async () => {
    const { agent, client } = await startServer();
    await putConfigMap(agent, "a", 1);
    const watch = await client.watch(`${maps}?watch=true`);
    await told(watch, 1);
    const last = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "a", namespace: "default", uid: "u" },
      data: { x: "y" },
    };
    await remove(agent, "a", 2, last);
    await told(watch, 2);
    expect(watch.events[1]?.object).toMatchObject({ data: { x: "y" }, metadata: { uid: "u" } });
  });

  it("goes on from a list without a gap and without a double", async () => {
    const { agent, client } = await startServer();
    await putConfigMap(agent, "a", 10);
    await putConfigMap(agent, "b", 11);
    await putConfigMap(agent, "c", 12);
    const { body } = await client.get(maps);
    await putConfigMap(agent, "a", 13, { operation: "update" });
    await remove(agent, "b", 14);
    // Older than what the list had seen, and yet new to this node.
    await putConfigMap(agent, "late", 5);
    const watch = await client.watch(`${maps}?watch=1&resourceVersion=${body.metadata.resourceVersion}`);
    await putConfigMap(agent, "d", 15);
    expect(await told(watch, 4)).toEqual(["MODIFIED a 13", "DELETED b 14", "ADDED late 5", "ADDED d 15"]);
  });

  it("goes on from the version of an object that an earlier watch told of", async () => {
    const { agent, client } = await startServer();
    const first = await client.watch(`${maps}?watch=1`);
    await putConfigMap(agent, "a", 10);
    await putConfigMap(agent, "b", 9);
    await told(first, 2);
    first.close();
    await putConfigMap(agent, "c", 8);
    const second = await client.watch(`${maps}?watch=1&resourceVersion=9`);
    expect(await told(second, 1)).toEqual(["ADDED c 8"]);
  });

  it("is told nothing of other namespaces when it goes on", async () => {
    const { agent, client } = await startServer();
    await putConfigMap(agent, "a", 1);
    await putConfigMap(agent, "x", 2, { namespace: "other" });
    const { body } = await client.get(maps);
    const draft = { resource: "other/configmap/x", operation: "delete", resourceVersion: "3" };
    await fromCloud(agent, draft);
    await putConfigMap(agent, "a", 4, { operation: "update" });
    const watch = await client.watch(`${maps}?watch=1&resourceVersion=${body.metadata.resourceVersion}`);
    expect(await told(watch, 1)).toEqual(["MODIFIED a 4"]);
  });

  it("tells when an object begins and ceases to match", async () => {
    const { agent, client } = await startServer();
    await putConfigMap(agent, "a", 1, { labels: { app: "x" } });
    const watch = await client.watch(`${maps}?watch=1&labelSelector=app%3Dx`);
    await putConfigMap(agent, "b", 2, { labels: { app: "y" } });
    await putConfigMap(agent, "a", 3, { labels: { app: "y" }, operation: "update" });
    await putConfigMap(agent, "b", 4, { labels: { app: "x" }, operation: "update" });
    expect(await told(watch, 3)).toEqual(["ADDED a 1", "DELETED a 3", "ADDED b 4"]);
  });

  it("may be of one object", async () => {
    const { agent, client } = await startServer();
    await putConfigMap(agent, "a", 1);
    await putConfigMap(agent, "b", 2);
    const watch = await client.watch(`${maps}/b?watch=1`);
    await putConfigMap(agent, "a", 3, { operation: "update" });
    await putConfigMap(agent, "b", 4, { operation: "update" });
    expect(await told(watch, 2)).toEqual(["ADDED b 2", "MODIFIED b 4"]);
  });

  it("sends bookmarks on request, and says where the initial objects end", async () => {
    const { agent, client } = await startServer();
    await putConfigMap(agent, "a", 1);
    const words = "watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    const watch = await client.watch(`${maps}?${words}`);
    await told(watch, 2);
    const [, initial] = watch.events;
    expect(initial?.type).toBe("BOOKMARK");
    expect(initial?.object.metadata.annotations).toEqual({ "k8s.io/initial-events-end": "true" });
    await putConfigMap(agent, "b", 2);
    await told(watch, 3);
    await agent.clock.advance(60_000);
    await told(watch, 4);
    const { type, object } = watch.events[3] as {
      type: string;
      object: { metadata: { resourceVersion: string } };
    };
    expect(type).toBe("BOOKMARK");
    await putConfigMap(agent, "c", 3);
    const next = await client.watch(`${maps}?watch=1&resourceVersion=${object.metadata.resourceVersion}`);
    expect(await told(next, 1)).toEqual(["ADDED c 3"]);
  });

  it("shows rows of a table to kubectl", async () => {
    const { agent, client } = await startServer();
    await putConfigMap(agent, "a", 1);
    const watch = await client.watch(`${maps}?watch=1`, {
      accept: "application/json;as=Table;v=v1;g=meta.k8s.io",
    });
    await told(watch, 1);
    expect(watch.events[0]).toMatchObject({
      type: "ADDED",
      object: { kind: "Table", rows: [{ cells: ["a", 1, "<unknown>"] }] },
    });
  });

  it("ends after the time its client gives it", async () => {
    const { agent, client, server } = await startServer();
    const watch = await client.watch(`${maps}?watch=1&timeoutSeconds=5`);
    await agent.clock.advance(4_999);
    expect(watch.ended).toBe(false);
    await agent.clock.advance(1);
    await until("its end", () => watch.ended && server.watches === 0);
    expect(watch.events).toEqual([]);
  });

  it("does not end when the link goes and comes", async () => {
    const { agent, client, server } = await startServer();
    const watch = await client.watch(`${maps}?watch=1`);
    for (const connected of [true, false, true]) {
      agent.connected = connected;
      server.connection(connected);
    }
    await putConfigMap(agent, "a", 1);
    expect(await told(watch, 1)).toEqual(["ADDED a 1"]);
  });

  it("is forgotten when its client has gone", async () => {
    const { client, server } = await startServer();
    const watch = await client.watch(`${maps}?watch=1`);
    expect(server.watches).toBe(1);
    watch.close();
    await until("its end", () => server.watches === 0);
  });
});

describe("too much", () => {
  it("of watches is refused, and leaves room again", async () => {
    const { client, server } = await startServer({ maxWatches: 2 });
    const watch = await client.watch(`${maps}?watch=1`);
    await client.watch(`${maps}?watch=1`);
    const refused = await client.get(`${maps}?watch=1`);
    expect(refused).toMatchObject({ status: 429, body: { kind: "Status", reason: "TooManyRequests" } });
    expect(refused.headers["retry-after"]).toBe("1");
    watch.close();
    await until("room", () => server.watches === 1);
    await client.watch(`${maps}?watch=1`);
  });

  /** A client that opens a watch and reads nothing until it is told to. */
  async function stalledWatch(client: Client): Promise<() => WatchClient> {
    return await new Promise((resolve) => {
      const at = { host: "127.0.0.1", port: client.port, path: `${maps}?watch=1`, agent: false };
      const sent = request(at, (response) =>
        resolve(() => new WatchClient(createInterface(response), () => sent.destroy())),
      ).end();
      onTestFinished(() => void sent.destroy());
    });
  }

  async function putLarge(agent: TestAgent, name: string, version: number): Promise<void> {
    const content = { metadata: { name }, data: { x: "x".repeat(400_000) } };
    await fromCloud(agent, {
      resource: `default/configmap/${name}`,
      resourceVersion: String(version),
      content,
    });
  }

  it("for a slow client becomes the newest state of each object", async () => {
    const { agent, client } = await startServer();
    const read = await stalledWatch(client);
    for (let version = 1; version <= 100; version++) await putLarge(agent, `big-${version % 5}`, version);
    const watch = read();
    const newest = (): string[] => watch.told.map((line) => line.slice(line.indexOf(" ") + 1));
    await until("the newest states", () =>
      [96, 97, 98, 99, 100].every((version) => newest().includes(`big-${version % 5} ${version}`)),
    );
    expect(watch.events.length).toBeLessThan(80);
    expect(new Set(newest()).size).toBe(watch.events.length);
  });

  it("for a client that reads nothing ends its watch with a status", async () => {
    const { agent, client, server } = await startServer({ watchStallMs: 1_000 });
    const read = await stalledWatch(client);
    for (let version = 1; version <= 60; version++) await putLarge(agent, `big-${version}`, version);
    await agent.clock.advance(1_000);
    const watch = read();
    await until("its end", () => watch.ended && server.watches === 0);
    expect(watch.events.length).toBeLessThan(60);
    expect(watch.events.at(-1)).toMatchObject({
      type: "ERROR",
      object: { kind: "Status", code: 410, reason: "Expired" },
    });
  });

  it("of deleted objects for a slow client ends its watch with a status", async () => {
    const { agent, client } = await startServer({ watchBytes: 100_000 });
    const read = await stalledWatch(client);
    for (let version = 1; version <= 60; version++) await putLarge(agent, `big-${version}`, version);
    for (let i = 1; i <= 60; i++)
      await remove(agent, `big-${i}`, 100 + i, { metadata: { name: `big-${i}` }, x: "x".repeat(10_000) });
    const watch = read();
    await until("its end", () => watch.ended);
    expect(watch.events.at(-1)).toMatchObject({ type: "ERROR", object: { code: 410 } });
  });
});

describe("clients that list, watch, lose their watch and go on", () => {
  test.each(seeds(15))("end with the objects of the store, none told twice, seed %i", async (seed) => {
    const random = randomOf(seed);
    const { agent, client } = await startServer();
    const followers = Array.from({ length: 3 }, () => new Follower(client));
    let version = 0;
    for (let step = 0; step < 60; step++) {
      const name = `m${Math.floor(random() * 6)}`;
      version++;
      if (random() < 0.3) await remove(agent, name, version);
      else await putConfigMap(agent, name, version, { operation: random() < 0.5 ? "insert" : "update" });
      for (const follower of followers) if (random() < 0.2) await follower.act(random());
    }
    for (const follower of followers) await follower.follow();
    const wanted = agent.store.meta.list("configmap").map(({ name, version: at }) => `${name} ${at}`);
    for (const follower of followers)
      await until(`the same objects, seed ${seed}`, () => follower.objects().join() === wanted.join());
  });
});

/** A client as Kubernetes' libraries are: it lists once, then watches from the last version it was told. */
class Follower {
  readonly #client: Client;
  #objects = new Map<string, string>();
  #version: string | undefined;
  #watch: WatchClient | undefined;
  #read = 0;

  constructor(client: Client) {
    this.#client = client;
  }

  async act(dice: number): Promise<void> {
    if (this.#watch === undefined) return await this.follow();
    if (dice < 0.5) return;
    this.#take();
    this.#watch.close();
    this.#watch = undefined;
    this.#read = 0;
  }

  async follow(): Promise<void> {
    if (this.#version === undefined) {
      const { body } = await this.#client.get(maps);
      this.#version = body.metadata.resourceVersion;
      for (const { metadata } of body.items) this.#objects.set(metadata.name, metadata.resourceVersion);
    }
    this.#watch ??= await this.#client.watch(`${maps}?watch=1&resourceVersion=${this.#version}`);
  }

  objects(): string[] {
    this.#take();
    return [...this.#objects].map(([name, version]) => `${name} ${version}`).sort();
  }

  #take(): void {
    for (const { type, object } of this.#watch?.events.slice(this.#read) ?? []) {
      this.#read++;
      const { name, resourceVersion } = object.metadata;
      if (this.#objects.get(name) === resourceVersion)
        throw new Error(`told twice: ${name} ${resourceVersion}`);
      this.#version = resourceVersion;
      if (type === "DELETED") this.#objects.delete(name);
      else this.#objects.set(name, resourceVersion);
    }
  }
}
