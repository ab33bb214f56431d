import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { systemClock } from "../../platform/clock.ts";
import {
  type ClientParts,
  connectHub,
  contentOf,
  type Filter,
  type HubClient,
  type Rights,
} from "../../sdk/index.ts";
import { eventually } from "../interop/patience.ts";
import { CountingClock } from "../support/counting-clock.ts";
import { until } from "../support/processes.ts";
import { startWorld, type World } from "../support/world.ts";

/** A controller's connection as it comes, goes, and ends for good. */

const everything: Rights = {
  nodes: ["*"],
  groups: ["*"],
  verbs: ["publish", "subscribe", "request", "read"],
};
let world: World;
beforeEach(async () => {
  world = await startWorld();
  await world.hub.admin.addNode("edge-1");
});

const hubWords = () => JSON.parse(readFileSync(world.hub.adminFile, "utf8")) as { url: string; ca: string };

/** A connected controller; its pauses between dials are short. */
async function connected(rights = everything, parts: ClientParts = {}): Promise<HubClient> {
  const token = await world.hub.admin.createController("shop", rights);
  const { url, ca } = hubWords();
  const client = await connectHub({ url, ca, token }, { random: () => 0.02, ...parts });
  onTestFinished(() => client.close());
  return client;
}

const put = (version: string) => ({
  node: "edge-1",
  resource: "default/configmap/limits",
  operation: "update",
  resourceVersion: version,
  content: { data: 1 },
});
const question = { node: "edge-1", resource: "8080:/health", operation: "GET", group: "user" };
const patience = { timeoutMs: 60_000 };

/** How an iteration over a subscription ends: the error it throws, or "done". */
async function endOf(client: HubClient, filter: Filter, signal?: AbortSignal): Promise<unknown> {
  try {
    for await (const { ack } of client.subscribe(filter, signal ? { signal } : {})) ack();
    return "done";
  } catch (error) {
    return error;
  }
}

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => "fulfilled",
    (error: { code?: unknown }) => error.code,
  );

describe("a controller that is revoked while it is connected", () => {
  it("is told so wherever it waits: publish, until acked, request, subscription", async () => {
    const client = await connected();
    const waiting = [
      codeOf(client.publish(put("1"), { until: "acked" })),
      codeOf(client.request(question, patience)),
      endOf(client, { groups: ["user"] }).then((error) => (error as { code?: unknown }).code),
    ];
    // All of them are with the hub before it happens.
    await eventually(() => world.hub.where({ node: "edge-1" })).toHaveLength(2);
    await world.hub.admin.revokeController("shop");
    expect(await Promise.all(waiting)).toEqual(["E_REVOKED", "E_REVOKED", "E_REVOKED"]);
  });

  it("is told so whatever it tries later", async () => {
    const client = await connected();
    await world.hub.admin.revokeController("shop");
    await until("it is told", () => client.state === "closed");
    expect(
      await Promise.all([
        codeOf(client.publish(put("1"))),
        codeOf(client.publish(put("1"), { until: "acked" })),
        codeOf(client.nodes()),
        codeOf(client.where({ node: "edge-1" })),
        codeOf(client.request(question, patience)),
        endOf(client, {}).then((error) => (error as { code?: unknown }).code),
      ]),
    ).toEqual(Array.from({ length: 6 }, () => "E_REVOKED"));
    expect((await client.publishBatch([put("1")]))[0]).toMatchObject({
      ok: false,
      error: { code: "E_REVOKED" },
    });
  });

  it("says in its states that it is over, dials no more, and can be closed at once", async () => {
    const clock = new CountingClock(systemClock);
    const client = await connected(everything, { clock });
    const states: string[] = [];
    client.onState((state) => states.push(state));
    await world.hub.admin.revokeController("shop");
    await until("it is told", () => client.state === "closed");
    await client.close();
    expect(clock.armed).toBe(0);
    expect(states).toEqual(["connecting", "closed"]);
    expect(await world.hub.metrics()).not.toMatch(/hub_connections_refused_total\{port="api".*\} [1-9]/);
  });

  it("is told so at the next dial if it was away", async () => {
    const client = await connected();
    const { api } = world.hub.ports;
    const asked = codeOf(client.request(question, patience));
    await eventually(() => world.hub.where({ node: "edge-1" })).toHaveLength(1);
    const stopped = await world.stopHub();
    // A question was put to one hub; only a caller knows whether it may be put again.
    expect(await asked).toBe("E_LINK_LOST");
    const waiting = [codeOf(client.publish(put("1"))), codeOf(client.nodes())];
    const listened = endOf(client, {});
    await stopped.start({ api: 0 });
    await world.hub.admin.revokeController("shop");
    await (await world.stopHub()).start({ api });
    expect(await Promise.all(waiting)).toEqual(["E_REVOKED", "E_REVOKED"]);
    expect(await listened).toMatchObject({ code: "E_REVOKED" });
  });
});

