import { request } from "node:http";
import { describe, expect, it, test } from "vitest";
import { contentOf, createMessage, HubError, type Message, volatile } from "../../../protocol/index.ts";
import { type TestAgent, until } from "../test-agent.ts";
import { configMap, fromCloud, putConfigMap, startServer } from "./support.ts";

const maps = "/api/v1/namespaces/default/configmaps";

interface Asked {
  readonly ID: string;
  readonly Key: string;
  readonly Verb: string;
  readonly Option: string;
  readonly ReqBody: string | null;
}

const asked = (message: Message | undefined): Asked => contentOf(message as Message) as Asked;

function answerTo(question: Message, more: object): Message {
  const content = { ...asked(question), Status: "Approved", ...more };
  const draft = { node: "edge-1", source: "dynamiccontroller", operation: "applicationResponse", content };
  return createMessage(
    { ...draft, resource: "ignore/Application/ignore", parentId: question.id, delivery: volatile },
    { id: crypto.randomUUID(), timestamp: 0, delivery: () => volatile },
  );
}

const approved = (question: Message, value: unknown): Message =>
  answerTo(question, { RespBody: Buffer.from(JSON.stringify(value)).toString("base64") });

/** MetaServer with the link up. */
async function connected(cloud: (question: Message) => Promise<Message>) {
  const started = await startServer();
  started.agent.connected = true;
  started.agent.cloud = cloud;
  return started;
}

function syncs(agent: TestAgent): string[][] {
  return agent.asked
    .filter(({ resource }) => resource.path === "watchapp/sync")
    .map((message) => Object.values(contentOf(message) as Record<string, Asked>).map(({ Key }) => Key));
}

