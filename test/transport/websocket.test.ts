import { describe, expect, it, test } from "vitest";
import { systemClock } from "../../platform/clock.ts";
import {
  type ListenOptions,
  type ListenParts,
  maxGreetingBytes,
  PacedWork,
  webSocketTransport,
} from "../../transport/index.ts";
import { conformance, Harness } from "./conformance.ts";

const under = {
  transport: webSocketTransport,
  url: (port: number) => `wss://127.0.0.1:${port}/p/edge-1/events`,
};

describe("WebSocket", () => {
  conformance(under);
});

describe("WebSocket of a server that ends hung-up connections in turn", () => {
  const endings = () => new PacedWork(systemClock, { burst: 4, perSecond: 50 });
  const inTurn = {
    ...under,
    transport: {
      ...webSocketTransport,
      listen: (options: ListenOptions, parts: ListenParts) =>
        webSocketTransport.listen(options, { ...parts, endings: endings() }),
    },
  };
  conformance(inTurn);

  it("ends a few at once, and all of them", async () => {
    const harness = await new Harness(inTurn).listen();
    const clients = await Promise.all(Array.from({ length: 24 }, () => harness.dial()));
    const endedAt: number[] = [];
    for (const end of harness.accepted) void end.start().closed.then(() => endedAt.push(performance.now()));
    for (const { connection } of clients) connection.destroy({ code: "E_CLOSED", text: "gone" });
    await expect.poll(() => endedAt.length).toBe(24);
    // A burst of four; the other twenty need 0.4 s.
    expect((endedAt.at(-1) ?? 0) - (endedAt[0] ?? 0)).toBeGreaterThan(300);
  });
});

describe("a greeting that goes with the request", () => {
  it("is heard before all else, and the client learns that it was taken", async () => {
    const harness = await new Harness(under).listen();
    const greeting = Buffer.alloc(maxGreetingBytes, 7);
    const { greeted, connection } = await harness.dialRaw({ greeting });
    expect(greeted).toBe(true);
    connection.send([Buffer.from("after")]);
    const heard = await harness.accepted[0]?.start().got(2);
    expect(heard?.map(String)).toEqual([greeting.toString(), "after"]);
  });

  it("is not taken where there is none", async () => {
    expect(await (await new Harness(under).listen()).dialRaw({})).toMatchObject({ greeted: false });
  });

  it("is not taken by who does not speak our dialect", async () => {
    const heard: Buffer[][] = [];
    const harness = await new Harness(under).listen(
      {},
      {
        admit: () => ({
          dialect: "kubeedge",
          accept: (connection) => {
            const messages: Buffer[] = [];
            heard.push(messages);
            const data = (chunk: Uint8Array) => messages.push(Buffer.from(chunk));
            connection.start({ data, drained: () => undefined, closed: () => undefined });
          },
        }),
      },
    );
    const { greeted, connection, dialect } = await harness.dialAny({ greeting: Buffer.from("hello") });
    expect([dialect, greeted]).toEqual(["kubeedge", false]);
    connection.send([Buffer.from("first")]);
    await expect.poll(() => heard.flat().map(String)).toEqual(["first"]);
  });

  test.each([
    ["is not base64url", "never/this!"],
    ["is too long", Buffer.alloc(maxGreetingBytes + 1).toString("base64url")],
  ])("is refused if it %s", async (_what, header) => {
    const harness = await new Harness(under).listen();
    const headers = { Node_id: "edge-1", "hub-greeting": header };
    await expect(harness.dialRaw({ headers })).rejects.toMatchObject({
      code: "E_BAD_FRAME",
      message: expect.stringContaining("hub-greeting"),
    });
    expect([harness.refused, harness.accepted]).toEqual([["E_BAD_FRAME"], []]);
  });
});
