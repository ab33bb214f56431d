import { expect, it } from "vitest";
import type { CloseReason } from "../../transport/index.ts";
import { StreamConnection, type StreamConnectionOptions } from "../../transport/stream-connection.ts";

const peer = { address: "test", certificate: undefined };

/** A connection whose stream goes nowhere, and what it wrote. */
function lonely(options: Partial<StreamConnectionOptions> = {}) {
  const written: Buffer[] = [];
  const ends: { code: string; text: string }[] = [];
  const connection = new StreamConnection(
    {
      write: (bytes, done) => {
        written.push(Buffer.from(bytes));
        done?.();
      },
      end: (reason) => void ends.push(reason),
    },
    { peer, maxMessageBytes: 1 << 20, ...options },
  );
  const messages: Buffer[] = [];
  const closed = new Promise<CloseReason>((resolve) =>
    connection.start({
      data: (chunk) => void messages.push(Buffer.from(chunk)),
      drained: () => undefined,
      closed: resolve,
    }),
  );
  return { connection, written, ends, messages, closed, bytes: () => Buffer.concat(written).length };
}

const header = (kind: number, number: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(kind * 0x1000_0000 + number);
  return bytes;
};

it("sends no more than the first window before the peer has taken anything", () => {
  const { connection, bytes } = lonely();
  expect(connection.send([Buffer.alloc(200_000)])).toBe(true);
  expect(bytes()).toBe(64 << 10);
  connection.arrived(header(2, 16 << 10));
  expect(bytes()).toBe(80 << 10);
});

it("closes a peer that takes nothing of what it has room for", async () => {
  const { connection, closed, ends } = lonely({ stallMs: 30 });
  connection.send([Buffer.alloc(200_000)]);
  expect(await closed).toMatchObject({
    code: "E_PEER_SILENT",
    text: expect.stringContaining("taken nothing"),
  });
  expect(ends).toHaveLength(1);
});

it("leaves a peer alone that takes a little at a time", async () => {
  const { connection, ends } = lonely({ stallMs: 60 });
  connection.send([Buffer.alloc(600_000)]);
  for (let i = 0; i < 8; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    connection.arrived(header(2, 16 << 10));
  }
  expect(ends).toEqual([]);
  connection.destroy({ code: "E_CLOSED", text: "" });
});

it("grants what it has taken, with whatever it sends or when it is much", () => {
  const { connection, written } = lonely();
  connection.arrived(Buffer.concat([header(1, 100), Buffer.alloc(100)]));
  expect(written).toEqual([]);
  connection.send([Buffer.from("hi")]);
  expect(Buffer.concat(written)).toEqual(Buffer.concat([header(1, 2), Buffer.from("hi"), header(2, 104)]));
  written.length = 0;
  for (let i = 0; i < 2; i++) connection.arrived(Buffer.concat([header(0, 8_188), Buffer.alloc(8_188)]));
  expect(Buffer.concat(written)).toEqual(header(2, 16 << 10));
});

it.each([
  ["credit for what was not sent", header(2, 1)],
  ["a second request", Buffer.concat([header(3, 2), Buffer.from("{}")])],
  ["a kind that does not exist", header(9, 0)],
])("closes a peer that sends %s", async (_name, bytes) => {
  const { connection, closed, ends } = lonely();
  connection.arrived(bytes);
  expect((await closed).code).toBe("E_BAD_FRAME");
  expect(ends[0]?.code).toBe("E_BAD_FRAME");
});

it("does not read on while others have their turn, and grants nothing meanwhile", async () => {
  const inflow = { perTurnBytes: 1_000, bytesPerSecond: 1 << 30, burstBytes: 1 << 20 };
  const { connection, messages, written } = lonely({ inflow });
  const message = Buffer.concat([header(1, 16_000), Buffer.alloc(16_000)]);
  for (let i = 0; i < 3; i++) connection.arrived(message);
  expect(messages).toHaveLength(1);
  expect(written).toEqual([]);
  await expect.poll(() => messages.length).toBe(3);
  expect(written.length).toBeGreaterThan(0);
});