describe("with a cloud that answers", () => {
  it("objects are the cloud's", async () => {
    const { agent, client } = await connected(async (question) => approved(question, configMap("a", 9)));
    await putConfigMap(agent, "a", 1);
    expect((await client.get(`${maps}/a`)).body).toEqual(configMap("a", 9));
    expect(agent.asked[0]).toMatchObject({
      source: "metaserver",
      group: "dynamiccontroller",
      operation: "null",
      resource: { path: "null" },
    });
    expect(asked(agent.asked[0])).toMatchObject({ Key: "/core/v1/configmaps/default/a", Verb: "get" });
  });

  it("an object that the cloud gave is there when it is gone, until the cloud says that it is not", async () => {
    const { agent, client } = await connected(async (question) => approved(question, configMap("a", 9)));
    await client.get(`${maps}/a`);
    agent.connected = false;
    expect((await client.get(`${maps}/a`)).body).toEqual(configMap("a", 9));
    expect((await client.get(maps)).body.items).toEqual([]);
    agent.connected = true;
    const ErrStatus = { status: "Failure", reason: "NotFound", code: 404, message: "no" };
    agent.cloud = async (question) => answerTo(question, { Status: "Rejected", Error: { ErrStatus } });
    expect((await client.get(`${maps}/a`)).status).toBe(404);
    agent.connected = false;
    expect((await client.get(`${maps}/a`)).status).toBe(404);
  });

  it("a watch goes on from the cloud's list", async () => {
    const list = {
      kind: "ConfigMapList",
      apiVersion: "v1",
      metadata: { resourceVersion: "20" },
      items: [configMap("a", 9)],
    };
    const { agent, client } = await connected(async (question) => approved(question, list));
    expect((await client.get(maps)).body).toEqual(list);
    const watch = await client.watch(`${maps}?watch=1&resourceVersion=20`);
    await putConfigMap(agent, "a", 9);
    await putConfigMap(agent, "a", 21, { operation: "update" });
    await putConfigMap(agent, "b", 22);
    await until("two events", () => watch.events.length >= 2);
    expect(watch.told).toEqual(["MODIFIED a 21", "ADDED b 22"]);
  });

  it("a watch goes on from the first page of the cloud's list", async () => {
    const page = (name: string) => ({
      kind: "ConfigMapList",
      apiVersion: "v1",
      metadata: { resourceVersion: "20", continue: "more" },
      items: [configMap(name, 9)],
    });
    const { agent, client } = await connected(async (question) => approved(question, page("a")));
    await client.get(`${maps}?limit=1`);
    await putConfigMap(agent, "between", 21);
    await client.get(`${maps}?limit=1&continue=more`);
    const watch = await client.watch(`${maps}?watch=1&resourceVersion=20`);
    await until("an event", () => watch.events.length >= 1);
    expect(watch.told).toEqual(["ADDED between 21"]);
  });

  it("a watch tells of what was in the cloud's list and is deleted since", async () => {
    const list = {
      kind: "ConfigMapList",
      apiVersion: "v1",
      metadata: { resourceVersion: "20" },
      items: [configMap("a", 9)],
    };
    const { agent, client } = await connected(async (question) => approved(question, list));
    await client.get(maps);
    await putConfigMap(agent, "a", 9);
    const draft = { resource: "default/configmap/a", operation: "delete", resourceVersion: "21" };
    await fromCloud(agent, draft);
    const watch = await client.watch(`${maps}?watch=1&resourceVersion=20`);
    await until("an event", () => watch.events.length >= 1);
    expect(watch.told).toEqual(["DELETED a 21"]);
  });

  it("what it does not have is looked for on this node", async () => {
    const ErrStatus = { status: "Failure", reason: "NotFound", code: 404, message: "no" };
    const { agent, client } = await connected(async (question) =>
      answerTo(question, { Status: "Rejected", Error: { ErrStatus } }),
    );
    await putConfigMap(agent, "a", 1);
    expect((await client.get(`${maps}/a`)).body).toEqual(configMap("a", 1));
    expect(await client.get(`${maps}/b`)).toMatchObject({
      status: 404,
      body: { kind: "Status", message: "no" },
    });
  });

  test.each([
    ["POST", maps, "application/json", "create", 201],
    ["PUT", `${maps}/a`, "application/json", "update", 200],
    ["PUT", `${maps}/a/status`, "application/json", "updatestatus", 200],
    ["PATCH", `${maps}/a`, "application/merge-patch+json", "patch", 200],
  ])("%s %s is passed to it", async (method, path, type, verb, code) => {
    const { agent, client } = await connected(async (question) => approved(question, configMap("a", 30)));
    const body = JSON.stringify(configMap("a", 1));
    const answer = await client.send(method, path, body, { "content-type": type });
    expect(answer).toMatchObject({ status: code, body: configMap("a", 30) });
    const sent = asked(agent.asked[0]);
    expect(sent.Verb).toBe(verb);
    const carried = verb === "patch" ? JSON.parse(decoded(sent.Option)).Data : sent.ReqBody;
    expect(decoded(carried)).toBe(body);
  });

  it("DELETE is passed to it with its options", async () => {
    const { agent, client } = await connected(async (question) => answerTo(question, {}));
    const options = { propagationPolicy: "Background", preconditions: { uid: "u" } };
    const { body } = await client.send("DELETE", `${maps}/a`, JSON.stringify(options));
    expect(body).toMatchObject({
      kind: "Status",
      status: "Success",
      details: { name: "a", kind: "configmaps" },
    });
    const { Option } = asked(agent.asked[0]);
    expect(JSON.parse(decoded(Option))).toEqual({
      ...options,
      kind: "DeleteOptions",
      apiVersion: "meta.k8s.io/v1",
    });
  });

  it("a refusal of it reaches the client as it is", async () => {
    const ErrStatus = { status: "Failure", reason: "Conflict", code: 409, message: "changed meanwhile" };
    const { client } = await connected(async (question) =>
      answerTo(question, { Status: "Rejected", Error: { ErrStatus } }),
    );
    const answer = await client.send("PUT", `${maps}/a`, JSON.stringify(configMap("a", 1)));
    expect(answer).toMatchObject({ status: 409, body: { kind: "Status", reason: "Conflict" } });
  });
});

describe("deleting a collection", () => {
  /** A cloud with these objects on pages of two, which notes what it is asked. */
  const cloudWith = (names: string[], refuse?: { name: string; code: number }) => {
    const told: string[] = [];
    const cloud = async (question: Message): Promise<Message> => {
      const { Key, Verb, Option } = asked(question);
      const option = JSON.parse(decoded(Option));
      told.push(`${Verb} ${Key} ${option.continue ?? option.preconditions?.uid ?? ""}`.trim());
      if (refuse && Key.endsWith(`/${refuse.name}`))
        return answerTo(question, {
          Status: "Rejected",
          Error: { ErrStatus: { code: refuse.code, message: "no" } },
        });
      if (Verb !== "list") return answerTo(question, {});
      const from = Number(option.continue ?? 0);
      const items = names.slice(from, from + 2).map((name) => {
        const object = configMap(name, 1);
        return { ...object, metadata: { ...object.metadata, uid: `uid-${name}` } };
      });
      const metadata = {
        resourceVersion: "9",
        ...(from + 2 < names.length ? { continue: String(from + 2) } : {}),
      };
      return approved(question, { kind: "ConfigMapList", apiVersion: "v1", metadata, items });
    };
    return { told, cloud };
  };

  it("deletes the cloud's objects one by one, each only if it is still the same", async () => {
    const { told, cloud } = cloudWith(["a", "b", "c"]);
    const { client } = await connected(cloud);
    const answer = await client.send("DELETE", `${maps}?labelSelector=app%3Dx`);
    expect(answer).toMatchObject({ status: 200, body: { kind: "Status", status: "Success" } });
    expect(told).toEqual([
      "list /core/v1/configmaps/default/null",
      "delete /core/v1/configmaps/default/a uid-a",
      "delete /core/v1/configmaps/default/b uid-b",
      "list /core/v1/configmaps/default/null 2",
      "delete /core/v1/configmaps/default/c uid-c",
    ]);
  });

  test.each([
    [404, 200, 3],
    [403, 403, 2],
  ])("goes on where an object has gone, and ends at a refusal: %i", async (code, status, questions) => {
    const { told, cloud } = cloudWith(["a", "b"], { name: "a", code });
    const { client } = await connected(cloud);
    expect((await client.send("DELETE", maps)).status).toBe(status);
    expect(told).toHaveLength(questions);
  });

  it("needs a namespace, and a link", async () => {
    const { client, agent } = await connected(cloudWith([]).cloud);
    expect((await client.send("DELETE", "/api/v1/configmaps")).status).toBe(405);
    agent.connected = false;
    expect((await client.send("DELETE", maps)).status).toBe(503);
  });
});

