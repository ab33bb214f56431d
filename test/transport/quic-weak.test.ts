import { createSocket } from "node:dgram";
import { expect, it, onTestFinished } from "vitest";
import { nativeDialect } from "../../protocol/index.ts";
import { startUdpImpairer, type UdpImpairer, type UdpImpairerOptions } from "../../testbed/impairer/index.ts";
import { type Connection, quicTransport, type TransportListener } from "../../transport/index.ts";
import { loadQuic, quicProtocol, quicTerms } from "../../transport/quic-package.ts";
import { testAuthority } from "../support/transport-certificates.ts";
import { type End, endOf } from "./conformance.ts";

const authority = testAuthority();
const nodeTls = authority.then((ca) => ca.issue("edge-1", ["clientAuth"]));
const host = "127.0.0.1";
const over = { code: "E_CLOSED", text: "the test is over" } as const;

interface Hub {
  readonly listener: TransportListener;
  readonly accepted: Connection[];
  readonly refused: string[];
}

async function startHub(handshakeTimeoutMs = 5_000): Promise<Hub> {
  const { ca, cert, key } = await (await authority).issue("hub", ["serverAuth"]);
  const accepted: Connection[] = [];
  const refused: string[] = [];
  const listener = await quicTransport.listen(
    {
      host,
      port: 0,
      tls: { ca, cert, key },
      clientCertificate: "require",
      maxMessageBytes: 4 << 20,
      handshakeTimeoutMs,
      maxConnections: 100,
    },
    {
      admit: () => ({ dialect: "native", accept: (connection) => void accepted.push(connection) }),
      refused: (error) => void refused.push(`${error.code}: ${error.message}`),
    },
  );
  onTestFinished(() => listener.close());
  return { listener, accepted, refused };
}

async function relayTo(port: number, options: Partial<UdpImpairerOptions>): Promise<UdpImpairer> {
  const relay = await startUdpImpairer({
    listen: { host, port: 0 },
    target: { host, port },
    profile: {},
    seed: 1,
    ...options,
  });
  onTestFinished(() => relay.close());
  return relay;
}

async function dial(port: number, handshakeTimeoutMs = 10_000): Promise<End> {
  const { connection } = await quicTransport.dial(
    `quic://${host}:${port}/p/edge-1/events`,
    {
      headers: {},
      tls: await nodeTls,
      offerNative: true,
      handshakeTimeoutMs,
      maxMessageBytes: 4 << 20,
      probeEveryMs: 0,
    },
    new AbortController().signal,
  );
  onTestFinished(() => connection.destroy(over));
  return endOf(connection);
}

/** Both ends, over a relay. */
async function pairOver(
  options: Partial<UdpImpairerOptions>,
): Promise<{ relay: UdpImpairer; client: End; server: End }> {
  const hub = await startHub();
  const relay = await relayTo(hub.listener.port, options);
  const client = await dial(relay.port);
  await expect.poll(() => hub.accepted.length).toBe(1);
  return { relay, client: client.start(), server: endOf(hub.accepted[0] as Connection).start() };
}

it("needs no datagram of more than 1,200 bytes: of longer ones, which try what the path carries, none is missed", async () => {
  const { relay, client, server } = await pairOver({ maxDatagramBytes: 1_200 });
  const long = Buffer.alloc(200_000, 7);
  client.connection.send([long]);
  server.connection.send([long]);
  expect((await server.got(1))[0]?.equals(long)).toBe(true);
  expect((await client.got(1))[0]?.equals(long)).toBe(true);
  const { tooLong, longestBytes, passed } = relay.stats();
  expect(longestBytes).toBeGreaterThan(1_200);
  expect(tooLong / passed, "share of what the path dropped").toBeLessThan(0.2);
});

it("loses nothing and keeps the order where packets get lost", async () => {
  const { relay, client, server } = await pairOver({ profile: { delayMs: 5, lossPercent: 10 }, seed: 7 });
  const sent = Array.from({ length: 200 }, (_, i) => Buffer.from(`${i} ${"x".repeat(i * 10)}`));
  for (const one of sent) client.connection.send([one]);
  expect(Buffer.concat(await server.got(sent.length)).equals(Buffer.concat(sent))).toBe(true);
  expect(relay.stats().lost).toBeGreaterThan(10);
});

