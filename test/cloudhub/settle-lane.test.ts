import { expect, it } from "vitest";
import { SettleBatch } from "../../cloudhub/store/settle-batch.ts";
import { SettleLane } from "../../cloudhub/store/settle-lane.ts";
import { type StoreOp, settleWidth } from "../../cloudhub/store/sqlite-ops.ts";
import { TurnShare } from "../../cloudhub/store/turn-share.ts";
import type { Writer } from "../../platform/writer.ts";
import { HubError, type Settled } from "../../protocol/index.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** A writer whose transactions end when the test says so; notes which positions each one settles. */
function world() {
  const transactions: number[][] = [];
  let open: { end(error?: HubError): void }[] = [];
  const writer: Writer<StoreOp> = {
    call: () => Promise.reject(new Error("only settles are expected")),
    callLater: <T>(op: () => StoreOp) =>
      new Promise<T>((resolve, reject) => {
        setImmediate(() => {
          const { rows } = op() as Extract<StoreOp, { op: "settle" }>;
          transactions.push(
            Array.from({ length: rows.length / settleWidth }, (_, i) => rows[i * settleWidth] as number),
          );
          open.push({ end: (error) => (error ? reject(error) : resolve(undefined as T)) });
        });
      }),
    close: () => Promise.resolve(),
  };
  const clock = new FakeClock();
  const share = new TurnShare();
  const parts = { settling: new SettleBatch(writer, { share, clock }), share };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  return {
    transactions,
    parts,
    clock,
    turn,
    /** Ends what is open, after all of the turn has gone over. */
    commit: async (error?: HubError): Promise<void> => {
      await turn();
      const ended = open;
      open = [];
      for (const one of ended) one.end(error);
      await turn();
    },
  };
}

const acked = (from: number, count: number): Settled[] =>
  Array.from({ length: count }, (_, i) => ({
    item: { position: from + i },
    sends: 1,
    firstSentAt: 1,
    lastSentAt: 1,
  })) as unknown as Settled[];

it("writes what a node acks at once in small transactions, in order, and says when all is done", async () => {
  const { parts, transactions, commit, turn } = world();
  const lane = new SettleLane(parts);
  let done = false;
  const all = lane.add(acked(1, 300)).then(() => {
    done = true;
  });
  await commit();
  await commit();
  await turn();
  expect(transactions.map((one) => one.length)).toEqual([128, 128, 44]);
  expect(transactions.flat()).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
  expect(done).toBe(false);
  await commit();
  await all;
});

it("lets another node's ack into the next transaction", async () => {
  const { parts, transactions, commit } = world();
  const [busy, quiet] = [new SettleLane(parts), new SettleLane(parts)];
  const all = busy.add(acked(1, 1_000));
  await commit();
  let done = false;
  void quiet.add(acked(5_000, 1)).then(() => {
    done = true;
  });
  await commit();
  await commit();
  expect(done).toBe(true);
  expect(transactions.flat().indexOf(5_000)).toBeLessThan(400);
  for (let i = 0; i < 8; i++) await commit();
  await all;
});

it("takes many small batches of a node as one large one", async () => {
  const { parts, transactions, commit } = world();
  const lane = new SettleLane(parts);
  const all = Promise.all(Array.from({ length: 10 }, (_, i) => lane.add(acked(i * 50 + 1, 50))));
  for (let i = 0; i < 5; i++) await commit();
  await all;
  expect(Math.max(...transactions.map((one) => one.length))).toBeLessThanOrEqual(128);
  expect(transactions.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, i) => i + 1));
});

it("takes more at once where transactions take long anyway, and little again where they do not", async () => {
  const { parts, transactions, commit, clock } = world();
  const lane = new SettleLane(parts);
  const all = lane.add(acked(1, 1_000));
  await clock.advance(50);
  await commit();
  await commit();
  for (let i = 0; i < 5; i++) await commit();
  await all;
  expect(transactions.map((one) => one.length)).toEqual([128, 500, 128, 128, 116]);
});

it("fails a batch of which a part fails, and goes on with the others", async () => {
  const { parts, transactions, commit } = world();
  const lane = new SettleLane(parts);
  const first = lane.add(acked(1, 300)).catch((error: unknown) => error);
  const second = lane.add(acked(1_001, 10));
  await commit(new HubError("E_STORAGE_FULL", "no room"));
  expect(await first).toMatchObject({ code: "E_STORAGE_FULL" });
  for (let i = 0; i < 3; i++) await commit();
  await second;
  expect(transactions.flat()).not.toContain(300);
});
