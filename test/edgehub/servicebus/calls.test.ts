import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { temporaryDirectory } from "../../support/processes.ts";
import { TestAgent, until } from "../test-agent.ts";
import { answerOf, callOf, fromRouter, service, startBus } from "./support.ts";

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request) body += chunk;
  return body;
}

async function answered(agent: TestAgent, count = 1) {
  await until("an answer", () => agent.outbox.length >= count);
  return answerOf(agent.outbox[count - 1]);
}

describe("a call from the cloud to a service of this node", () => {
  it("is executed, and answered with status, headers and body of the service", async () => {
    const port = await service(async (request, response) => {
      response.writeHead(201, { "x-t": "1", connection: "close" });
      response.end(`${request.method} ${request.url} ${request.headers.accept} ${await bodyOf(request)}`);
    });
    const { bus, agent } = await startBus();
    const call = callOf(port, "POST", { body: '{"q":1}', path: "/target?a=b" });
    await bus.handle(call);
    const answer = await answered(agent);
    expect(answer).toMatchObject({ status_code: 201, text: 'POST /target?a=b */* {"q":1}' });
    expect(answer.header["X-T"]).toEqual(["1"]);
    expect(answer.header.Connection).toBeUndefined();
    expect(agent.outbox[0]).toMatchObject({
      source: "servicebus",
      group: "user",
      operation: "upload",
      parentId: call.id,
      resource: { path: "" },
    });
  });

  it("has a status of the service's own passed through", async () => {
    const port = await service((_, response) => void response.writeHead(500).end("broken"));
    const { bus, agent } = await startBus();
    await bus.handle(callOf(port));
    expect(await answered(agent)).toMatchObject({ status_code: 500, text: "broken" });
  });

  it("is not redirected", async () => {
    const port = await service((_, response) => void response.writeHead(302, { location: "/other" }).end());
    const { bus, agent } = await startBus();
    await bus.handle(callOf(port));
    expect(await answered(agent)).toMatchObject({ status_code: 302, header: { Location: ["/other"] } });
  });

  it("gets 404 where nobody listens", async () => {
    const unused = createServer().listen(0, "127.0.0.1");
    await once(unused, "listening");
    const { port } = unused.address() as { port: number };
    unused.close();
    const { bus, agent } = await startBus();
    await bus.handle(callOf(port));
    const answer = await answered(agent);
    expect(answer).toMatchObject({ status_code: 404, header: { Server: ["kubeedge-edgecore"] } });
    expect(answer.text).toMatch(/^error to call service/);
    expect(agent.outbox[0]?.operation).toBe("upload");
  });

  it("gets 404 when the service hangs", async () => {
    let calls = 0;
    const port = await service(() => void calls++);
    const { bus, agent } = await startBus();
    await bus.handle(callOf(port));
    await until("the call", () => calls === 1);
    await agent.clock.advance(10_000);
    expect((await answered(agent)).status_code).toBe(404);
  });

  it("gets 500 when the service hangs in the middle of its answer", async () => {
    let taken = false;
    const port = await service((_, response) => {
      // So much is taken only by a caller that has seen the head.
      response.writeHead(200).write(Buffer.alloc(48 << 20), () => {
        taken = true;
      });
    });
    const { bus, agent } = await startBus({ maxBodyBytes: 64 << 20 });
    await bus.handle(callOf(port));
    await until("the first half", () => taken);
    await agent.clock.advance(10_000);
    const answer = await answered(agent);
    expect(answer).toMatchObject({ status_code: 500 });
    expect(answer.text).toMatch(/no complete answer in 10000 ms/);
  });

  it("gets 500 when the service closes early", async () => {
    const port = await service((_, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("ten bytes.", () => response.destroy());
    });
    const { bus, agent } = await startBus();
    await bus.handle(callOf(port));
    const answer = await answered(agent);
    expect(answer).toMatchObject({ status_code: 500 });
    expect(answer.text).toMatch(/^error to receive response/);
  });

  it("gets the first bytes of a gigabyte, and the service is not read further", async () => {
    let sent = 0;
    const piece = Buffer.alloc(1 << 16, "x");
    const stream = (response: ServerResponse): void => {
      while (sent < 2 ** 30 && !response.destroyed) {
        sent += piece.length;
        if (!response.write(piece)) return void response.once("drain", () => stream(response));
      }
    };
    const port = await service((_, response) => stream(response));
    const { bus, agent } = await startBus({ maxBodyBytes: 100_000 });
    await bus.handle(callOf(port));
    const answer = await answered(agent);
    expect(answer.text).toHaveLength(100_000);
    expect(answer.status_code).toBe(200);
    expect(answer.header["X-Truncated-At"]).toEqual(["100000"]);
    expect(answer.header["Content-Length"]).toEqual(["100000"]);
    expect(sent).toBeLessThan(2 ** 27);
  });

  it("is one of many that get gigabytes, and no more of them is held than may be answered", async () => {
    const piece = Buffer.alloc(1 << 16, "x");
    const stream = (response: ServerResponse): void => {
      while (!response.destroyed) if (!response.write(piece)) break;
      if (!response.destroyed) response.once("drain", () => stream(response));
    };
    const port = await service((_, response) => stream(response));
    const { bus, agent } = await startBus({ maxBodyBytes: 200_000, callsPerService: 16 });
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const watching = setInterval(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }, 1);
    onTestFinished(() => clearInterval(watching));
    await Promise.all(
      Array.from({ length: 64 }, (_, i) => bus.handle(callOf(port, "GET", { path: `/${i}` }))),
    );
    await answered(agent, 64);
    expect(agent.outbox.map((message) => answerOf(message).text.length)).toEqual(Array(64).fill(200_000));
    // Some of it is garbage that waits to be collected; of endless streams there would be gigabytes.
    expect(most).toBeLessThan(256 << 20);
  });

  it("gets 400 at once for what is no call", async () => {
    const { bus, agent } = await startBus();
    await bus.handle(fromRouter({ resource: "nothing", content: {} }));
    await bus.handle(fromRouter({ resource: "nothing", content: {} }));
    expect(agent.outbox.map((message) => answerOf(message).status_code)).toEqual([400, 400]);
    expect(agent.log.lines.filter(({ event }) => event.includes("refused"))).toHaveLength(1);
  });
});

