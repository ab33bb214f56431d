import { describe, expect, it } from "vitest";
import { TokenTable } from "../../../edgehub/store/token-table.ts";
import { contentOf, createMessage, type Message, volatile } from "../../../protocol/index.ts";
import type { TestAgent } from "../test-agent.ts";
import { type Client, fromCloud, startServer } from "./support.ts";

/** Tokens of service accounts that programs ask their node for. */

const minute = 60_000;
const hour = 60 * minute;
const path = "/api/v1/namespaces/default/serviceaccounts/reader/token";
const boundObjectRef = { kind: "Pod", apiVersion: "v1", name: "web", uid: "uid-web" };
const wish = (more: object = {}) => ({ spec: { boundObjectRef, expirationSeconds: 3_600, ...more } });

interface Sent {
  readonly Verb: string;
  readonly Key: string;
  readonly Subresource: string;
  readonly ReqBody: string;
}

const sent = (message: Message | undefined): Sent => contentOf(message as Message) as Sent;

function answer(question: Message, more: object): Message {
  const content = { ...sent(question), Status: "Approved", ...more };
  const draft = { node: "edge-1", source: "dynamiccontroller", operation: "applicationResponse", content };
  return createMessage(
    { ...draft, resource: "ignore/Application/ignore", parentId: question.id, delivery: volatile },
    { id: crypto.randomUUID(), timestamp: 0, delivery: () => volatile },
  );
}

const refusal = (question: Message, code: number, reason: string): Message =>
  answer(question, { Status: "Rejected", Error: { ErrStatus: { code, reason, message: "no" } } });

/** The cloud gives tokens `t1`, `t2` … that live as long as they were asked to. */
function givesTokens(agent: TestAgent): void {
  let count = 0;
  agent.cloud = async (question) => {
    const asked = JSON.parse(Buffer.from(sent(question).ReqBody, "base64").toString());
    const endsAt = agent.clock.wallTime() + (asked.spec.expirationSeconds ?? 3_600) * 1_000;
    const status = { token: `t${++count}`, expirationTimestamp: new Date(endsAt).toISOString() };
    const RespBody = Buffer.from(JSON.stringify({ ...asked, kind: "TokenRequest", status }));
    return answer(question, { RespBody: RespBody.toString("base64") });
  };
}

async function put(agent: TestAgent, name: string, spec: object, annotations?: object): Promise<void> {
  const metadata = {
    name,
    namespace: "default",
    uid: `uid-${name}`,
    ...(annotations ? { annotations } : {}),
  };
  const content = { apiVersion: "v1", kind: "Pod", metadata, spec };
  await fromCloud(agent, { resource: `default/pod/${name}`, resourceVersion: "1", content });
}

/** A node with the link up, and its pod `web` of the account `reader`. */
async function started() {
  const { agent, client, server } = await startServer();
  agent.connected = true;
  givesTokens(agent);
  await put(agent, "web", { nodeName: "edge-1", serviceAccountName: "reader" });
  return { agent, client, server };
}

const ask = (client: Client, body: unknown = wish(), query = "", at = path) =>
  client.send("POST", at + query, JSON.stringify(body), { "content-type": "application/json" });

/** The token; of a refusal its reason. */
const gets = async (...given: Parameters<typeof ask>): Promise<string> => {
  const { body } = await ask(...given);
  return body.status?.token ?? body.reason;
};

describe("a token for a pod of this node", () => {
  it("is the cloud's, and then the node's own while it is not old", async () => {
    const { agent, client } = await started();
    const metadata = { labels: { a: "b" } };
    expect(await ask(client, { ...wish(), metadata })).toMatchObject({
      status: 201,
      body: { spec: wish().spec },
    });
    expect(sent(agent.asked[0])).toMatchObject({
      Verb: "create",
      Key: "/core/v1/serviceaccounts/default/reader",
      Subresource: "token",
    });
    const expirationTimestamp = new Date(agent.clock.wallTime() + hour).toISOString().replace(".000Z", "Z");
    await agent.clock.advance(47 * minute);
    expect(await ask(client, { ...wish(), metadata })).toMatchObject({
      status: 201,
      body: {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        metadata: { name: "reader", namespace: "default", ...metadata },
        spec: wish().spec,
        status: { token: "t1", expirationTimestamp },
      },
    });
    expect(agent.asked).toHaveLength(1);
    await agent.clock.advance(2 * minute);
    expect(await gets(client)).toBe("t2");
  });

  it("is the one that the pod itself got", async () => {
    const { agent, client } = await started();
    const givenAt = agent.clock.wallTime();
    const key = { uid: "uid-web", audience: "vault", seconds: 3_607 };
    await new TokenTable(agent.store).put(key, { token: "edged's", givenAt, endsAt: givenAt + hour });
    expect(await gets(client, wish({ audiences: ["vault"], expirationSeconds: 3_607 }))).toBe("edged's");
    expect(agent.asked).toEqual([]);
    expect(await gets(client, wish({ audiences: ["other"], expirationSeconds: 3_607 }))).toBe("t1");
  });

  it("is good as long as it lives without a link, whatever life was asked for", async () => {
    const { agent, client, server } = await started();
    await ask(client);
    agent.connected = false;
    server.connection(false);
    await agent.clock.advance(59 * minute);
    const late = await ask(client, wish({ expirationSeconds: 600 }));
    expect(late.body).toMatchObject({ spec: { expirationSeconds: 600 }, status: { token: "t1" } });
    expect(Date.parse(late.body.status.expirationTimestamp) - agent.clock.wallTime()).toBe(minute);
    await agent.clock.advance(minute);
    expect(await ask(client)).toMatchObject({ status: 503, body: { reason: "ServiceUnavailable" } });
  });

  it("outlives a cloud that is silent or in trouble, and not its refusal", async () => {
    const { agent, client } = await started();
    await ask(client);
    await agent.clock.advance(50 * minute);
    agent.cloud = async (question) => refusal(question, 503, "ServiceUnavailable");
    expect(await gets(client)).toBe("t1");
    agent.cloud = async (question) => refusal(question, 403, "Forbidden");
    expect(await ask(client)).toMatchObject({ status: 403, body: { reason: "Forbidden" } });
  });

  it("may be had for several audiences, in any order", async () => {
    const { client } = await started();
    expect(await gets(client, wish({ audiences: ["b", "a"] }))).toBe("t1");
    expect(await gets(client, wish({ audiences: ["a", "b"] }))).toBe("t1");
    expect(await gets(client, wish({ audiences: ["a"] }))).toBe("t2");
  });
});

