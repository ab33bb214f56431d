import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { describe, expect, it, onTestFinished, test } from "vitest";
import { runCommand } from "../../testbed/impairer/commands.ts";
import {
  type GivenProfile,
  type Impairer,
  type ImpairerOptions,
  startImpairer,
} from "../../testbed/impairer/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { randomOf, seeds } from "../support/seeds.ts";

const host = "127.0.0.1";

/** What came out of a socket. */
interface Received {
  readonly socket: Socket;
  bytes(): Buffer;
  ended: boolean;
  error: string | undefined;
  closed: boolean;
}

function receive(socket: Socket): Received {
  const chunks: Buffer[] = [];
  const received: Received = {
    socket,
    bytes: () => Buffer.concat(chunks),
    ended: false,
    error: undefined,
    closed: false,
  };
  socket
    .on("data", (chunk: Buffer) => chunks.push(chunk))
    .on("end", () => {
      received.ended = true;
    })
    .on("error", (error: NodeJS.ErrnoException) => {
      received.error = error.code;
    })
    .on("close", () => {
      received.closed = true;
    });
  onTestFinished(() => void socket.destroy());
  return received;
}

/** Lets sockets move; no clock is involved. */
async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turns(1);
}

/** A target, an impairer before it, and time by hand. */
class Bench {
  readonly clock = new FakeClock();
  /** What the target got, by connection. */
  readonly arrived: Received[] = [];
  readonly #server: Server;
  impairer!: Impairer;

  constructor() {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.arrived.push(receive(socket));
    });
  }

  static async start(profile: GivenProfile, options: Partial<ImpairerOptions> = {}): Promise<Bench> {
    const bench = new Bench();
    bench.#server.listen({ host, port: 0 });
    await once(bench.#server, "listening");
    const { port } = bench.#server.address() as AddressInfo;
    bench.impairer = await startImpairer(
      { listen: { host, port: 0 }, target: { host, port }, profile, seed: 1, ...options },
      { clock: bench.clock },
    );
    onTestFinished(async () => {
      await bench.impairer.close();
      bench.#server.close();
    });
    return bench;
  }

  /** A client as the kernel sees it: connected, whatever the link is like. */
  async client(): Promise<Received> {
    const { accepted, refused } = this.impairer.stats();
    const client = receive(connect({ host, port: this.impairer.port, noDelay: true, allowHalfOpen: true }));
    await until(() => {
      const stats = this.impairer.stats();
      return stats.accepted + stats.refused > accepted + refused;
    });
    return client;
  }

  /** A client whose connection has reached the target, and the target's end of it. */
  async connected(): Promise<{ client: Received; target: Received }> {
    const client = await this.client();
    while (this.impairer.stats().connecting > 0) await this.clock.advance(1);
    await until(() => this.arrived.length > 0);
    return { client, target: this.target() };
  }

  /** The target's newest connection. */
  target(): Received {
    const target = this.arrived.at(-1);
    if (target === undefined) throw new Error("nobody has connected");
    return target;
  }

  /** Sends, and waits until the impairer has it. */
  async send(from: Received, content: string, direction: "up" | "down" = "up"): Promise<void> {
    const before = this.impairer.stats()[direction].acceptedBytes;
    from.socket.write(content);
    await until(() => this.impairer.stats()[direction].acceptedBytes === before + content.length);
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await turns();
  }
}

function textOf(received: Received): string {
  return received.bytes().toString();
}