describe("calls at once", () => {
  it("do not wait for those to another service, and wait their turn at the same", async () => {
    const held: ServerResponse[] = [];
    const slow = await service((_, response) => void held.push(response));
    const fast = await service((_, response) => void response.end("fast"));
    const { bus, agent } = await startBus({ callsPerService: 2 });
    const taken = Array.from({ length: 5 }, (_, i) => bus.handle(callOf(slow, "GET", { path: `/${i}` })));
    await until("two calls", () => held.length === 2);
    await bus.handle(callOf(fast));
    expect((await answered(agent)).text).toBe("fast");
    expect(held).toHaveLength(2);
    for (let i = 0; i < 5; i++) {
      await until("the next call", () => held.length > i);
      held[i]?.end(`slow ${i}`);
    }
    await Promise.all(taken);
    await answered(agent, 6);
  });
});

describe("a call that waits for its turn", () => {
  /** A service with one call at once, which hangs; another call behind it. */
  async function behindOneThatHangs(method: string, agent = new TestAgent()) {
    const asked: string[] = [];
    const held: ServerResponse[] = [];
    const port = await service((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      if (request.url === "/hangs") held.push(response);
      else response.end("done");
    });
    const { bus } = await startBus({ callsPerService: 1, callTimeoutMs: 600_000 }, agent);
    await bus.handle(callOf(port, "GET", { path: "/hangs" }));
    await until("the first call", () => held.length === 1);
    const call = callOf(port, method, { path: "/waits", body: "x" });
    await bus.handle(call);
    return { asked, held, port, bus, agent, call };
  }

  it("is taken at once, and a repeat of it is not executed", async () => {
    const { asked, held, bus, agent, call } = await behindOneThatHangs("POST");
    await bus.handle(call);
    held[0]?.end("at last");
    await answered(agent, 2);
    expect(asked).toEqual(["GET /hangs", "POST /waits"]);
    expect(agent.outbox).toHaveLength(2);
  });

  it("is executed by the next agent if this one dies, a POST too: the service knows nothing of it", async () => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const file = join(path, "edge.db");
    const first = await behindOneThatHangs("POST", new TestAgent(file));
    first.agent.store.close();
    const agent = new TestAgent(file);
    await startBus({}, agent);
    const answer = await answered(agent);
    expect(answer).toMatchObject({ status_code: 200, text: "done" });
    expect(first.asked.filter((one) => one === "POST /waits")).toHaveLength(1);
  });

  it("is not executed by an agent that comes too late", async () => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const file = join(path, "edge.db");
    const first = await behindOneThatHangs("POST", new TestAgent(file));
    first.agent.store.close();
    const agent = new TestAgent(file);
    await agent.clock.advance(3_600_000);
    await startBus({}, agent);
    await answered(agent, 2);
    const answers = agent.outbox.map((message) => answerOf(message));
    expect(answers.find(({ text }) => text.includes("POST"))).toMatchObject({
      status_code: 500,
      text: expect.stringMatching(/was not executed/),
    });
    expect(first.asked).toEqual(["GET /hangs"]);
  });

  it("gets 503 when nobody can wait for it any more", async () => {
    const { asked, held, agent } = await behindOneThatHangs("GET");
    await agent.clock.advance(60_000);
    held[0]?.end("at last");
    await answered(agent, 2);
    expect(agent.outbox.map((message) => answerOf(message).status_code)).toEqual([200, 503]);
    expect(asked).toEqual(["GET /hangs"]);
  });

  it("gets 503 at once when too many bytes wait already", async () => {
    const { port, bus, agent } = await behindOneThatHangs("GET");
    const body = "x".repeat(4_500_000);
    for (let i = 0; i < 3; i++) await bus.handle(callOf(port, "POST", { path: `/${i}`, body }));
    expect(await answered(agent)).toMatchObject({
      status_code: 503,
      text: expect.stringMatching(/wait for 127.0.0.1/),
    });
  });
});