describe("a subscription", () => {
  it("that the hub refuses throws the hub's word out of its loop, and costs nothing else", async () => {
    const client = await connected({ ...everything, verbs: ["publish"] });
    expect(await endOf(client, { groups: ["user"] })).toMatchObject({
      code: "E_FORBIDDEN",
      message: expect.stringContaining("subscribe"),
    });
    expect(await client.publish(put("1"))).toMatchObject({ stale: false });
    expect(client.state).toBe("connected");
  });

  it("with a filter that is none throws that", async () => {
    const client = await connected();
    const filter = { groups: "user" } as unknown as Filter;
    expect(await endOf(client, filter)).toMatchObject({ code: "E_BAD_MESSAGE" });
  });

  it("is refused once it is iterated over, however late that is", async () => {
    const client = await connected({ ...everything, verbs: ["publish"] });
    const subscription = client.subscribe({});
    expect(await codeOf(client.nodes())).toBe("E_FORBIDDEN");
    const iterate = async (): Promise<void> => {
      for await (const { ack } of subscription) ack();
    };
    expect(await codeOf(iterate())).toBe("E_FORBIDDEN");
  });

  it("of a client that was closed throws that; one that was there before just ends", async () => {
    const client = await connected();
    const before = endOf(client, {});
    await client.close();
    expect(await before).toBe("done");
    expect(await endOf(client, {})).toMatchObject({ code: "E_CLOSED" });
  });
});

describe("an AbortSignal", () => {
  it("given too late already stops a publish before anything is sent", async () => {
    const client = await connected();
    const signal = AbortSignal.abort();
    expect(await codeOf(client.publish(put("1"), { signal }))).toBe("E_ABORTED");
    await client.close();
    expect(await world.hub.where({ node: "edge-1" })).toEqual([]);
  });

  it("ends waiting for the hub, for the node, for an answer and for messages", async () => {
    const client = await connected();
    const published = await client.publish(put("1"));
    const abort = new AbortController();
    const { signal } = abort;
    const waiting = [
      codeOf(client.acked(published, { signal })),
      codeOf(client.publish(put("2"), { until: "acked", signal })),
      codeOf(client.request(question, { ...patience, signal })),
    ];
    const listened = endOf(client, {}, signal);
    await eventually(() => world.hub.where({ node: "edge-1" })).toHaveLength(3);
    abort.abort();
    expect(await Promise.all(waiting)).toEqual(["E_ABORTED", "E_ABORTED", "E_ABORTED"]);
    expect(await listened).toBe("done");
  });

  it("ends waiting for a connection", async () => {
    const client = await connected();
    const published = await client.publish(put("1"));
    const stopped = await world.stopHub();
    await until("it is away", () => client.state === "connecting");
    const abort = new AbortController();
    const { signal } = abort;
    const waiting = [
      codeOf(client.publish(put("2"), { signal })),
      codeOf(client.acked(published, { signal })),
      codeOf(client.request(question, { ...patience, signal })),
    ];
    abort.abort();
    expect(await Promise.all(waiting)).toEqual(["E_ABORTED", "E_ABORTED", "E_ABORTED"]);
    await stopped.start();
    expect(await client.publish(put("3"))).toMatchObject({ version: "3" });
  });

  it("leaves no listener behind on a signal that lives on", async () => {
    const client = await connected();
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    for (let version = 1; version <= 5; version++) await client.publish(put(String(version)), { signal });
    await codeOf(client.request(question, { timeoutMs: 20, signal }));
    client.subscribe({}, { signal }).close();
    expect(added).toHaveBeenCalled();
    const listenersOf = (spy: typeof added | typeof removed) =>
      new Set(spy.mock.calls.map(([, listener]) => listener));
    expect(listenersOf(removed)).toEqual(listenersOf(added));
  });
});