describe("a link through the impairer", () => {
  it("passes bytes both ways without delay on a lan", async () => {
    const bench = await Bench.start("lan");
    const { client, target } = await bench.connected();
    client.socket.write("up");
    await until(() => textOf(target) === "up");
    target.socket.write("down");
    await until(() => textOf(client) === "down");
    expect(bench.clock.now()).toBe(0);
  });

  it("delivers after the delay of the direction", async () => {
    const bench = await Bench.start({ up: { delayMs: 100 }, down: { delayMs: 30 } });
    const { client, target } = await bench.connected();
    await bench.send(client, "up");
    await bench.advance(99);
    expect(textOf(target)).toBe("");
    await bench.advance(1);
    await until(() => textOf(target) === "up");
    await bench.send(target, "down", "down");
    await bench.advance(29);
    expect(textOf(client)).toBe("");
    await bench.advance(1);
    await until(() => textOf(client) === "down");
  });

  it("reaches the target after the handshake, together with what was sent first", async () => {
    const bench = await Bench.start("rtt200");
    const client = await bench.client();
    await bench.send(client, "hello");
    await bench.advance(299);
    expect(bench.arrived).toHaveLength(0);
    expect(bench.impairer.links()).toMatchObject([{ id: 1, state: "connecting", upInFlightBytes: 5 }]);
    await bench.advance(1);
    await until(() => bench.arrived.length === 1 && textOf(bench.target()) === "hello");
    expect(bench.impairer.links()).toMatchObject([{ id: 1, state: "open", upInFlightBytes: 0 }]);
  });

  it("passes the end of one direction, and then still what goes the other way", async () => {
    const bench = await Bench.start({ delayMs: 50 });
    const { client, target } = await bench.connected();
    client.socket.end("question");
    await until(() => bench.impairer.stats().up.acceptedBytes === 8);
    await turns();
    expect(target.ended).toBe(false);
    await bench.advance(50);
    await until(() => target.ended);
    target.socket.end("answer");
    await until(() => bench.impairer.stats().down.acceptedBytes === 6);
    await turns();
    await bench.advance(50);
    await until(() => client.ended);
    expect([textOf(target), textOf(client)]).toEqual(["question", "answer"]);
    await until(() => bench.impairer.stats().links === 0);
  });

  it("passes a reset after the delay", async () => {
    const bench = await Bench.start({ delayMs: 50 });
    const { client, target } = await bench.connected();
    client.socket.resetAndDestroy();
    await turns();
    expect(target.closed).toBe(false);
    await bench.advance(50);
    await until(() => target.closed);
    expect(target.error).toBe("ECONNRESET");
    await until(() => bench.impairer.stats().links === 0);
  });

  it("resets who connects when the target refuses", async () => {
    const free = createServer().listen({ host, port: 0 });
    await once(free, "listening");
    const { port } = free.address() as AddressInfo;
    free.close();
    await once(free, "close");
    const bench = await Bench.start({ delayMs: 50 }, { target: { host, port } });
    const client = await bench.client();
    await bench.advance(150);
    await bench.advance(50);
    await until(() => client.closed);
    expect(client.error).toBe("ECONNRESET");
  });

  it("delivers no more than its rate", async () => {
    const bench = await Bench.start({ up: { rateBitsPerSecond: 80_000 } });
    const { client, target } = await bench.connected();
    client.socket.end(Buffer.alloc(50_000));
    await turns();
    for (let second = 1; second <= 5; second++) {
      await bench.advance(1_000);
      expect(bench.impairer.stats().up.deliveredBytes).toBeGreaterThan(10_000 * second - 1_400);
      expect(bench.impairer.stats().up.deliveredBytes).toBeLessThanOrEqual(10_000 * second);
    }
    await until(() => target.ended);
    expect(target.bytes()).toHaveLength(50_000);
  });

  it("reads no more than the queue holds, and one read more, and yet keeps the link busy", async () => {
    const bench = await Bench.start({ delayMs: 1_000, rateBitsPerSecond: 800_000, queueBytes: 10_000 });
    const { client } = await bench.connected();
    client.socket.write(Buffer.alloc(1_000_000));
    await until(() => bench.impairer.stats().up.inFlightBytes > 10_000);
    const delayedBytes = 100_000;
    for (let i = 0; i < 100; i++) {
      await bench.advance(50);
      const { inFlightBytes } = bench.impairer.stats().up;
      expect(inFlightBytes).toBeLessThan(10_000 + 65_536 + 1_400 + delayedBytes);
    }
    expect(bench.impairer.stats().up.pauses).toBeGreaterThan(1);
    expect(bench.impairer.stats().up.deliveredBytes).toBeGreaterThan(490_000 - delayedBytes);
  });

  it("stops reading when the receiver does, and loses nothing", async () => {
    const bench = await Bench.start({ delayMs: 10, windowBytes: 100_000 });
    const { client, target } = await bench.connected();
    target.socket.pause();
    const content = Buffer.alloc(20_000_000, "0123456789abcdefghijklmnopqrstuvwxyz.");
    client.socket.end(content);
    for (let i = 0; i < 100; i++) await bench.advance(10);
    expect(bench.impairer.stats().up.inFlightBytes).toBeLessThan(100_000 + 65_536);
    expect(bench.impairer.stats().up.deliveredBytes).toBeLessThan(content.length);
    target.socket.resume();
    while (!target.ended) await bench.advance(10);
    expect(target.bytes().equals(content)).toBe(true);
  });

  it("gives the same losses to the same seed", async () => {
    const arrivals = async (seed: number): Promise<number[]> => {
      const bench = await Bench.start({ delayMs: 20, jitterMs: 15, lossPercent: 20 }, { seed });
      const { client } = await bench.connected();
      const delivered: number[] = [];
      for (let i = 0; i < 100; i++) {
        await bench.send(client, "message");
        await bench.clock.advance(10);
        delivered.push(bench.impairer.stats().up.deliveredBytes);
      }
      return delivered;
    };
    const [first, again, other] = [await arrivals(7), await arrivals(7), await arrivals(8)];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  test.each(seeds(12))("loses, repeats and reorders no byte, seed %i", async (seed) => {
    const random = randomOf(seed);
    const bench = await Bench.start(
      {
        delayMs: random() * 50,
        jitterMs: random() * 30,
        lossPercent: random() * 10,
        queueBytes: 5_000,
        windowBytes: 20_000,
        ...(random() < 0.5 && { rateBitsPerSecond: 5_000_000 }),
      },
      { seed },
    );
    const content = (): Buffer => Buffer.from(Array.from({ length: 200_000 }, () => random() * 256));
    const clients = await Promise.all([bench.client(), bench.client(), bench.client()]);
    const sent = clients.map(content);
    const answers = clients.map(content);
    let answered = 0;
    clients.forEach((client, i) => void write(client.socket, sent[i] ?? Buffer.alloc(0), random));
    while (!clients.every(isEnded) || !bench.arrived.every(isEnded)) {
      for (const target of bench.arrived.slice(answered))
        void write(target.socket, answers[answered++] ?? Buffer.alloc(0), random);
      for (const { socket } of [...clients, ...bench.arrived]) if (random() < 0.2) toggle(socket);
      await bench.clock.advance(1 + Math.floor(random() * 30));
      await turns(1);
    }
    expect(sorted(bench.arrived.map((target) => target.bytes()))).toEqual(sorted(sent));
    expect(sorted(clients.map((client) => client.bytes()))).toEqual(sorted(answers));
    expect(bench.impairer.stats().up).toMatchObject({
      deliveredBytes: 600_000,
      inFlightBytes: 0,
      droppedBytes: 0,
    });
  });

  it("carries a thousand connections", async () => {
    const bench = await Bench.start({ delayMs: 100, jitterMs: 50, lossPercent: 1 });
    const clients = Array.from({ length: 1_000 }, () =>
      receive(connect({ host, port: bench.impairer.port, allowHalfOpen: true })),
    );
    clients.forEach(({ socket }, i) => void socket.end(`node ${i}`));
    await until(() => bench.impairer.stats().accepted === 1_000);
    while (bench.arrived.length < 1_000 || !bench.arrived.every((target) => target.ended))
      await bench.advance(100);
    expect(new Set(bench.arrived.map(textOf)).size).toBe(1_000);
  });

  it("works on the system's clock", async () => {
    const bench = await Bench.start("lan");
    const impairer = await startImpairer({
      listen: { host, port: 0 },
      target: { host, port: bench.impairer.port },
      profile: { delayMs: 3, jitterMs: 2 },
      seed: 1,
    });
    onTestFinished(() => impairer.close());
    const client = receive(connect({ host, port: impairer.port, allowHalfOpen: true }));
    client.socket.end("hello");
    await until(() => bench.arrived.length === 1 && bench.target().ended);
    expect(textOf(bench.target())).toBe("hello");
  });
});

const isEnded = (received: Received): boolean => received.ended;

function toggle(socket: Socket): void {
  if (socket.isPaused()) socket.resume();
  else socket.pause();
}

/** Which connection is which is not ours to say. */
function sorted(contents: readonly Buffer[]): string[] {
  return contents.map((one) => one.toString("base64")).sort();
}

/** Writes all in pieces of any size, as fast as the socket takes it, then ends. */
async function write(socket: Socket, content: Buffer, random: () => number): Promise<void> {
  for (let at = 0; at < content.length; ) {
    const bytes = 1 + Math.floor(random() ** 4 * 30_000);
    if (!socket.write(content.subarray(at, at + bytes))) await once(socket, "drain");
    else if (random() < 0.5) await turns(1);
    at += bytes;
  }
  socket.end();
}

describe("a profile that is changed", () => {
  it("holds for what is sent afterwards, behind what is under way", async () => {
    const bench = await Bench.start({ delayMs: 100 });
    const { client, target } = await bench.connected();
    await bench.send(client, "slow");
    bench.impairer.set({ delayMs: 10 });
    await bench.send(client, "fast");
    await bench.advance(99);
    expect(textOf(target)).toBe("");
    await bench.advance(1);
    await until(() => textOf(target) === "slowfast");
    await bench.send(client, "!");
    await bench.advance(10);
    await until(() => textOf(target) === "slowfast!");
  });

  it("is refused as a whole when it is wrong", async () => {
    const bench = await Bench.start({ delayMs: 100 });
    expect(() => bench.impairer.set({ delayMs: 10, lossPercent: 100 })).toThrow("up.lossPercent");
    const { client, target } = await bench.connected();
    await bench.send(client, "slow");
    await bench.advance(99);
    expect(textOf(target)).toBe("");
  });
});

describe("a cut", () => {
  it("resets both ends of every connection, and drops what is under way", async () => {
    const bench = await Bench.start({ delayMs: 50 });
    const { client, target } = await bench.connected();
    const other = await bench.client();
    await bench.send(client, "lost");
    bench.impairer.cut();
    await until(() => client.closed && target.closed && other.closed);
    expect([client.error, target.error, other.error]).toEqual(["ECONNRESET", "ECONNRESET", "ECONNRESET"]);
    await bench.advance(1_000);
    expect(textOf(target)).toBe("");
    expect(bench.impairer.stats()).toMatchObject({ links: 0, up: { droppedBytes: 4, inFlightBytes: 0 } });
  });

  it("never looks like an orderly end to a receiver that lacks bytes", async () => {
    const bench = await Bench.start("lan");
    const { client, target } = await bench.connected();
    target.socket.pause();
    client.socket.end(Buffer.alloc(20_000_000));
    await until(() => bench.impairer.stats().up.pauses > 0);
    await turns();
    bench.impairer.cut();
    target.socket.resume();
    await until(() => target.closed);
    expect([target.ended, target.error]).toEqual([false, "ECONNRESET"]);
  });

  it("takes connections that are just ending with it", async () => {
    const bench = await Bench.start({ delayMs: 50 });
    const { client, target } = await bench.connected();
    client.socket.end();
    await turns();
    await bench.clock.advance(50);
    bench.impairer.cut();
    await until(() => bench.impairer.stats().links === 0);
    expect(target.ended).toBe(true);
  });

  it("turns new connections away for its duration", async () => {
    const bench = await Bench.start("lan");
    bench.impairer.cut(5_000);
    await bench.advance(4_999);
    const refused = await bench.client();
    await until(() => refused.closed);
    expect(bench.impairer.stats()).toMatchObject({ accepted: 0, refused: 1 });
    await bench.advance(1);
    const { client, target } = await bench.connected();
    client.socket.write("again");
    await until(() => textOf(target) === "again");
  });
});

describe("a frozen network", () => {
  it("delivers nothing and ends nothing, then everything in order", async () => {
    const bench = await Bench.start({ delayMs: 50 });
    const { client, target } = await bench.connected();
    await bench.send(client, "one ");
    await bench.advance(30);
    bench.impairer.freeze();
    await bench.send(client, "two ");
    await bench.send(target, "answer", "down");
    await bench.advance(60_000);
    expect([textOf(target), textOf(client), client.closed, target.closed]).toEqual(["", "", false, false]);
    bench.impairer.thaw();
    await bench.send(client, "three");
    await bench.advance(20);
    await until(() => textOf(target) === "one ");
    await bench.advance(30);
    await until(() => textOf(target) === "one two three" && textOf(client) === "answer");
  });

  it("can be silent in one direction only", async () => {
    const bench = await Bench.start("lan");
    const { client, target } = await bench.connected();
    bench.impairer.freeze("down");
    await bench.send(client, "question");
    await until(() => textOf(target) === "question");
    await bench.send(target, "answer", "down");
    await bench.advance(60_000);
    expect(textOf(client)).toBe("");
    expect(bench.impairer.stats()).toMatchObject({ up: { frozen: false }, down: { frozen: true } });
    bench.impairer.thaw("down");
    await until(() => textOf(client) === "answer");
  });

  it("keeps to the rate afterwards", async () => {
    const bench = await Bench.start({ rateBitsPerSecond: 80_000 });
    const { client } = await bench.connected();
    bench.impairer.freeze();
    await bench.send(client, "x".repeat(14_000));
    await bench.advance(60_000);
    bench.impairer.thaw();
    await bench.advance(1_000);
    expect(bench.impairer.stats().up.deliveredBytes).toBe(7 * 1_400);
  });

  it("stops reading a sender when the window is full, and delivers all of it afterwards", async () => {
    const bench = await Bench.start({ windowBytes: 50_000 });
    const { client, target } = await bench.connected();
    bench.impairer.freeze();
    const content = Buffer.alloc(10_000_000, "0123456789abcdefghijklmnopqrstuvwxyz.");
    client.socket.end(content);
    for (let i = 0; i < 20; i++) await bench.advance(100);
    expect(bench.impairer.stats().up.inFlightBytes).toBeLessThan(50_000 + 65_536);
    bench.impairer.thaw();
    await until(() => target.ended);
    expect(target.bytes().equals(content)).toBe(true);
  });

  it("does not tell the target that a client has gone", async () => {
    const bench = await Bench.start("lan");
    const { client, target } = await bench.connected();
    bench.impairer.freeze();
    client.socket.destroy();
    await bench.advance(60_000);
    expect([target.ended, target.closed]).toEqual([false, false]);
    bench.impairer.thaw();
    await until(() => target.ended);
  });

  test.each(["up", "down", undefined] as const)(
    "answers nobody who connects, frozen: %s",
    async (direction) => {
      const bench = await Bench.start({ delayMs: 50 });
      bench.impairer.freeze(direction);
      const client = await bench.client();
      await bench.send(client, "hello");
      await bench.advance(60_000);
      expect([bench.arrived.length, client.closed]).toEqual([0, false]);
      bench.impairer.thaw();
      await bench.advance(150);
      await until(() => bench.arrived.length === 1 && textOf(bench.target()) === "hello");
    },
  );

  it("forgets clients that gave up connecting", async () => {
    const bench = await Bench.start("lan");
    bench.impairer.freeze();
    const polite = await bench.client();
    const rude = await bench.client();
    await bench.send(polite, "hello");
    polite.socket.destroy();
    rude.socket.resetAndDestroy();
    await until(() => bench.impairer.stats().links === 0);
    bench.impairer.thaw();
    await bench.advance(1_000);
    expect(bench.arrived).toHaveLength(0);
  });

  it("holds a limited number of clients", async () => {
    const bench = await Bench.start("lan", { maxWaitingLinks: 2 });
    bench.impairer.freeze();
    const clients = [await bench.client(), await bench.client(), await bench.client()];
    await until(() => clients[2]?.closed === true);
    expect(clients.map((client) => client.closed)).toEqual([false, false, true]);
    expect(bench.impairer.stats()).toMatchObject({ links: 2, connecting: 2, refused: 1 });
  });
});

describe("the impairer itself", () => {
  it("holds a limited number of connections", async () => {
    const bench = await Bench.start("lan", { maxLinks: 1 });
    await bench.connected();
    const second = await bench.client();
    await until(() => second.closed);
    expect(bench.impairer.stats()).toMatchObject({ links: 1, refused: 1 });
  });

  it("resets everything when it closes, frees the port, and can be closed again", async () => {
    const bench = await Bench.start({ delayMs: 10 });
    const { client, target } = await bench.connected();
    await bench.send(client, "lost");
    await bench.impairer.close();
    await bench.impairer.close();
    await until(() => client.closed && target.closed);
    const next = await startImpairer({
      listen: { host, port: bench.impairer.port },
      target: { host, port: 1 },
      profile: "lan",
      seed: 1,
    });
    await next.close();
  });

  it("says when the port is taken", async () => {
    const bench = await Bench.start("lan");
    const { port } = bench.impairer;
    const second = startImpairer({ listen: { host, port }, target: { host, port }, profile: "lan", seed: 1 });
    await expect(second).rejects.toMatchObject({ code: "E_PORT_TAKEN" });
  });

  it("obeys commands", async () => {
    const bench = await Bench.start("lan");
    const { client } = await bench.connected();
    expect(runCommand(bench.impairer, "set sat600,lossPercent=0")).toBe("profile: sat600,lossPercent=0");
    expect(runCommand(bench.impairer, "freeze up")).toBe("frozen: up");
    expect(bench.impairer.stats().up.frozen).toBe(true);
    expect(runCommand(bench.impairer, "thaw")).toBe("thawed: up and down");
    expect(runCommand(bench.impairer, "stats")).toContain("links=1 connecting=0 accepted=1");
    expect(runCommand(bench.impairer, "links")).toContain("state=open");
    expect(runCommand(bench.impairer, " cut 5 ")).toBe("cut for 5 s");
    await until(() => client.closed);
    expect(runCommand(bench.impairer, "")).toBe("");
    expect(runCommand(bench.impairer, "quit")).toBeUndefined();
  });

  test.each(["cut x", "cut -1", "freeze left", "set nowhere", "stop", "cut 1 2"])(
    "refuses %j",
    async (line) => {
      const bench = await Bench.start("lan");
      expect(() => runCommand(bench.impairer, line)).toThrow(
        expect.objectContaining({ code: "E_BAD_OPTION" }),
      );
    },
  );
});
