import { describe, expect, it, test } from "vitest";
import {
  type CloseReason,
  type Connection,
  maxGreetingBytes,
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

describe("a peer that has hung up", () => {
  it("is ended by who listens for that, and nothing is sent to it meanwhile", async () => {
    const harness = await new Harness(under).listen();
    const client = await harness.dial();
    const server = harness.accepted[0]?.connection as Connection;
    const heard: string[] = [];
    const closed = new Promise<CloseReason>((resolve) =>
      server.start({
        data: (chunk) => heard.push(Buffer.from(chunk).toString()),
        drained: () => undefined,
        hungUp: () => heard.push("hung up"),
        closed: resolve,
      }),
    );
    client.connection.send([Buffer.from("last words")]);
    client.start().connection.destroy({ code: "E_CLOSED", text: "gone" });
    await expect.poll(() => heard).toEqual(["last words", "hung up"]);
    let left = false;
    expect(server.send([Buffer.from("in vain")], () => (left = true))).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 50));
    server.destroy({ code: "E_LINK_LOST", text: "the peer hung up" });
    expect(await closed).toMatchObject({ code: "E_LINK_LOST" });
    expect(left).toBe(false);
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