describe("with a cloud that does not answer", () => {
  it("what this node has is shown after a second, and at once as soon as it is known to be silent", async () => {
    const { agent, client } = await connected(() => new Promise(() => {}));
    await putConfigMap(agent, "a", 1);
    const first = [client.get(`${maps}/a`), client.get(maps)];
    await until("the questions", () => agent.asked.length === 2);
    await agent.clock.advance(1_000);
    const [object, list] = await Promise.all(first);
    expect(object?.body).toEqual(configMap("a", 1));
    expect(list?.body.items).toHaveLength(1);
    await agent.clock.advance(9_000);
    expect((await client.get(`${maps}/a`)).body).toEqual(configMap("a", 1));
    expect(agent.asked).toHaveLength(2);
  });

  it("what this node does not have is waited for, once", async () => {
    const { agent, client } = await connected(() => new Promise(() => {}));
    const first = client.get(`${maps}/a`);
    await until("the question", () => agent.asked.length === 1);
    await agent.clock.advance(9_999);
    const second = client.get(`${maps}/b`);
    await until("the second question", () => agent.asked.length === 2);
    await agent.clock.advance(1);
    expect([await first, await second].map(({ status }) => status)).toEqual([404, 404]);
  });

  it("nobody waits for a link that has gone", async () => {
    const { agent, client, server } = await connected(() => new Promise(() => {}));
    const read = client.get(`${maps}/a`);
    await until("the question", () => agent.asked.length === 1);
    agent.connected = false;
    server.connection(false);
    expect((await read).status).toBe(404);
  });

  it("that is known at once from a hub where nobody takes such questions, and looked at again soon", async () => {
    const nobody = new HubError("E_NO_CONSUMER", "nobody takes this", { retryable: true });
    const { agent, client } = await connected(() => Promise.reject(nobody));
    expect((await client.get(`${maps}/a`)).status).toBe(404);
    expect((await client.get(maps)).body.items).toEqual([]);
    expect(agent.asked).toHaveLength(1);
    const write = await client.send("POST", maps, JSON.stringify(configMap("a", 1)));
    expect(write).toMatchObject({ status: 503, body: { reason: "ServiceUnavailable" } });
    agent.cloud = async (question) => approved(question, configMap("a", 9));
    await agent.clock.advance(5_000);
    await client.get(`${maps}/a`);
    expect((await client.get(`${maps}/a`)).body).toEqual(configMap("a", 9));
  });

  it("it is tried again after a while, and no client waits for that", async () => {
    const { agent, client } = await connected(() => Promise.reject(new HubError("E_TIMEOUT", "silence")));
    await putConfigMap(agent, "a", 1);
    await client.get(`${maps}/a`);
    await client.watch(`${maps}?watch=1`);
    agent.cloud = async (question) => approved(question, configMap("a", 9));
    await agent.clock.advance(60_000);
    expect((await client.get(`${maps}/a`)).body).toEqual(configMap("a", 1));
    expect((await client.get(`${maps}/a`)).body).toEqual(configMap("a", 9));
    await until("the sync", () => syncs(agent).length === 1);
    expect(syncs(agent)).toEqual([["/core/v1/configmaps/default/null"]]);
  });

  it("a new link is tried again", async () => {
    const { agent, client, server } = await connected(() =>
      Promise.reject(new HubError("E_TIMEOUT", "silence")),
    );
    const reads = () => agent.asked.filter(({ resource }) => resource.path === "null");
    await client.get(maps);
    await client.get(maps);
    expect(reads()).toHaveLength(1);
    server.connection(true);
    await client.get(maps);
    expect(reads()).toHaveLength(2);
    expect(agent.log.lines.filter(({ event }) => event.includes("without the cloud"))).toHaveLength(1);
  });

  it("a write fails with a status", async () => {
    const { agent, client } = await connected(() => new Promise(() => {}));
    const answer = client.send("POST", maps, JSON.stringify(configMap("a", 1)));
    await until("the question", () => agent.asked.length === 1);
    await agent.clock.advance(10_000);
    expect(await answer).toMatchObject({ status: 504, body: { kind: "Status", reason: "Timeout" } });
  });

  it("a question is given up when its client leaves", async () => {
    const { agent, client } = await connected(() => new Promise(() => {}));
    let signal: AbortSignal | undefined;
    agent.cloud = (_, given) => {
      signal = given;
      return new Promise(() => {});
    };
    const sent = request({ host: "127.0.0.1", port: client.port, path: `${maps}/a`, agent: false });
    sent.on("error", () => undefined).end();
    await until("the question", () => agent.asked.length === 1);
    sent.destroy();
    await until("its end", () => signal?.aborted === true);
    expect(agent.log.lines.map(({ event }) => event)).toEqual(["MetaServer listens"]);
  });
});