describe("a hub that is restarted", () => {
  it("is dialled again; subscriptions go on, and what was not acked comes again", async () => {
    const edge = await world.agent("edge-1");
    const client = await connected();
    const say = (content: unknown) =>
      edge.publish({ group: "user", operation: "upload", resource: "t", content });
    const seen: unknown[] = [];
    const listening = (async () => {
      for await (const { message, ack } of client.subscribe({ groups: ["user"] })) {
        const content = contentOf(message);
        seen.push(content);
        // The first time, 2 is left lying: the hub goes away before it is acked.
        if (content !== 2 || seen.filter((one) => one === 2).length > 1) ack();
        if (content === 4) break;
      }
    })();
    for (const content of [1, 2, 3]) await say(content);
    await until("2 and 3 are handed out", () => seen.length === 3);
    expect(edge.status().outbox.messages).toBeGreaterThanOrEqual(1);
    const stopped = await world.stopHub();
    await say(4);
    await stopped.start();
    await listening;
    await until("the outbox is empty", () => edge.status().outbox.messages === 0);
    // What the node has not heard to be acked before the end may come again, 2 must.
    expect([...new Set(seen)]).toEqual([1, 2, 3, 4]);
    expect(seen.slice(3)).toContain(2);
  });

  it("gets what it had not acked again, once", async () => {
    const client = await connected();
    await client.publish(put("1"));
    const stopped = await world.stopHub();
    await until("it is away", () => client.state === "connecting");
    const published = Promise.all(["2", "3", "4"].map((version) => client.publish(put(version))));
    await stopped.start();
    expect((await published).map(({ version, stale }) => [version, stale])).toEqual([
      ["2", false],
      ["3", false],
      ["4", false],
    ]);
    expect(await world.hub.resources({ node: "edge-1" })).toMatchObject([
      { accepted: "4", state: "waiting" },
    ]);
  });
});

describe("connecting", () => {
  it("with a wrong token fails at once and leaves nothing running", async () => {
    const { url, ca } = hubWords();
    const clock = new CountingClock(systemClock);
    const connecting = connectHub({ url, ca, token: "shop.wrong" }, { clock });
    await expect(connecting).rejects.toMatchObject({ code: "E_BAD_TOKEN" });
    expect(clock.armed).toBe(0);
  });

  it("with a token whose time is over fails at once, and says how to get another", async () => {
    const { url, ca } = hubWords();
    const token = await world.hub.admin.createController("shop", everything, 1);
    await expect(connectHub({ url, ca, token })).rejects.toMatchObject({
      code: "E_TOKEN_EXPIRED",
      message: expect.stringContaining("hubctl controller create shop --replace"),
    });
  });

  it("where nobody listens fails in time, with the reason", async () => {
    const stopped = await world.stopHub();
    onTestFinished(() => stopped.start());
    const clock = new CountingClock(systemClock);
    const connecting = connectHub({ url: hubWords().url, token: "x", connectTimeoutMs: 50 }, { clock });
    await expect(connecting).rejects.toMatchObject({ code: "E_TIMEOUT", cause: { code: "E_LINK_LOST" } });
    expect(clock.armed).toBe(0);
  });
});
