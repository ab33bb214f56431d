import { randomBytes } from "node:crypto";
import { describe, expect, it, onTestFinished } from "vitest";
import { HubError } from "../../protocol/index.ts";
import type {
  CloseReason,
  Connection,
  Dialled,
  DialOptions,
  ListenOptions,
  ListenParts,
  Transport,
  TransportListener,
} from "../../transport/index.ts";
import { type TestTls, testAuthority } from "../support/transport-certificates.ts";

/** One way to carry connections, for {@link conformance}. */
export interface TransportUnderTest {
  readonly transport: Transport;
  /** Where a listener on this port of 127.0.0.1 is dialled. */
  url(port: number): string;
}

/** Everything that happened to one end. */
export interface End {
  readonly connection: Connection;
  readonly messages: Buffer[];
  drained: number;
  readonly closed: Promise<CloseReason>;
  /** Begins to listen. */
  start(): End;
  /** Resolves when so many messages are there. */
  got(count: number): Promise<Buffer[]>;
}

const authority = testAuthority();
const hubTls = authority.then((ca) => ca.issue("hub", ["serverAuth"]));
const nodeTls = authority.then((ca) => ca.issue("edge-1", ["clientAuth"]));
const maxMessageBytes = 4 << 20;

export function endOf(connection: Connection): End {
  let heard: () => void = () => undefined;
  let end: (reason: CloseReason) => void = () => undefined;
  const closed = new Promise<CloseReason>((resolve) => (end = resolve));
  const one: End = {
    connection,
    messages: [],
    drained: 0,
    closed,
    start() {
      connection.start({
        data(chunk) {
          // The bytes are lent.
          one.messages.push(Buffer.from(chunk));
          heard();
        },
        drained() {
          one.drained++;
        },
        closed: end,
      });
      return one;
    },
    async got(count) {
      while (one.messages.length < count) {
        const reason = await Promise.race([new Promise<void>((resolve) => (heard = resolve)), closed]);
        if (reason)
          throw new Error(`closed with ${reason.code}: ${reason.text}, ${one.messages.length} messages came`);
      }
      return one.messages;
    },
  };
  return one;
}

/** A listener with one client after the other, all gone after the test. */
export class Harness {
  readonly accepted: End[] = [];
  readonly refused: string[] = [];
  readonly #under: TransportUnderTest;
  #listener: TransportListener | undefined;
  #port = 0;
  #came: () => void = () => undefined;

  constructor(under: TransportUnderTest) {
    this.#under = under;
  }

  get url(): string {
    return this.#under.url(this.#port);
  }

  get listener(): TransportListener {
    if (this.#listener === undefined) throw new Error("listen first");
    return this.#listener;
  }

  async listen(options: Partial<ListenOptions> = {}, parts: Partial<ListenParts> = {}): Promise<this> {
    const { key, cert, ca } = await hubTls;
    const listener = await this.#under.transport.listen(
      {
        host: "127.0.0.1",
        port: 0,
        tls: { key, cert, ca },
        clientCertificate: "require",
        maxMessageBytes,
        handshakeTimeoutMs: 5_000,
        maxConnections: 1_000,
        ...options,
      },
      {
        admit: () => ({
          dialect: "native",
          accept: (connection) => {
            this.accepted.push(endOf(connection));
            onTestFinished(() => connection.destroy({ code: "E_CLOSED", text: "the test is over" }));
            this.#came();
          },
        }),
        refused: (error) => void this.refused.push(error.code),
        ...parts,
      },
    );
    this.#listener = listener;
    this.#port = listener.port;
    onTestFinished(() => listener.close());
    return this;
  }

  async dial(options: Partial<DialOptions> = {}, signal = new AbortController().signal): Promise<End> {
    return endOf((await this.dialRaw(options, signal)).connection);
  }

  async dialRaw(options: Partial<DialOptions>, signal = new AbortController().signal): Promise<Dialled> {
    const dialled = await this.dialAny(options, signal);
    expect(dialled.dialect).toBe("native");
    return dialled;
  }

  /** Whatever the dialect. */
  async dialAny(options: Partial<DialOptions>, signal = new AbortController().signal): Promise<Dialled> {
    const dialled = await this.#under.transport.dial(
      this.url,
      {
        headers: { Node_id: "edge-1" },
        tls: options.tls ?? (await nodeTls),
        offerNative: true,
        handshakeTimeoutMs: 5_000,
        maxMessageBytes,
        probeEveryMs: 0,
        ...options,
      },
      signal,
    );
    onTestFinished(() => dialled.connection.destroy({ code: "E_CLOSED", text: "the test is over" }));
    return dialled;
  }

  /** Both ends of one connection. */
  async pair(): Promise<{ client: End; server: End }> {
    const count = this.accepted.length;
    const client = await this.dial();
    while (this.accepted.length === count) await new Promise<void>((resolve) => (this.#came = resolve));
    return { client, server: this.accepted[count] as End };
  }
}

/** The suite of a transport that cannot run here: each of its tests is reported as skipped, under the reason. */
export function conformanceSkipped(reason: string): void {
  const missing = (): Promise<never> => Promise.reject(new HubError("E_UNSUPPORTED", reason));
  const under = { transport: { scheme: "wt", dial: missing, listen: missing } as const, url: String };
  describe.skip(`skipped: ${reason}`, () => conformance(under));
}

async function failure(promise: Promise<unknown>): Promise<HubError> {
  const error = await promise.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HubError);
  return error as HubError;
}