describe("a repeated request", () => {
  it("is answered from the store, and the service is not called twice", async () => {
    let calls = 0;
    const port = await service((_, response) => void response.end(`call ${++calls}`));
    const { bus, agent } = await startBus();
    const call = callOf(port, "POST", { body: "x" });
    await bus.handle(call);
    await answered(agent);
    await bus.handle(call);
    expect((await answered(agent, 2)).text).toBe("call 1");
    expect(calls).toBe(1);
  });

  it("changes nothing while the first one runs", async () => {
    const held: ServerResponse[] = [];
    const port = await service((_, response) => void held.push(response));
    const { bus, agent } = await startBus();
    const call = callOf(port, "POST", { body: "x" });
    await bus.handle(call);
    await until("the call", () => held.length === 1);
    await bus.handle(call);
    held[0]?.end("done");
    await answered(agent);
    expect(held).toHaveLength(1);
    expect(agent.outbox).toHaveLength(1);
  });

  it("is still answered after a restart", async () => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const port = await service((_, response) => void response.end("once"));
    const call = callOf(port, "POST", { body: "x" });
    const first = await startBus({}, new TestAgent(join(path, "edge.db")));
    await first.bus.handle(call);
    await answered(first.agent);
    first.agent.store.close();
    const second = await startBus({}, new TestAgent(join(path, "edge.db")));
    await second.bus.handle(call);
    expect((await answered(second.agent, 2)).text).toBe("once");
  });

  it("keeps no more answers than it may", async () => {
    const port = await service((_, response) => void response.end("x".repeat(500_000)));
    const { bus, agent } = await startBus({ answersKeptBytes: 1 << 20 });
    for (let i = 1; i <= 6; i++) {
      await bus.handle(callOf(port));
      await answered(agent, i);
      await agent.clock.advance(1);
    }
    const kept = agent.store.database.prepare("SELECT count(*) FROM service_answer").pluck().get();
    expect(kept).toBeLessThan(4);
  });
});

describe("a call that was begun when the agent died", () => {
  /** An agent that dies in the middle of a call; another one on the same store. */
  async function diesDuring(method: string, downMs = 0) {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    let calls = 0;
    const port = await service((_, response) => {
      if (++calls > 1) response.end("second time");
    });
    const first = await startBus({}, new TestAgent(join(path, "edge.db")));
    const call = callOf(port, method, { body: "x" });
    await first.bus.handle(call);
    await until("the call", () => calls === 1);
    first.agent.store.close();
    const agent = new TestAgent(join(path, "edge.db"));
    await agent.clock.advance(downMs);
    await startBus({}, agent);
    return { answer: await answered(agent), calls: () => calls, agent, call };
  }

  it("is executed again if that does no harm", async () => {
    const { answer, calls, agent, call } = await diesDuring("PUT");
    expect(answer.text).toBe("second time");
    expect(calls()).toBe(2);
    expect(agent.outbox[0]?.parentId).toBe(call.id);
  });

  it("is answered with an error otherwise", async () => {
    const { answer, calls } = await diesDuring("POST");
    expect(answer.status_code).toBe(500);
    expect(answer.text).toMatch(/may have executed it, or not/);
    expect(calls()).toBe(1);
  });

  it("is not executed again when nobody can wait for it any more", async () => {
    const { answer, calls } = await diesDuring("PUT", 3_600_000);
    expect(answer.status_code).toBe(500);
    expect(calls()).toBe(1);
  });
});

describe("an answer that cannot be stored", () => {
  it("is stored as soon as there is room", async () => {
    const port = await service((_, response) => void response.end("late"));
    const { bus, agent } = await startBus({}, new TestAgent(":memory:", 1));
    await agent.publish({ operation: "update", resource: "default/pod/in-the-way" });
    await bus.handle(callOf(port, "POST"));
    await until("a failure", () => agent.log.lines.some(({ event }) => event.includes("cannot be stored")));
    agent.store.database.exec("DELETE FROM outbox");
    agent.store.outbox.recount();
    await agent.clock.advance(1_000);
    expect((await answered(agent)).text).toBe("late");
  });
});

describe("a stop of ServiceBus", () => {
  it("lets a call end, and gives it up when patience is over", async () => {
    const held: ServerResponse[] = [];
    const port = await service((_, response) => void held.push(response));
    const { bus, agent } = await startBus();
    await bus.handle(callOf(port, "GET", { path: "/a" }));
    await bus.handle(callOf(port, "GET", { path: "/b" }));
    await until("both calls", () => held.length === 2);
    const deadline = new AbortController();
    const stopped = bus.stop(deadline.signal);
    held[0]?.end("in time");
    await answered(agent);
    deadline.abort();
    await stopped;
    expect(agent.outbox).toHaveLength(1);
  });
});