it("does not flood a thin path: what is under way is bounded from the first byte on", async () => {
  const rate = { delayMs: 20, rateBitsPerSecond: 2_000_000, queueBytes: 64 << 10 };
  const { relay, client, server } = await pairOver({ profile: rate });
  client.connection.send(Array.from({ length: 40 }, () => Buffer.alloc(10_000)));
  await server.got(40);
  const { passed, overflowed } = relay.stats();
  expect(overflowed / passed, "share of datagrams dropped for want of room").toBeLessThan(0.2);
});

it("goes on after a silence of the path", async () => {
  const { relay, client, server } = await pairOver({});
  relay.block();
  client.connection.send([Buffer.from("into the dark")]);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(server.messages).toEqual([]);
  relay.unblock();
  expect((await server.got(1)).map(String)).toEqual(["into the dark"]);
});

it("gives up on a port that answers nothing", async () => {
  const hole = createSocket("udp4");
  await new Promise<void>((resolve) => hole.bind(0, host, () => resolve()));
  onTestFinished(() => void hole.close());
  await expect(dial(hole.address().port, 200)).rejects.toMatchObject({
    code: "E_LINK_LOST",
    retryable: true,
  });
});

/** A client that keeps no rules but TLS's. */
async function stranger(port: number) {
  const { connectQuicAsync } = await loadQuic();
  const session = await connectQuicAsync(
    { host, port, servername: "localhost" },
    { ...quicTerms, alpn: [quicProtocol], ...(await nodeTls) },
  );
  session.on("error", () => undefined);
  onTestFinished(() => void session.close().catch(() => undefined));
  const closed = new Promise<string>((resolve) => session.on("close", ({ reason }) => resolve(reason)));
  return { session, closed };
}

it("closes a peer that opens 10,000 streams, and says why", async () => {
  const hub = await startHub();
  const { session, closed } = await stranger(hub.listener.port);
  let opened = 0;
  for (; opened < 10_000; opened++) {
    try {
      const stream = session.openStream();
      stream.on("error", () => undefined);
      stream.write("x");
    } catch {
      // QUIC itself allows no more at a time.
      break;
    }
  }
  expect(opened).toBeLessThan(10);
  expect(await closed).toBe("E_BAD_FRAME: it opened a second stream; a connection has one");
  expect(hub.refused).toEqual(["E_BAD_FRAME: it opened a second stream; a connection has one"]);
  expect(hub.accepted).toEqual([]);
});

it("closes a peer that shakes hands and then says nothing", async () => {
  const hub = await startHub(200);
  const { closed } = await stranger(hub.listener.port);
  expect(await closed).toBe("E_TIMEOUT: no complete request within the time limit");
  expect(hub.refused).toHaveLength(1);
});

it.each([
  ["no frame", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ["another first frame", Buffer.from([0x20, 0, 0, 9])],
  ["no JSON", Buffer.concat([Buffer.from([0x30, 0, 0, 4]), Buffer.from("nope")])],
])("turns away a peer whose request is none: %s", async (_name, bytes) => {
  const hub = await startHub();
  const { session } = await stranger(hub.listener.port);
  const stream = session.openStream();
  stream.on("error", () => undefined);
  let answer = "";
  stream.on("data", (chunk: Buffer) => (answer += chunk.toString()));
  stream.write(bytes);
  await expect.poll(() => answer).toContain("E_BAD_FRAME");
  expect(hub.refused).toHaveLength(1);
});

it("closes a peer that sends more than it was granted while nobody reads", async () => {
  const hub = await startHub();
  const { session, closed } = await stranger(hub.listener.port);
  const stream = session.openStream();
  stream.on("error", () => undefined);
  const request = Buffer.from(JSON.stringify({ path: "/", headers: {}, dialects: [nativeDialect] }));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(0x3000_0000 + request.length);
  stream.write(Buffer.concat([head, request]));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const part = Buffer.alloc(16 << 10);
  part.writeUInt32BE(0x1000_0000 + part.length - 4);
  for (let i = 0; i < 64; i++) stream.write(part);
  expect(await closed).toContain("E_WINDOW_EXCEEDED");
  expect(hub.accepted).toHaveLength(1);
});
