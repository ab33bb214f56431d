import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createConnection } from "node:net";
import { describe, expect, it, test } from "vitest";
import { readCertificate, signWith } from "../../platform/certificate.ts";
import { PeerHandshake } from "../../protocol/index.ts";
import { webTransport } from "../../transport/index.ts";
import { encodeFrame } from "../../transport/stream-frames.ts";
import { requestText } from "../../transport/stream-request.ts";
import { randomOf, seeds } from "../support/seeds.ts";
import { type TestTls, testAuthority } from "../support/transport-certificates.ts";
import { Harness } from "./conformance.ts";
import {
  capsule,
  capsules,
  firstOneWay,
  firstStream,
  onStream,
  type RawSession,
  rawSession,
  rawTls,
} from "./raw-session.ts";

const authority = await testAuthority();
const hubTls = await authority.issue("hub", ["serverAuth"]);
const nodeTls = await authority.issue("edge-1", ["clientAuth"]);
const { ca } = authority;
const under = { transport: webTransport, url: (port: number) => `https://127.0.0.1:${port}/p/edge-1/events` };
const reason = (code: string) => expect.objectContaining({ code });

/** A listener; what it turned away is in `refused`. */
async function hub(options: { handshakeTimeoutMs?: number } = {}): Promise<Harness> {
  return await new Harness(under).listen({ tls: { key: hubTls.key, cert: hubTls.cert, ca }, ...options });
}

/** An honest client's handshake with the hub at the other end of this session. */
function handshake(
  session: RawSession,
  { cert, key }: TestTls,
  more: { certificate?: string; hub?: Uint8Array } = {},
) {
  return new PeerHandshake({
    nonce: randomBytes(32),
    certificate: readCertificate(more.certificate ?? cert).der,
    request: Buffer.from(requestText("/", { Node_id: "edge-1" })),
    hubFingerprint: createHash("sha256")
      .update(more.hub ?? (session.tls.getPeerX509Certificate()?.raw as Buffer))
      .digest(),
    sign: (bytes) => signWith(key, bytes),
  });
}

/** Says both words. @returns The hub's answer. */
async function shake(session: RawSession, peer: PeerHandshake): Promise<{ code?: string; dialect?: string }> {
  session.write(onStream(firstStream, encodeFrame("hello", peer.hello)));
  const challenge = await session.next();
  expect(challenge.kind).toBe("challenge");
  session.write(onStream(firstStream, encodeFrame("proof", peer.prove(challenge.bytes))));
  return JSON.parse((await session.next()).bytes.toString());
}