describe("what is not kept", () => {
  it.each([
    ["another node's pod", { nodeName: "edge-2", serviceAccountName: "reader" }, {}],
    ["a pod of another account", { nodeName: "edge-1", serviceAccountName: "other" }, {}],
    ["a pod without an account", { nodeName: "edge-1" }, {}],
    ["another uid", { nodeName: "edge-1", serviceAccountName: "reader" }, { uid: "uid-other" }],
    ["a Secret", { nodeName: "edge-1", serviceAccountName: "reader" }, { kind: "Secret" }],
  ])("is a token for %s: each time the cloud says", async (_name, spec, ref) => {
    const { agent, client } = await started();
    await put(agent, "odd", spec);
    const bound = { ...boundObjectRef, name: "odd", uid: "uid-odd", ...ref };
    const givenAt = agent.clock.wallTime();
    const key = { uid: bound.uid, audience: "", seconds: 3_600 };
    await new TokenTable(agent.store).put(key, { token: "stolen", givenAt, endsAt: givenAt + hour });
    expect(await gets(client, wish({ boundObjectRef: bound }))).toBe("t1");
    agent.connected = false;
    expect(await gets(client, wish({ boundObjectRef: bound }))).toBe("ServiceUnavailable");
  });

  it("is a token of a pod that the node has made itself", async () => {
    const { agent, client } = await started();
    const annotations = { "kubernetes.io/config.mirror": "x" };
    await put(agent, "web", { nodeName: "edge-1", serviceAccountName: "reader" }, annotations);
    agent.cloud = async (question) => refusal(question, 403, "Forbidden");
    expect(await gets(client)).toBe("Forbidden");
  });

  it("is one that is bound to nothing, or only tried", async () => {
    const { agent, client } = await started();
    expect(await gets(client, { spec: {} })).toBe("t1");
    expect(await gets(client, wish(), "?dryRun=All")).toBe("t2");
    expect(await gets(client)).toBe("t3");
    expect(agent.asked).toHaveLength(3);
  });

  it("are more than a few for one pod", async () => {
    const { agent, client } = await started();
    for (let i = 0; i < 20; i++) await ask(client, wish({ expirationSeconds: 3_600 + i }));
    expect(new TokenTable(agent.store).alive("uid-web", 0)).toBe(16);
    expect(await gets(client, wish({ expirationSeconds: 3_619 }))).toBe("t21");
    expect(await gets(client, wish({ expirationSeconds: 3_615 }))).toBe("t16");
  });

  it("are some that have ended, where others would be kept from their places", async () => {
    const { agent, client } = await started();
    for (let i = 0; i < 16; i++) await ask(client, wish({ expirationSeconds: 600 + i }));
    await agent.clock.advance(hour);
    const token = await gets(client, wish({ expirationSeconds: 7_200 }));
    expect(await gets(client, wish({ expirationSeconds: 7_200 }))).toBe(token);
    expect(new TokenTable(agent.store).alive("uid-web", 0)).toBe(1);
  });

  it("is what has ended long ago", async () => {
    const { agent, client } = await started();
    await ask(client, wish({ expirationSeconds: 600 }));
    await agent.clock.advance(8 * 24 * hour);
    await ask(client);
    expect(new TokenTable(agent.store).alive("uid-web", 0)).toBe(1);
  });
});

it.each([
  ["no object", "[1]", "application/json", 400],
  ["no JSON", "{", "application/json", 400],
  ["another form", "k8s", "application/vnd.kubernetes.protobuf", 415],
])("refuses %s", async (_name, body, type, status) => {
  const { agent, client } = await started();
  expect((await client.send("POST", path, body, { "content-type": type })).status).toBe(status);
  expect(agent.asked).toEqual([]);
});