describe("watches", () => {
  it("are registered once with the cloud, and taken back with the last one", async () => {
    const { agent, client, server } = await connected(async (question) => answerTo(question, {}));
    const first = await client.watch(`${maps}?watch=1`);
    const second = await client.watch(`${maps}?watch=1`);
    const other = await client.watch("/api/v1/pods?watch=1&labelSelector=app%3Dx");
    await until("the registrations", () => agent.asked.length === 2);
    expect(agent.asked.map((message) => [asked(message).Key, decoded(asked(message).Option)])).toEqual([
      ["/core/v1/configmaps/default/null", '{"watch":true}'],
      ["/core/v1/pods/null/null", '{"labelSelector":"app=x","watch":true}'],
    ]);
    first.close();
    await until("its end", () => server.watches === 2);
    expect(syncs(agent)).toEqual([]);
    second.close();
    await until("the sync", () => syncs(agent).length === 1);
    expect(syncs(agent)).toEqual([["/core/v1/pods/null/null"]]);
    other.close();
    await until("the last sync", () => syncs(agent).length === 2);
    expect(syncs(agent)[1]).toEqual([]);
  });

  it("of an earlier life are taken back with the first link, and no later one", async () => {
    const { agent, server } = await startServer();
    agent.cloud = async (question) => answerTo(question, {});
    agent.connected = true;
    server.connection(true);
    await until("the sync", () => syncs(agent).length === 1);
    expect(syncs(agent)).toEqual([[]]);
    server.connection(false);
    server.connection(true);
    await agent.clock.advance(1_000);
    expect(agent.asked).toHaveLength(1);
  });

  it("are told again to a hub where nobody has listened, though nobody reads, less and less often", async () => {
    const nobody = new HubError("E_NO_CONSUMER", "nobody takes this", { retryable: true });
    const { agent, client, server } = await connected(() => Promise.reject(nobody));
    server.connection(true);
    await until("the first", () => syncs(agent).length === 1);
    expect((await client.get(maps)).body.items).toEqual([]);
    await client.watch(`${maps}?watch=1`);
    for (const [pause, count] of [
      [5_000, 2],
      [10_000, 3],
      [20_000, 4],
    ] as const) {
      await agent.clock.advance(pause - 1);
      expect(syncs(agent)).toHaveLength(count - 1);
      await agent.clock.advance(1);
      await until("another", () => syncs(agent).length === count);
    }
    agent.cloud = async (question) => answerTo(question, {});
    await agent.clock.advance(40_000);
    await until("the last", () => syncs(agent).length === 5);
    expect(syncs(agent).at(-1)).toEqual(["/core/v1/configmaps/default/null"]);
    await agent.clock.advance(3_600_000);
    expect(syncs(agent)).toHaveLength(5);
  });

  it("that ended without a link are taken back with the next one", async () => {
    const { agent, client, server } = await connected(async (question) => answerTo(question, {}));
    server.connection(true);
    const watch = await client.watch(`${maps}?watch=1`);
    await until("the registration", () => agent.asked.length === 2);
    agent.connected = false;
    server.connection(false);
    watch.close();
    await until("its end", () => server.watches === 0);
    agent.connected = true;
    server.connection(true);
    await until("the sync", () => syncs(agent).length === 2);
    expect(syncs(agent)).toEqual([[], []]);
  });

  it("are told to a cloud that may have forgotten them, when the link comes up", async () => {
    const { agent, client, server } = await startServer();
    await client.watch(`${maps}?watch=1`);
    agent.connected = true;
    server.connection(true);
    await until("the sync", () => syncs(agent).length === 1);
    expect(syncs(agent)).toEqual([["/core/v1/configmaps/default/null"]]);
  });
});

function decoded(base64: string | null): string {
  return Buffer.from(base64 ?? "", "base64").toString();
}
