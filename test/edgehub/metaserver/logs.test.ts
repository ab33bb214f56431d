import { appendFileSync, mkdirSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, test } from "vitest";
import { type TestAgent, until } from "../test-agent.ts";
import { fromCloud, startServer } from "./support.ts";

const log = "/api/v1/namespaces/default/pods/web/log";
const line = (second: number, text: string, tag = "F"): string =>
  `2025-12-31T23:59:5${second}.000000000Z stdout ${tag} ${text}\n`;

async function putPod(
  agent: TestAgent,
  containers = ["main"],
  state: object = { running: {} },
): Promise<void> {
  const content = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default", uid: "u1" },
    spec: { containers: containers.map((name) => ({ name })) },
    status: { containerStatuses: containers.map((name) => ({ name, state })) },
  };
  await fromCloud(agent, { resource: "default/pod/web", content });
}

/** A pod `web` whose container `main` has a log. */
async function withLog(text: string, attempt = 0) {
  const started = await startServer();
  await putPod(started.agent);
  const folder = join(started.logs, "default_web_u1", "main");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${attempt}.log`);
  writeFileSync(file, text);
  return { ...started, folder, file };
}

/** Follows a log. */
async function follow(port: number, query = "") {
  const followed = { status: 0, text: "", ended: false, close: () => void sent.destroy() };
  const sent = request({ host: "127.0.0.1", port, path: `${log}?follow=true${query}`, agent: false });
  onTestFinished(followed.close);
  await new Promise<void>((resolve, reject) => {
    sent.on("response", (response) => {
      followed.status = response.statusCode ?? 0;
      response.setEncoding("utf8").on("data", (piece: string) => {
        followed.text += piece;
      });
      response.on("end", () => {
        followed.ended = true;
      });
      response.on("error", () => undefined);
      resolve();
    });
    sent.on("error", reject).end();
  });
  return followed;
}

/** Of this process. */
function filesOpen(): string[] {
  return readdirSync("/proc/self/fd").flatMap((descriptor) => {
    try {
      return [readlinkSync(`/proc/self/fd/${descriptor}`)];
    } catch {
      return [];
    }
  });
}

describe("the log of a container", () => {
  const three = line(1, "one") + line(2, "t", "P") + line(2, "wo") + line(3, "three");

  test.each([
    ["", "one\ntwo\nthree\n"],
    ["?container=main", "one\ntwo\nthree\n"],
    ["?tailLines=2", "two\nthree\n"],
    ["?tailLines=0", ""],
    ["?limitBytes=5", "one\nt"],
    ["?sinceTime=2025-12-31T23:59:53Z", "three\n"],
    ["?sinceSeconds=7", "three\n"],
    ["?tailLines=1&timestamps=true", "2025-12-31T23:59:53.000000000Z three\n"],
  ])("is what it has written %s", async (query, text) => {
    const { client } = await withLog(three);
    const answer = await client.get(log + query);
    expect(answer).toMatchObject({ status: 200, headers: { "content-type": "text/plain" }, body: text });
  });

  it("is that of its last start, or of the one before", async () => {
    const { client, folder } = await withLog(line(1, "first"));
    expect(await client.get(`${log}?previous=true`)).toMatchObject({
      status: 400,
      body: { kind: "Status", message: 'previous terminated container "main" in pod "web" not found' },
    });
    writeFileSync(join(folder, "1.log"), line(2, "second"));
    expect((await client.get(log)).body).toBe("second\n");
    expect((await client.get(`${log}?previous=true`)).body).toBe("first\n");
  });

  it("includes what was rotated away", async () => {
    const { client, folder } = await withLog(line(2, "new"));
    writeFileSync(join(folder, "0.log.20260101-000001"), line(1, "old"));
    expect((await client.get(log)).body).toBe("old\nnew\n");
  });

  test.each([
    ["of no such pod", "/api/v1/namespaces/default/pods/nope/log", 404, /pods "nope" not found/],
    ["of no such container", `${log}?container=side`, 400, /container side is not valid for pod web/],
    ["with a count that is none", `${log}?tailLines=-1`, 400, /tailLines must be a whole number/],
    ["since a time that is none", `${log}?sinceTime=yesterday`, 400, /sinceTime must be a time/],
  ])("is refused %s", async (_, path, status, message) => {
    const { client } = await withLog("");
    expect(await client.get(path)).toMatchObject({
      status,
      body: { message: expect.stringMatching(message) },
    });
  });

  it("is not there before the container has run, and has to be named among several", async () => {
    const { client, agent } = await startServer();
    await putPod(agent);
    expect(await client.get(log)).toMatchObject({ status: 400, body: { message: /waiting to start/ } });
    await putPod(agent, ["a", "b"]);
    expect(await client.get(log)).toMatchObject({ status: 400, body: { message: /choose one of: \[a b\]/ } });
  });

  it("leads to no other file, whatever uid a pod has", async () => {
    const { client, agent } = await withLog("secret");
    const metadata = { name: "web", namespace: "default", uid: "../default_web_u1" };
    const content = { apiVersion: "v1", kind: "Pod", metadata, spec: { containers: [{ name: "main" }] } };
    await fromCloud(agent, { resource: "default/pod/web", content });
    expect((await client.get(log)).status).toBe(400);
  });
});

describe("a log that is followed", () => {
  it("goes on with what is written, and ends with the container", async () => {
    const { client, agent, file } = await withLog(line(1, "one"));
    const followed = await follow(client.port);
    await until("the first line", () => followed.text === "one\n");
    appendFileSync(file, line(2, "two"));
    await until("the second line", () => {
      void agent.clock.advance(200);
      return followed.text === "one\ntwo\n";
    });
    appendFileSync(file, line(3, "three"));
    await putPod(agent, ["main"], { terminated: { exitCode: 0 } });
    await until("the end", () => {
      void agent.clock.advance(200);
      return followed.ended;
    });
    expect(followed).toMatchObject({ status: 200, text: "one\ntwo\nthree\n" });
  });

  it("begins before anything is written", async () => {
    const { client } = await withLog("");
    expect((await follow(client.port)).status).toBe(200);
  });

  it("ends when the container is started again", async () => {
    const { client, agent, folder } = await withLog(line(1, "one"));
    const followed = await follow(client.port);
    writeFileSync(join(folder, "1.log"), line(2, "again"));
    await until("the first line", () => followed.text !== "");
    await until("the end", () => {
      void agent.clock.advance(200);
      return followed.ended;
    });
    expect(followed.text).toBe("one\n");
  });

  it.skipIf(process.platform !== "linux")("holds no file open", async () => {
    const { client, file } = await withLog(line(1, "one"));
    const followed = await follow(client.port);
    await until("the first line", () => followed.text !== "");
    expect(filesOpen()).not.toContain(file);
  });
});

it("a client that does not read is not read for: a long log waits in its file", async () => {
  const { client, file } = await withLog("");
  const text = "x".repeat(1_000);
  for (let block = 0; block < 64; block++) appendFileSync(file, line(1, text).repeat(1_000));
  const before = process.memoryUsage().arrayBuffers;
  const sent = request({ host: "127.0.0.1", port: client.port, path: log, agent: false });
  onTestFinished(() => void sent.destroy());
  const response = await new Promise<NodeJS.ReadableStream>((resolve, reject) => {
    sent.on("response", resolve).on("error", reject).end();
  });
  response.pause();
  for (let turn = 0; turn < 2_000; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 << 20);
});