describe("a handshake over a real connection", () => {
  it("lets in who holds the key of its certificate", async () => {
    const one = await hub();
    const session = await rawSession(one.listener.port, ca);
    expect(await shake(session, handshake(session, nodeTls))).toEqual({ dialect: "native" });
    await expect.poll(() => one.accepted.length).toBe(1);
  });

  it("is about the certificate of its connection, though the hub has got another one meanwhile", async () => {
    const one = await hub();
    const session = await rawSession(one.listener.port, ca);
    one.listener.setTls({ ...(await authority.issue("hub", ["serverAuth"])) });
    expect(await shake(session, handshake(session, nodeTls))).toEqual({ dialect: "native" });
  });

  it("forged with another key is refused and counted", async () => {
    const one = await hub();
    const session = await rawSession(one.listener.port, ca);
    const forger = await authority.issue("edge-2", ["clientAuth"]);
    expect(await shake(session, handshake(session, forger, { certificate: nodeTls.cert }))).toEqual(
      reason("E_IDENTITY"),
    );
    await session.ended;
    expect(one.refused).toEqual(["E_IDENTITY"]);
    expect(one.accepted).toEqual([]);
  });

  it("recorded and replayed is refused", async () => {
    const one = await hub();
    const first = await rawSession(one.listener.port, ca);
    const peer = handshake(first, nodeTls);
    const said: Buffer[] = [encodeFrame("hello", peer.hello)];
    first.write(onStream(firstStream, said[0] as Buffer));
    said.push(encodeFrame("proof", peer.prove((await first.next()).bytes)));
    first.write(onStream(firstStream, said[1] as Buffer));
    expect((await first.next()).bytes.toString()).toBe('{"dialect":"native"}');
    const second = await rawSession(one.listener.port, ca);
    second.write(onStream(firstStream, said[0] as Buffer));
    await second.next();
    second.write(onStream(firstStream, said[1] as Buffer));
    expect(JSON.parse((await second.next()).bytes.toString())).toEqual(reason("E_IDENTITY"));
    expect(one.accepted).toHaveLength(1);
  });

  it("passed on by somebody in between is refused, though his certificate is of the same authority", async () => {
    const one = await hub();
    const between = await authority.issue("hub", ["serverAuth"]);
    const session = await rawSession(one.listener.port, ca);
    const deceived = handshake(session, nodeTls, { hub: readCertificate(between.cert).der });
    expect(await shake(session, deceived)).toEqual(reason("E_IDENTITY"));
    expect(one.accepted).toEqual([]);
  });

  test.each([
    ["of a server", async () => await authority.issue("edge-1", ["serverAuth"])],
    [
      "that has ended",
      async () => await authority.issue("edge-1", ["clientAuth"], { notAfter: Date.now() - 60_000 }),
    ],
    [
      "of another authority",
      async () => await (await testAuthority("other-ca")).issue("edge-1", ["clientAuth"]),
    ],
  ])("with a certificate %s is refused", async (_what, issue) => {
    const one = await hub();
    const session = await rawSession(one.listener.port, ca);
    expect(await shake(session, handshake(session, await issue()))).toEqual(reason("E_IDENTITY"));
    expect(one.accepted).toEqual([]);
  });

  test.each([
    ["that is too long", Buffer.from([0x6f, 0xff, 0xff, 0xff])],
    ["that is no hello", encodeFrame("request", "{}")],
    ["with fields cut off", encodeFrame("hello", Uint8Array.of(0, 9, 1))],
    ["of no kind", Buffer.from([0xf0, 0, 0, 0])],
    ["that is data", Buffer.from([0x10, 0, 0, 1, 7])],
  ])("that begins with a word %s is refused", async (_what, bytes) => {
    const one = await hub();
    const session = await rawSession(one.listener.port, ca);
    session.write(onStream(firstStream, bytes));
    await session.ended;
    expect(one.refused).toHaveLength(1);
    expect(one.refused[0]).toMatch(/^E_(BAD_FRAME|UNSUPPORTED|TOO_LARGE)$/);
  });

  it("is no place to store things: a flood before it is cut off", async () => {
    const one = await hub();
    const session = await rawSession(one.listener.port, ca);
    session.write(onStream(firstStream, Buffer.from([0x60, 0, 0x3f, 0])));
    for (let i = 0; i < 64; i++) session.write(onStream(firstStream, Buffer.alloc(16_000)));
    await session.ended;
    expect(one.refused).toHaveLength(1);
    expect(one.accepted).toEqual([]);
  });
});

describe("who dawdles is cut off with E_TIMEOUT", () => {
  const slow = { handshakeTimeoutMs: 300 };

  it("before TLS", async () => {
    const one = await hub(slow);
    const socket = createConnection(one.listener.port, "127.0.0.1");
    socket.on("error", () => undefined);
    await once(socket, "close");
    expect(one.refused).toEqual(["E_TIMEOUT"]);
  });

  it("after TLS", async () => {
    const one = await hub(slow);
    const socket = await rawTls(one.listener.port, ca);
    await once(socket.resume(), "close");
    expect(one.refused).toEqual(["E_TIMEOUT"]);
  });

  it("with a session and nothing on it", async () => {
    const one = await hub(slow);
    await (await rawSession(one.listener.port, ca)).ended;
    expect(one.refused).toEqual(["E_TIMEOUT"]);
  });

  it("with a hello that comes byte by byte", async () => {
    const one = await hub(slow);
    const session = await rawSession(one.listener.port, ca);
    const hello = encodeFrame("hello", handshake(session, nodeTls).hello);
    let at = 0;
    const drip = setInterval(() => session.write(onStream(firstStream, hello.subarray(at, ++at))), 5);
    await session.ended;
    clearInterval(drip);
    expect(one.refused).toEqual(["E_TIMEOUT"]);
  });
});

