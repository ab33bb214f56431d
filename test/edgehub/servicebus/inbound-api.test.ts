import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, test } from "vitest";
import type { ServiceBus } from "../../../edgehub/servicebus/service-bus.ts";
import { contentOf, type Message } from "../../../protocol/index.ts";
import { temporaryDirectory } from "../../support/processes.ts";
import { TestAgent, until } from "../test-agent.ts";
import { fromRouter, startBus } from "./support.ts";

const url = "http://cloud-app/x";

/** What a program gets. */
async function post(bus: ServiceBus, body: string | object, signal?: AbortSignal) {
  const response = await fetch(`http://127.0.0.1:${bus.inboundPort}/any/path`, {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...(signal ? { signal } : {}),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as { code: number; msg: string; body: string };
}

async function withRule(agent = new TestAgent()) {
  const started = await startBus({ maxBodyBytes: 100_000 }, agent);
  await started.bus.handle(fromRouter({ operation: "start", resource: url }));
  return started;
}

function answerTo(question: Message, content: unknown): Message {
  const draft = { source: "servicebus", operation: "response", resource: question.resource.path, content };
  return fromRouter({ ...draft, parentId: question.id });
}

describe("the API for programs of this node", () => {
  it("asks the cloud with the whole request in base64, and gives back its answer", async () => {
    const { bus, agent } = await withRule();
    agent.cloud = async (question) => answerTo(question, "cloud-app got it");
    const request = JSON.stringify({ method: "POST", targetURL: url, payload: { v: 1 } });
    expect(await post(bus, request)).toEqual({
      code: 200,
      msg: "receive response from cloud successfully",
      body: "cloud-app got it",
    });
    const [question] = agent.asked;
    expect(question).toMatchObject({
      source: "servicebus",
      group: "user",
      operation: "upload",
      resource: { path: url },
    });
    expect(contentOf(question as Message)).toBe(Buffer.from(request).toString("base64"));
  });

  it("gives back an answer that is no text as JSON", async () => {
    const { bus, agent } = await withRule();
    agent.cloud = async (question) => answerTo(question, { a: 1 });
    expect(await post(bus, { targetURL: url })).toMatchObject({ code: 200, body: '{"a":1}' });
  });

  test.each([
    ["no JSON", "{", "invalid params"],
    ["null", "null", "invalid params"],
    ["no URL", "{}", "invalid params"],
    [
      "too large a body",
      JSON.stringify({ targetURL: url, payload: "x".repeat(200_000) }),
      "can't read data from body of the http's request",
    ],
    [
      "a URL without a rule",
      '{"targetURL":"http://elsewhere/"}',
      "url http://elsewhere/ is not allowed and please make a rule for this url in the cloud",
    ],
  ])("answers %s with code 400", async (_, body, msg) => {
    const { bus, agent } = await withRule();
    expect(await post(bus, body)).toEqual({ code: 400, msg, body: "" });
    expect(agent.asked).toEqual([]);
  });

  it("answers code 400 when the cloud does not", async () => {
    const { bus, agent } = await withRule();
    const reply = post(bus, { targetURL: url });
    await until("the question", () => agent.asked.length === 1);
    await agent.clock.advance(60_000);
    expect(await reply).toMatchObject({ code: 400, msg: expect.stringMatching(/no answer from the cloud/) });
  });

  it("waits for the link, and asks when it is up", async () => {
    const { bus, agent } = await withRule();
    agent.cloud = async (question) => answerTo(question, "back");
    agent.connected = false;
    const reply = post(bus, { targetURL: url });
    const other = post(bus, { targetURL: "http://elsewhere/" });
    await other;
    expect(agent.asked).toEqual([]);
    agent.connected = true;
    await until("the question", () => {
      bus.connection(true);
      return agent.asked.length === 1;
    });
    expect(await reply).toMatchObject({ code: 200, body: "back" });
  });

  it("forgets a program that has gone", async () => {
    const { bus, agent } = await withRule();
    let seen: AbortSignal | undefined;
    agent.cloud = (_, signal) => {
      seen = signal;
      return new Promise(() => {});
    };
    const gone = new AbortController();
    const reply = post(bus, { targetURL: url }, gone.signal).catch(() => undefined);
    await until("the question", () => agent.asked.length === 1);
    gone.abort();
    await reply;
    await until("the end of the question", () => seen?.aborted === true);
  });

  it("is not disturbed by what is no HTTP, or breaks off", async () => {
    const { bus, agent } = await withRule();
    agent.cloud = async (question) => answerTo(question, "ok");
    for (const text of [
      "\u0000\u0001\r\n\r\n",
      "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n{",
    ]) {
      const socket = connect(bus.inboundPort as number, "127.0.0.1");
      await once(socket, "connect");
      socket.on("error", () => undefined).end(text);
      await once(socket.resume(), "close");
    }
    expect(await post(bus, { targetURL: url })).toMatchObject({ code: 200 });
  });
});

describe("rules of the cloud", () => {
  it("open and close the API", async () => {
    const { bus } = await startBus();
    expect(bus.inboundPort).toBeUndefined();
    await bus.handle(fromRouter({ operation: "start", resource: "http://127.0.0.1:28080/x" }));
    await bus.handle(fromRouter({ operation: "start", resource: "http://127.0.0.1:28080/x" }));
    expect(bus.inboundPort).toBeGreaterThan(0);
    await bus.handle(fromRouter({ operation: "stop", resource: "http:/127.0.0.1:28080/x" }));
    expect(bus.inboundPort).toBeUndefined();
  });

  it("survive a restart of the agent", async () => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const first = await withRule(new TestAgent(join(path, "edge.db")));
    await first.bus.stop(AbortSignal.abort());
    first.agent.store.close();
    const { bus } = await startBus({}, new TestAgent(join(path, "edge.db")));
    expect(bus.inboundPort).toBeGreaterThan(0);
  });

  it("are kept while the port is taken; it is tried again", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const { bus, agent } = await startBus({ port });
    await bus.handle(fromRouter({ operation: "start", resource: url }));
    expect(bus.inboundPort).toBeUndefined();
    expect(agent.log.lines.at(-1)).toMatchObject({ event: "ServiceBus cannot listen", retryInMs: 1_000 });
    other.close();
    await once(other, "close");
    await agent.clock.advance(1_000);
    await until("the API", () => bus.inboundPort === port);
  });

  it("are refused without a URL", async () => {
    const { bus } = await startBus();
    await expect(bus.handle(fromRouter({ operation: "start", resource: "" }))).rejects.toMatchObject({
      code: "E_BAD_RESOURCE",
    });
  });
});
