import { afterEach, describe, expect, it, vi } from "vitest";
import { certificateFor, kubeEdgeCa, otherCa } from "./certificates.ts";
import { eventually } from "./patience.ts";
import { switching } from "./stock-cloud.ts";
import { agentForTest, connectedAgent } from "./test-agent.ts";

/** A stock cloud that goes away, says nothing or says no, played against our agent. */

afterEach(() => {
  vi.useRealTimers();
});

const upload = (value: number) => ({
  source: "bus",
  group: "user",
  operation: "upload",
  resource: "default/test/up",
  content: { value },
});

describe("a cloud that goes away", () => {
  it.each([
    ["closes without a close frame", "end"],
    ["resets the connection", "reset"],
  ] as const)("is dialled again at once when it %s, though nothing was to be sent", async (_name, how) => {
    const { edge, cloud, link } = await connectedAgent();
    link[how]();
    const next = await cloud.nextLink();
    expect(await next.next()).toMatchObject({ route: { operation: "keepalive" } });
    expect(cloud.dials).toHaveLength(2);
    expect(edge.status().dialect).toBe("kubeedge");
  });

  it("gets what the edge had to say meanwhile, in order, behind the first heartbeat", async () => {
    const { edge, cloud, link } = await connectedAgent({
      edge: { hub: { reconnectMinMs: 50, reconnectMaxMs: 100 } },
    });
    link.end();
    await link.ended();
    for (const value of [1, 2, 3]) await edge.publish(upload(value));
    const next = await cloud.nextLink();
    expect((await next.take(4)).map(({ content }) => content)).toEqual([
      "ping",
      { value: 1 },
      { value: 2 },
      { value: 3 },
    ]);
    await eventually(() => edge.status().outbox.messages).toBe(0);
  });
});

describe("a cloud that is silent", () => {
  const probeEveryMs = 5_000;

  it("is noticed by two probes without an answer, and dialled again", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const { cloud, link } = await connectedAgent();
    link.freeze();
    vi.advanceTimersByTime(2 * probeEveryMs);
    expect(await (await cloud.nextLink()).next()).toMatchObject({ content: "ping" });
  });

  it("is kept as long as its WebSocket library answers, for a stock cloud has nothing to say of its own", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const { edge, cloud, link } = await connectedAgent();
    for (let i = 0; i < 6; i++) {
      vi.advanceTimersByTime(probeEveryMs);
      expect(await link.sentSoFar()).toEqual([]);
      // The pong is on its way before the answer to this is.
      await link.sentSoFar();
    }
    expect(edge.status().dialect).toBe("kubeedge");
    expect(cloud.dials).toHaveLength(1);
  });

  it("from the upgrade on is given up, and dialled again", async () => {
    let dials = 0;
    const answer = (accept: string) => (++dials === 1 ? undefined : switching(accept));
    const { cloud } = await connectedAgent({ cloud: { answer }, edge: { hub: { handshakeTimeoutMs: 200 } } });
    expect(cloud.dials).toHaveLength(2);
  });
});

describe("a cloud that says no", () => {
  const no = (head: string) => `HTTP/1.1 ${head}\r\nContent-Length: 3\r\n\r\nno\n`;
  const wrongKey = switching("c29tZXRoaW5nIGVsc2U=");

  it.each([
    ["400", no("400 Bad Request"), /answered 400/],
    ["500", no("500 Internal Server Error"), /answered 500/],
    [
      "301, as for a path with two slashes",
      no("301 Moved Permanently\r\nLocation: /elsewhere"),
      /answered 301/,
    ],
    ["something that is no HTTP", "\u0015\u0003\u0003\r\n\r\n", /Parse Error|HTTP/],
    ["101 with the accept of another key", wrongKey, /Sec-WebSocket-Accept/],
    [
      "101 with a subprotocol nobody offered",
      wrongKey.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n"),
      /./,
    ],
  ])("with %s is dialled again, and the reason is logged", async (_name, said, reason) => {
    let dials = 0;
    const answer = (accept: string) => (++dials < 3 ? said : switching(accept));
    const { edge, cloud, logged } = await agentForTest({ cloud: { answer } });
    await eventually(() => edge.status().dialect).toBe("kubeedge");
    expect(cloud.dials).toHaveLength(3);
    expect(logged).toContainEqual(
      expect.objectContaining({ event: "no connection to the hub", text: expect.stringMatching(reason) }),
    );
  });
});

describe("a server that is not the cloud which this node joined", () => {
  const names = { usages: ["serverAuth"] as const, alternativeNames: ["127.0.0.1"] };

  it("is told nothing, not even the node's name", async () => {
    const tls = await certificateFor("server", { ca: await otherCa(), ...names });
    const { edge, cloud, logged } = await agentForTest({ cloud: { tls: asText(tls) } });
    await eventually(() => logged.map(({ event }) => event)).toContain("no connection to the hub");
    expect(cloud.dials).toEqual([]);
    expect(edge.status()).toMatchObject({ joined: true, dialect: undefined });
  });

  it("is named as that in the log, and dialled again with long pauses", async () => {
    const tls = await certificateFor("server", { ca: await otherCa(), ...names });
    const { logged } = await agentForTest({ cloud: { tls: asText(tls) } });
    await eventually(() => logged).toContainEqual(
      expect.objectContaining({ code: "E_IDENTITY", retryInMs: 30_000 }),
    );
  });

  it("is recognised by its CA alone: its name in the certificate may be any, its address must be there", async () => {
    const tls = await certificateFor("server", { ca: kubeEdgeCa, ...names, alternativeNames: ["192.0.2.1"] });
    const { logged } = await agentForTest({ cloud: { tls: asText(tls) } });
    await eventually(() => logged).toContainEqual(
      expect.objectContaining({ code: "E_IDENTITY", text: expect.stringMatching(/altnames|IP/) }),
    );
  });
});

function asText({ cert, key }: Awaited<ReturnType<typeof certificateFor>>): { cert: string; key: string } {
  return { cert: String(cert), key: String(key) };
}