/** What every transport promises. */
export function conformance(under: TransportUnderTest): void {
  const harness = (): Harness => new Harness(under);

  describe("messages", () => {
    it("come whole and in order, both ways at once", async () => {
      const { client, server } = await (await harness().listen()).pair();
      client.start();
      server.start();
      const sent = Array.from({ length: 500 }, (_, i) => randomBytes(1 + ((i * 7_919) % 9_000)));
      for (let i = 0; i < sent.length; i += 10) {
        client.connection.send(sent.slice(i, i + 10));
        server.connection.send(sent.slice(i, i + 10));
      }
      expect(Buffer.concat(await server.got(sent.length)).equals(Buffer.concat(sent))).toBe(true);
      expect((await client.got(sent.length)).map((one) => one.length)).toEqual(sent.map((one) => one.length));
    });

    it("may be as long as the limit, both ways at once", async () => {
      const { client, server } = await (await harness().listen()).pair();
      const long = randomBytes(maxMessageBytes);
      client.start().connection.send([long, Buffer.from("after")]);
      server.start().connection.send([long, Buffer.from("after")]);
      for (const end of [client, server]) {
        const [first, second] = await end.got(2);
        expect(first?.equals(long)).toBe(true);
        expect(second?.toString()).toBe("after");
      }
    });

    it("may be without any bytes: that is a ping", async () => {
      const { client, server } = await (await harness().listen()).pair();
      client.start().connection.send([Buffer.alloc(0)]);
      expect((await server.start().got(1)).map((one) => one.length)).toEqual([0]);
      server.connection.send([Buffer.alloc(0), Buffer.from("after"), Buffer.alloc(0)]);
      expect((await client.got(3)).map((one) => one.length)).toEqual([0, 5, 0]);
    });

    it("wait until somebody listens", async () => {
      const { client, server } = await (await harness().listen()).pair();
      client.start().connection.send([Buffer.from("early")]);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect((await server.start().got(1))[0]?.toString()).toBe("early");
    });

    it("are reported once as flushed, when all of a call have left", async () => {
      const { client, server } = await (await harness().listen()).pair();
      server.start();
      let flushed = 0;
      await new Promise<void>((resolve) => {
        client.start().connection.send([Buffer.from("a"), Buffer.from("b")], () => {
          flushed++;
          resolve();
        });
      });
      await server.got(2);
      expect(flushed).toBe(1);
    });

    it("count as heard before they are complete", async () => {
      const { client, server } = await (await harness().listen()).pair();
      server.start();
      client.start().connection.send([randomBytes(100_000)]);
      await server.got(1);
      expect(server.connection.bytesReceived).toBeGreaterThanOrEqual(100_000);
    });
  });

  describe("a peer that does not read", () => {
    it("makes the sender say full; when it reads, the sender says drained and nothing is lost", async () => {
      const { client, server } = await (await harness().listen()).pair();
      client.start();
      const piece = randomBytes(64 << 10);
      let sent = 0;
      while (client.connection.send([piece])) {
        sent++;
        expect(sent * piece.length, "bytes taken without saying full").toBeLessThan(64 << 20);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(server.connection.bytesReceived, "held for a program that does not read").toBeLessThan(8 << 20);
      await server.start().got(sent + 1);
      await expect.poll(() => client.drained).toBeGreaterThan(0);
    });
  });

  describe("a message above the limit", () => {
    it("ends the connection with E_TOO_LARGE before it is held", async () => {
      const { client, server } = await (await harness().listen({ maxMessageBytes: 10_000 })).pair();
      server.start();
      client.start().connection.send([randomBytes(10_000 + (70 << 10))]);
      expect((await server.closed).code).toBe("E_TOO_LARGE");
      await client.closed;
      expect(server.messages).toEqual([]);
    });
  });

  describe("the end", () => {
    it.each(["client", "server"] as const)("by the %s tells the other why", async (who) => {
      const ends = await (await harness().listen()).pair();
      const here = ends[who].start();
      const there = ends[who === "client" ? "server" : "client"].start();
      here.connection.send([Buffer.from("last words")]);
      here.connection.close({ code: "E_REPLACED", text: "a newer one came" });
      expect(await there.closed).toEqual({ code: "E_REPLACED", text: "a newer one came", remote: true });
      expect(await here.closed).toEqual({ code: "E_REPLACED", text: "a newer one came", remote: false });
      expect(there.messages.map(String)).toEqual(["last words"]);
    });

    it("at once comes as a lost link", async () => {
      const { client, server } = await (await harness().listen()).pair();
      client.start().connection.destroy({ code: "E_PEER_SILENT", text: "nothing heard" });
      expect(await server.start().closed).toMatchObject({ code: "E_LINK_LOST", remote: true });
      expect(await client.closed).toMatchObject({ code: "E_PEER_SILENT", remote: false });
    });

    it("makes sending harmless and flushes nothing", async () => {
      const { client } = await (await harness().listen()).pair();
      client.start().connection.destroy({ code: "E_CLOSED", text: "over" });
      let flushed = false;
      expect(client.connection.send([Buffer.from("x")], () => (flushed = true))).toBe(true);
      client.connection.close({ code: "E_CLOSED", text: "again" });
      await client.closed;
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(flushed).toBe(false);
    });
  });

  describe("who the other is", () => {
    it("is told to the hub by the certificate and the headers", async () => {
      let said: unknown;
      const one = await harness().listen(
        {},
        {
          admit: (request) => {
            said = [request.header("node_ID"), request.header("missing"), request.path, request.offersNative];
            return { dialect: "native", accept: (connection) => void one.accepted.push(endOf(connection)) };
          },
        },
      );
      await one.dial();
      await expect.poll(() => one.accepted.length).toBe(1);
      expect(said).toEqual(["edge-1", undefined, new URL(one.url).pathname, true]);
      const certificate = one.accepted[0]?.connection.peer.certificate;
      expect(Buffer.from(certificate ?? []).toString("base64")).toBe(
        (await nodeTls).cert.replace(/-----[^-]+-----|\s/g, ""),
      );
    });

    it.each(["none", "foreign", "expired"] as const)("must be proven: certificate %s", async (which) => {
      const one = await harness().listen(
        {},
        {
          admit: () => {
            throw new HubError("E_INTERNAL", "nobody should come so far");
          },
        },
      );
      expect((await failure(one.dial({ tls: await badTls(which) }))).message).not.toContain("so far");
    });

    it("is checked by the client too", async () => {
      const foreign = (await testAuthority("other-ca")).ca;
      const one = await harness().listen();
      const { code, retryable } = await failure(one.dial({ tls: { ...(await nodeTls), ca: foreign } }));
      expect({ code, retryable }).toEqual({ code: "E_IDENTITY", retryable: true });
      expect(one.accepted).toEqual([]);
    });

    it("refused, comes with code and words", async () => {
      const one = await harness().listen(
        {},
        {
          admit: () => {
            throw new HubError("E_REVOKED", "certificate 7 has been revoked");
          },
        },
      );
      const { code, message } = await failure(one.dial());
      expect({ code, message }).toEqual({ code: "E_REVOKED", message: "certificate 7 has been revoked" });
      expect(one.refused).toEqual(["E_REVOKED"]);
    });
  });

  describe("a listener", () => {
    it("says that its port is taken", async () => {
      const one = await harness().listen();
      const { code } = await failure(harness().listen({ port: one.listener.port }));
      expect(code).toBe("E_PORT_TAKEN");
    });

    it("serves many at once", async () => {
      const one = await harness().listen();
      const clients = await Promise.all(Array.from({ length: 50 }, () => one.dial()));
      await expect.poll(() => one.accepted.length).toBe(50);
      for (const end of one.accepted) {
        end.start();
        end.connection.send([Buffer.from("hello")]);
      }
      for (const client of clients) expect((await client.start().got(1)).map(String)).toEqual(["hello"]);
    });

    it("goes on with another certificate", async () => {
      const one = await harness().listen();
      one.listener.setTls(await (await authority).issue("hub", ["serverAuth"]));
      const isUp = (): Promise<boolean> =>
        one.dial({ handshakeTimeoutMs: 300 }).then(
          () => true,
          () => false,
        );
      await expect.poll(isUp, { timeout: 10_000 }).toBe(true);
    });

    it("closed, lets nobody in and frees its port", async () => {
      const one = await harness().listen();
      const { port } = one.listener;
      await one.listener.close();
      expect((await failure(one.dial({ handshakeTimeoutMs: 300 }))).code).toBe("E_LINK_LOST");
      await harness().listen({ port });
    });
  });

  describe("dialling", () => {
    it("can be given up", async () => {
      const one = await harness().listen({}, { admit: () => new Promise(() => undefined) });
      const abort = new AbortController();
      const dialled = failure(one.dial({}, abort.signal));
      setTimeout(() => abort.abort(), 50);
      expect((await dialled).code).toBe("E_ABORTED");
    });
  });
}

async function badTls(which: "none" | "foreign" | "expired"): Promise<Partial<TestTls>> {
  const { ca } = await authority;
  if (which === "none") return { ca };
  if (which === "foreign") return { ...(await (await testAuthority()).issue("edge-1", ["clientAuth"])), ca };
  return await (await authority).issue("edge-1", ["clientAuth"], { notAfter: Date.now() - 60_000 });
}
