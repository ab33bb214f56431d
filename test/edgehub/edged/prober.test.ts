import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { isServing } from "../../../edgehub/edged/grpc-health.ts";
import type { Container, Pod } from "../../../edgehub/edged/pod.ts";
import { parsePod } from "../../../edgehub/edged/pod.ts";
import { countResult, initialCount, type Probe, probeOf } from "../../../edgehub/edged/probe.ts";
import { Prober } from "../../../edgehub/edged/prober.ts";
import type { RuntimeContainer } from "../../../edgehub/edged/runtime.ts";
import { type Clock, systemClock } from "../../../platform/clock.ts";
import { HubError } from "../../../protocol/index.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { until } from "../../support/processes.ts";
import { recordingLogger } from "../../support/recording-logger.ts";
import { frame, listenOnPort, respond } from "./grpc-server.ts";
import { podOf } from "./node.ts";

const running = { id: "c1", name: "main", startedAt: 1, createdAt: 1 } as RuntimeContainer;

async function listening(
  answer: Parameters<typeof createServer>[1],
): Promise<{ server: Server; port: number }> {
  const server = createServer(answer as never);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, port: (server.address() as AddressInfo).port };
}

/** Real time, ten times as fast: a probe's period is a second at least. */
const fastClock: Clock = { ...systemClock, after: (delayMs, run) => systemClock.after(delayMs / 10, run) };

function probing(probe: object, ports: object[] = []) {
  const spec = {
    containers: [
      {
        name: "main",
        image: "i",
        ports,
        readinessProbe: { ...probe, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 1 },
      },
    ],
  };
  const [container] = (parsePod(podOf("web", spec)) as Pod).containers as [Container];
  const log = recordingLogger();
  let changes = 0;
  const prober = new Prober({
    clock: fastClock,
    log,
    runtime: { exec: () => Promise.reject(new HubError("E_TIMEOUT", "too slow")) },
    changed: () => void changes++,
  });
  onTestFinished(() => prober.keep(new Set()));
  return { verdict: () => prober.verdict(container, running, "127.0.0.1"), changes: () => changes, log };
}

describe("a probe over the network", () => {
  it("asks the named port for its path, with headers, and takes 200 to 399 for well", async () => {
    let status = 500;
    const asked: string[] = [];
    const { port } = await listening((request, response) => {
      asked.push(`${request.url} ${request.headers["x-who"]}`);
      response.writeHead(status).end();
    });
    const httpGet = { path: "/health", port: "web", httpHeaders: [{ name: "X-Who", value: "me" }] };
    const p = probing({ httpGet }, [{ name: "web", containerPort: port }]);
    expect(p.verdict().ready).toBe(false);
    await until("it was asked", () => asked.length > 0);
    expect(asked[0]).toBe("/health me");
    expect(p.verdict().ready).toBe(false);
    status = 302;
    await until("it is ready", () => p.verdict().ready);
    expect(p.changes()).toBe(1);
  });

  it("fails when nothing comes in time, and when nobody listens", async () => {
    let answers = true;
    const { server, port } = await listening((_request, response) => {
      if (answers) response.end();
    });
    const p = probing({ httpGet: { port } });
    p.verdict();
    await until("it is ready", () => p.verdict().ready);
    answers = false;
    await until("it is not ready", () => !p.verdict().ready);
    answers = true;
    await until("it is ready again", () => p.verdict().ready);
    server.closeAllConnections();
    server.close();
    await until("nobody listens", () => !p.verdict().ready);
  });

  it("of type tcp is content with a connection", async () => {
    const { port } = await listening(() => undefined);
    const p = probing({ tcpSocket: { port } });
    p.verdict();
    await until("it is ready", () => p.verdict().ready);
  });

  it("of type grpc asks for the health of the service, and takes nothing but SERVING for well", async () => {
    const serving = Buffer.from([0x08, 1]);
    const notServing = Buffer.from([0x08, 2]);
    let answer = respond(frame(notServing), 1, { "grpc-status": "0" });
    const asked: string[] = [];
    const port = await listenOnPort((stream, method, request) => {
      asked.push(`${method} ${request.subarray(2).toString()}`);
      answer(stream, method, request);
    });
    const p = probing({ grpc: { port, service: "door" } });
    p.verdict();
    await until("it was asked", () => asked.length > 0);
    expect(asked[0]).toBe("/grpc.health.v1.Health/Check door");
    expect(p.verdict().ready).toBe(false);
    answer = respond(frame(serving), 1, { "grpc-status": "0" });
    await until("it is ready", () => p.verdict().ready);
    answer = respond(Buffer.alloc(0), 1, { "grpc-status": "12" });
    await until("it is not ready", () => !p.verdict().ready);
    answer = respond(frame(serving), 1, { "grpc-status": "0" });
    await until("it is ready again", () => p.verdict().ready);
    // It hangs.
    answer = () => undefined;
    await until("it is not ready", () => !p.verdict().ready);
  });

  it("of type grpc fails where nobody listens, or another protocol is spoken", async () => {
    const { server, port } = await listening((_request, response) => response.end());
    const ask = () => isServing(systemClock, { host: "127.0.0.1", port, service: "", timeoutMs: 5_000 });
    await expect(ask()).rejects.toMatchObject({ name: "CallFailure" });
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
    await expect(ask()).rejects.toMatchObject({ name: "CallFailure" });
  });

  it("of type grpc that names a port that no machine has fails, and leaves nothing behind", async () => {
    const clock = new FakeClock();
    const question = { host: "127.0.0.1", port: 70_000, service: "", timeoutMs: 1_000 };
    await expect(isServing(clock, question)).rejects.toMatchObject({ name: "CallFailure" });
    // What was still waited for would end the agent.
    await clock.advance(2_000);
  });

  it("of a type that is not known counts as passed, and is named", async () => {
    const p = probing({ pigeon: { port: 1 } });
    p.verdict();
    await until("it is ready", () => p.verdict().ready);
    expect(p.log.lines).toMatchObject([{ type: "pigeon" }]);
  });
});

describe("results", () => {
  it("change nothing before their threshold", () => {
    const probe = probeOf({ exec: { command: ["x"] }, failureThreshold: 3, successThreshold: 2 }) as Probe;
    const isPassing = (results: readonly boolean[]): boolean =>
      results.reduce((count, ok) => countResult(count, ok, probe), initialCount("liveness")).passing;
    expect(isPassing([false, false, true, false, false])).toBe(true);
    expect(isPassing([false, false, false])).toBe(false);
    expect(isPassing([false, false, false, true])).toBe(false);
    expect(isPassing([false, false, false, true, true])).toBe(true);
  });
});
