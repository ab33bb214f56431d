import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import type { HubError } from "../../protocol/index.ts";
import { quicTransport, webSocketTransport, webTransport } from "../../transport/index.ts";
import { type Arrival, SocketArrival, Turnstile, type TurnstileOptions } from "../../transport/turnstile.ts";
import { until } from "../support/processes.ts";
import { Harness, type TransportUnderTest } from "./conformance.ts";

/** A server whose connections go through a turnstile; what came through, and who was cut off. */
async function behindTurnstile(options: TurnstileOptions, isCrowded?: () => boolean) {
  const entered: number[] = [];
  const refused: string[] = [];
  const turnstile = new Turnstile({ ...options, ...(isCrowded && { isCrowded }) });
  const then = {
    enter(socket: Socket) {
      entered.push(performance.now());
      socket.on("error", () => {});
      socket.resume();
    },
    refused: (error: HubError) => void refused.push(error.code),
  };
  const server = createServer((socket) => turnstile.add(new SocketArrival(socket, then)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const clients: Socket[] = [];
  onTestFinished(() => {
    turnstile.close();
    server.close();
    for (const client of clients) client.destroy();
  });
  const dial = (count: number, from = "127.0.0.1"): Socket[] => {
    const dialled = Array.from({ length: count }, () => {
      const client = connect({ port, host: "127.0.0.1", localAddress: from });
      client.on("error", () => {});
      return client;
    });
    clients.push(...dialled);
    return dialled;
  };
  return { turnstile, entered, refused, dial };
}

describe("the turnstile before TLS", () => {
  it("lets a burst in at once and the others at its pace", async () => {
    const { entered, dial } = await behindTurnstile({ perSecond: 40, maxWaitMs: 10_000, maxWaiting: 100 });
    dial(30);
    await until("all are in", () => entered.length === 30);
    // A burst of ten; the other twenty need half a second, however fast they came.
    expect((entered[29] ?? 0) - (entered[0] ?? 0)).toBeGreaterThan(400);
  });

  it("cuts off who is too many: what waits is bounded", async () => {
    const { turnstile, refused, dial } = await behindTurnstile({
      perSecond: 4,
      maxWaitMs: 1_000,
      maxWaiting: 16,
    });
    dial(60);
    await until("some are cut off", () => refused.length >= 40);
    expect(turnstile.waiting).toBeLessThanOrEqual(16);
    expect(new Set(refused)).toEqual(new Set(["E_BUSY"]));
  });

  it("gives each address its turn, and room: one that floods does not keep others out", async () => {
    const { turnstile, refused, entered, dial } = await behindTurnstile({
      perSecond: 8,
      maxWaitMs: 4_000,
      maxWaiting: 32,
    });
    dial(100, "127.0.0.2");
    await until("the flood is cut off", () => refused.length >= 60);
    const before = entered.length;
    const [client] = dial(1, "127.0.0.3");
    let closed = false;
    client?.on("close", () => (closed = true));
    await until("it waits, or is in", () => turnstile.waiting > 0);
    await until("its turn has come", () => entered.length >= before + 3);
    expect(closed).toBe(false);
  });

  it("cuts off who has waited too long", async () => {
    const { refused, dial } = await behindTurnstile({ perSecond: 4, maxWaitMs: 500, maxWaiting: 100 });
    dial(12);
    await until("the last ones are cut off", () => refused.length > 0);
    expect(new Set(refused)).toEqual(new Set(["E_BUSY"]));
  });

  it("begins nothing while it is crowded inside, and goes on afterwards", async () => {
    let crowded = true;
    let looks = 0;
    const { turnstile, entered, dial } = await behindTurnstile(
      { perSecond: 100, maxWaitMs: 60_000, maxWaiting: 100 },
      () => {
        looks++;
        return crowded;
      },
    );
    dial(10);
    await until("all wait, and it was looked again", () => turnstile.waiting === 10 && looks > 3);
    expect(entered).toEqual([]);
    crowded = false;
    await until("all are in", () => entered.length === 10);
  });

  it("gives the places of those who have gone to others, and looks for them now and then", async () => {
    const turnstile = new Turnstile({
      perSecond: 1,
      maxWaitMs: 1_000,
      maxWaiting: 16,
      isCrowded: () => true,
    });
    onTestFinished(() => turnstile.close());
    let gone = false;
    const told: string[] = [];
    const arrival = (address: string, isGone: () => boolean): Arrival => ({
      address,
      isGone,
      enter: () => undefined,
      cutOff: (error) => void told.push(error?.code ?? "closed"),
    });
    // In two lines, the first of each still there.
    for (const address of ["10.0.0.1", "10.0.0.2"]) {
      turnstile.add(arrival(address, () => false));
      for (let i = 0; i < 7; i++) turnstile.add(arrival(address, () => gone));
    }
    turnstile.add(arrival("10.0.0.3", () => false));
    expect(told).toEqual(["E_BUSY"]);
    gone = true;
    turnstile.add(arrival("10.0.0.3", () => false));
    expect(told).toEqual(["E_BUSY", "E_BUSY"]);
    await until("there is a place", () => {
      turnstile.add(arrival("10.0.0.3", () => false));
      return turnstile.waiting === 3;
    });
  });

  it("does not count who has gone meanwhile", async () => {
    const { turnstile, entered, dial } = await behindTurnstile({
      perSecond: 8,
      maxWaitMs: 60_000,
      maxWaiting: 100,
    });
    const clients = dial(16);
    await until("they wait", () => turnstile.waiting >= 8);
    for (const client of clients) client.resetAndDestroy();
    await until("nobody waits", () => turnstile.waiting === 0);
    expect(entered.length).toBeLessThan(16);
  });
});

describe("one turnstile before several listeners", () => {
  const transports: Record<"wss" | "quic" | "wt", TransportUnderTest> = {
    wss: { transport: webSocketTransport, url: (port) => `wss://127.0.0.1:${port}/p/edge-1/events` },
    quic: { transport: quicTransport, url: (port) => `quic://127.0.0.1:${port}/p/edge-1/events` },
    wt: { transport: webTransport, url: (port) => `https://127.0.0.1:${port}/p/edge-1/events` },
  };

  it("is one limit for all of them, whatever a client comes over", async () => {
    const turnstile = new Turnstile({ perSecond: 10, maxWaitMs: 10_000, maxWaiting: 100 });
    onTestFinished(() => turnstile.close());
    const listeners = Object.values(transports).map((one) => new Harness(one));
    await Promise.all(listeners.map((one) => one.listen({}, { turnstile })));
    // A burst of four; the other fourteen need 1.4 s. With limits of their own six of each would need 0.2 s.
    const since = performance.now();
    await Promise.all(listeners.flatMap((one) => Array.from({ length: 6 }, () => one.dial())));
    expect(performance.now() - since).toBeGreaterThan(1_200);
    expect(listeners.map(({ accepted }) => accepted.length)).toEqual([6, 6, 6]);
    expect(turnstile.waiting).toBe(0);
  });

  it("lets addresses take turns, wherever they came to", () => {
    const order: string[] = [];
    let isCrowded = true;
    const turnstile = new Turnstile({
      perSecond: 1_000,
      maxWaitMs: 10_000,
      maxWaiting: 100,
      isCrowded: () => isCrowded,
    });
    onTestFinished(() => turnstile.close());
    const arrive = (address: string, to: string): void => {
      const arrival: Arrival = {
        address,
        isGone: () => false,
        enter: () => void order.push(`${address} ${to}`),
        cutOff: () => undefined,
      };
      turnstile.add(arrival);
    };
    for (const to of ["wss", "quic", "wt"]) for (let i = 0; i < 3; i++) arrive("a", to);
    arrive("b", "quic");
    isCrowded = false;
    return until("all are in", () => order.length === 10).then(() =>
      expect(order.slice(0, 3)).toEqual(["a wss", "b quic", "a wss"]),
    );
  });

  it("tells who comes over QUIC and cannot be let in when to come again", async () => {
    const turnstile = new Turnstile({
      perSecond: 4,
      maxWaitMs: 60_000,
      maxWaiting: 100,
      isCrowded: () => true,
    });
    onTestFinished(() => turnstile.close());
    const one = new Harness(transports.quic);
    await one.listen({ handshakeTimeoutMs: 200 }, { turnstile });
    await expect(one.dial()).rejects.toMatchObject({ code: "E_BUSY", retryAfterMs: 1_000 });
    expect(one.refused).toEqual(["E_BUSY"]);
    expect(one.accepted).toEqual([]);
    await until("it does not wait any more", () => turnstile.waiting === 0);
  });

  it("forgets who hangs up while it waits", async () => {
    let isCrowded = true;
    const turnstile = new Turnstile({
      perSecond: 100,
      maxWaitMs: 60_000,
      maxWaiting: 100,
      isCrowded: () => isCrowded,
    });
    onTestFinished(() => turnstile.close());
    const one = new Harness(transports.quic);
    await one.listen({}, { turnstile });
    const abort = new AbortController();
    const dialled = one.dial({}, abort.signal);
    await until("it waits", () => turnstile.waiting === 1);
    abort.abort();
    await expect(dialled).rejects.toMatchObject({ code: "E_ABORTED" });
    await until("it does not wait any more", () => turnstile.waiting === 0);
    isCrowded = false;
    await one.dial();
    expect(one.accepted).toHaveLength(1);
    expect(one.refused).toEqual([]);
  });
});
