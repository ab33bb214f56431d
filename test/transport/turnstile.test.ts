import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { Turnstile, type TurnstileOptions } from "../../transport/turnstile.ts";
import { until } from "../support/processes.ts";

/** A server whose connections go through a turnstile; what came through, and who was cut off. */
async function behindTurnstile(options: TurnstileOptions, isCrowded?: () => boolean) {
  const entered: number[] = [];
  const refused: string[] = [];
  const turnstile = new Turnstile(
    {
      enter: (socket) => {
        entered.push(performance.now());
        socket.on("error", () => {});
        socket.resume();
      },
      refused: (error) => refused.push(error.code),
      ...(isCrowded && { isCrowded }),
    },
    options,
  );
  const server = createServer((socket) => turnstile.add(socket)).listen(0, "127.0.0.1");
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
    const { entered, dial } = await behindTurnstile({ perSecond: 40, maxWaitMs: 10_000 });
    dial(30);
    await until("all are in", () => entered.length === 30);
    // A burst of ten; the other twenty need half a second, however fast they came.
    expect((entered[29] ?? 0) - (entered[0] ?? 0)).toBeGreaterThan(400);
  });

  it("cuts off who is too many: what waits is bounded", async () => {
    const { turnstile, refused, dial } = await behindTurnstile({ perSecond: 4, maxWaitMs: 1_000 });
    dial(60);
    await until("some are cut off", () => refused.length >= 40);
    expect(turnstile.waiting).toBeLessThanOrEqual(16);
    expect(new Set(refused)).toEqual(new Set(["E_BUSY"]));
  });

  it("gives each address its turn, and room: one that floods does not keep others out", async () => {
    const { turnstile, refused, entered, dial } = await behindTurnstile({ perSecond: 8, maxWaitMs: 4_000 });
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
    const { refused, dial } = await behindTurnstile({ perSecond: 4, maxWaitMs: 500 });
    dial(12);
    await until("the last ones are cut off", () => refused.length > 0);
    expect(new Set(refused)).toEqual(new Set(["E_BUSY"]));
  });

  it("begins nothing while it is crowded inside, and goes on afterwards", async () => {
    let crowded = true;
    let looks = 0;
    const { turnstile, entered, dial } = await behindTurnstile({ perSecond: 100, maxWaitMs: 60_000 }, () => {
      looks++;
      return crowded;
    });
    dial(10);
    await until("all wait, and it was looked again", () => turnstile.waiting === 10 && looks > 3);
    expect(entered).toEqual([]);
    crowded = false;
    await until("all are in", () => entered.length === 10);
  });

  it("does not count who has gone meanwhile", async () => {
    const { turnstile, entered, dial } = await behindTurnstile({ perSecond: 8, maxWaitMs: 60_000 });
    const clients = dial(16);
    await until("they wait", () => turnstile.waiting >= 8);
    for (const client of clients) client.resetAndDestroy();
    await until("nobody waits", () => turnstile.waiting === 0);
    expect(entered.length).toBeLessThan(16);
  });
});