describe("a peer that opens what it should not", () => {
  const many = (first: number): Buffer =>
    Buffer.concat(Array.from({ length: 10_000 }, (_, i) => onStream(first + 4 * i, Buffer.from("x"))));

  test.each([
    ["10,000 streams", () => many(firstStream)],
    ["10,000 streams that go one way", () => many(firstOneWay)],
    ["a stream in the hub's name", () => onStream(4, Buffer.from("x"))],
    ["a datagram", () => capsule(capsules.datagram, Buffer.from("x"))],
    ["a capsule longer than any window", () => Buffer.from([0x99, 0x0b, 0x4d, 0x3d, 0xbf, 0xff, 0xff, 0xff])],
  ])("(%s) before the handshake is cut off", async (_what, bytes) => {
    const one = await hub();
    const session = await rawSession(one.listener.port, ca);
    session.write(bytes());
    await session.ended;
    expect(one.refused).toEqual(["E_BAD_FRAME"]);
  });

  test.each([
    ["10,000 streams", () => many(firstStream + 4)],
    ["10,000 streams that go one way", () => many(firstOneWay)],
    ["a stream in the hub's name", () => onStream(4, Buffer.from("x"))],
    [
      "10,000 datagrams",
      () => Buffer.concat(Array.from({ length: 10_000 }, () => capsule(capsules.datagram, randomBytes(100)))),
    ],
  ])("(%s) on a connection that is up ends it with a reason; others stay", async (_what, bytes) => {
    const one = await hub();
    const other = (await one.dial({ tls: nodeTls })).start();
    const session = await rawSession(one.listener.port, ca);
    await shake(session, handshake(session, nodeTls));
    await expect.poll(() => one.accepted.length).toBe(2);
    const [bystander, guilty] = one.accepted.map((end) => end.start());
    session.write(bytes());
    expect(await guilty?.closed).toEqual(reason("E_BAD_FRAME"));
    await session.ended;
    expect(session.reason).toMatch(/^E_BAD_FRAME: it breaks the rules of this link: /);
    bystander?.connection.send([Buffer.from("still here")]);
    expect((await other.got(1)).map(String)).toEqual(["still here"]);
  });

  it("(10,000 sessions) is cut off", async () => {
    const one = await hub();
    const session = await rawSession(one.listener.port, ca);
    await shake(session, handshake(session, nodeTls));
    const [guilty] = one.accepted.map((end) => end.start());
    for (let i = 0; i < 10_000 && !session.http2.destroyed && !session.http2.closed; i++)
      session.http2
        .request({ ":method": "CONNECT", ":protocol": "webtransport", ":scheme": "https", ":path": "/hub" })
        .on("error", () => undefined);
    expect(await guilty?.closed).toEqual(reason("E_BAD_FRAME"));
    await session.ended;
  });

  it.each([false, true])(
    "(an end of its session, and nothing more) is cut off; after a drain: %s",
    async (drains) => {
      const one = await hub();
      const session = await rawSession(one.listener.port, ca);
      await shake(session, handshake(session, nodeTls));
      await expect.poll(() => one.accepted.length).toBe(1);
      if (drains) session.write(capsule(0x78ae, Buffer.alloc(0)));
      session.write(capsule(capsules.close, Buffer.from([0, 0, 0, 1])));
      expect(await one.accepted[0]?.start().closed).toEqual(reason("E_LINK_LOST"));
      await session.ended;
    },
  );

  it("(another path) gets nothing and is cut off", async () => {
    const one = await hub();
    const session = await rawSession(one.listener.port, ca, "/other");
    const [headers] = await once(session.stream, "response");
    expect(headers[":status"]).toBe(404);
    await session.ended;
    expect(one.refused).toEqual(["E_LINK_LOST"]);
  });

  it("(what is no HTTP/2) is cut off", async () => {
    const one = await hub();
    const socket = await rawTls(one.listener.port, ca);
    socket.write(Buffer.alloc(1_000, "no HTTP/2 at all "));
    await once(socket.resume(), "close");
    expect(one.refused).toEqual(["E_BAD_FRAME"]);
  });

  it("(HTTP/1, or a WebSocket over it) is cut off", async () => {
    const one = await hub();
    const socket = await rawTls(one.listener.port, ca, ["http/1.1"]);
    socket.write("GET /hub HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    await once(socket.resume(), "close");
    expect(one.refused).toEqual(["E_BAD_FRAME"]);
  });
});

describe("a peer that sends more than it was granted", () => {
  it("to a program that does not listen is cut off, and little of it is held", async () => {
    const one = await hub();
    const session = await rawSession(one.listener.port, ca);
    await shake(session, handshake(session, nodeTls));
    await expect.poll(() => one.accepted.length).toBe(1);
    const [server] = one.accepted;
    const part = Buffer.concat([Buffer.from([0x00, 0x00, 0x3f, 0x00]), Buffer.alloc(0x3f00)]);
    let sent = 0;
    const ended = session.ended.then(() => true);
    while (
      !(await Promise.race([ended, new Promise<false>((resolve) => setImmediate(() => resolve(false)))]))
    ) {
      if (session.stream.writableLength < 1 << 20) session.write(onStream(firstStream, part));
      sent += part.length;
    }
    expect(sent).toBeGreaterThan(120_000);
    expect(server?.connection.bytesReceived).toBeLessThan(2 << 20);
    expect(await server?.start().closed).toEqual(reason("E_WINDOW_EXCEEDED"));
  });
});

test("a client refuses a hub of its authority under another name", async () => {
  const elsewhere = await authority.issue("hub", ["serverAuth"], { names: ["hub.example"] });
  const one = await new Harness(under).listen({ tls: { ...elsewhere } });
  const dialled = one.dial({ tls: nodeTls });
  await expect(dialled).rejects.toEqual(reason("E_IDENTITY"));
  expect(one.accepted).toEqual([]);
});

describe("whatever a peer says", () => {
  const types = [
    ...Object.values(capsules),
    ...Array.from({ length: 13 }, (_, i) => 0x190b4d38 + i),
    0x78ae,
    0x1fff_ffff,
  ];

  /** Those that alone break no rule, so that others come after them: ends, resets, credit. */
  const tame = types.filter((type) => type > 0x190b4d38 && type < 0x190b4d45 && type !== 0x190b4d3b);

  /** A capsule of any kind, about a stream that is there, or one that is not. */
  function anyCapsule(random: () => number): Buffer {
    const below = (most: number): number => Math.floor(random() * most);
    const payload = Buffer.from(Array.from({ length: below(12) }, () => below(256)));
    if (payload.length > 0 && random() < 0.8) payload[0] = random() < 0.7 ? firstStream : below(6);
    const type = (random() < 0.8 ? tame : types)[below(9)] as number;
    const bytes = capsule(type, payload);
    return random() < 0.1 ? bytes.subarray(0, below(bytes.length)) : bytes;
  }

  test.each(seeds(20))("the hub goes on and others stay, seed %i", async (seed) => {
    const random = randomOf(seed);
    const one = await hub();
    const other = (await one.dial({ tls: nodeTls })).start();
    for (let peer = 0; peer < 5; peer++) {
      const session = await rawSession(one.listener.port, ca);
      if (random() < 0.5) {
        await shake(session, handshake(session, nodeTls));
        one.accepted.at(-1)?.start();
      }
      for (let i = 0; i < 40 && !session.stream.destroyed; i++) session.write(anyCapsule(random));
      await new Promise((resolve) => setImmediate(resolve));
      session.tls.destroy();
    }
    one.accepted[0]?.start().connection.send([Buffer.from("still here")]);
    expect((await other.got(1)).map(String)).toEqual(["still here"]);
  });
});
