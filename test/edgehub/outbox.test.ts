import { afterEach, describe, expect, it } from "vitest";
import { type Delivery, event, type Message, type StoredMessage, state } from "../../protocol/index.ts";
import { openEdgeStore } from "../support/edge-store.ts";
import { follow } from "../support/follow.ts";
import { acked, messageOf } from "../support/hub-store.ts";

type World = ReturnType<typeof openEdgeStore>;
const open: World[] = [];
const world = (...options: Parameters<typeof openEdgeStore>): World => {
  const made = openEdgeStore(...options);
  open.push(made);
  return made;
};
afterEach(() => {
  for (const { store } of open.splice(0)) store.close();
});

const upload = (content: unknown, delivery: Delivery = event(), resource = "sensors/t"): Message =>
  messageOf({ source: "bus", group: "user", operation: "upload", resource, content, delivery });
const status = (content: unknown, resource = "default/podstatus/web"): Message =>
  upload(content, state, resource);

async function waiting({ store, clock }: World): Promise<StoredMessage[]> {
  const signal = new AbortController();
  const found: StoredMessage[] = [];
  const reading = (async () => {
    for await (const batch of follow(store.outbox, signal.signal)) found.push(...batch);
  })();
  await clock.advance(1);
  signal.abort();
  await reading;
  return found;
}

describe("putting", () => {
  it("does not look through a full outbox for each message that it refuses", () => {
    const { store } = world();
    const plan = store.database
      .prepare("EXPLAIN QUERY PLAN SELECT position FROM outbox WHERE expires_at <= ?")
      .all(0) as { detail: string }[];
    expect(plan.map(({ detail }) => detail)).toEqual([
      expect.stringContaining("USING COVERING INDEX outbox_expiry"),
    ]);
  });

  it("keeps events in the order in which they came", async () => {
    const w = world();
    const [a, b, c] = [upload(1), upload(2), upload(3)];
    await w.committed(Promise.all([a, b, c].map((message) => w.store.outbox.put(message))));
    expect((await waiting(w)).map((item) => item.id)).toEqual([a.id, b.id, c.id]);
  });

  it("keeps the newest version of state only, behind what came before it", async () => {
    const w = world();
    const [old, between, fresh] = [status("Pending"), upload(1), status("Running")];
    for (const message of [old, between, fresh]) await w.committed(w.store.outbox.put(message));
    expect((await waiting(w)).map((item) => item.id)).toEqual([between.id, fresh.id]);
  });

  it("resolves only when the transaction is done", async () => {
    const w = world();
    let resolved = false;
    const putting = w.store.outbox.put(upload(1)).then(() => (resolved = true));
    await Promise.resolve();
    expect(resolved).toBe(false);
    await w.committed(putting);
    expect(resolved).toBe(true);
  });

  it("tells a link that follows of what is committed later", async () => {
    const w = world();
    const signal = new AbortController();
    const seen: string[] = [];
    void (async () => {
      for await (const batch of follow(w.store.outbox, signal.signal))
        seen.push(...batch.map((item) => item.id));
    })();
    await w.clock.advance(1);
    const message = upload(1);
    await w.committed(w.store.outbox.put(message));
    expect(seen).toEqual([message.id]);
    signal.abort();
  });
});

describe("ends", () => {
  it("forgets what the cloud has acked", async () => {
    const w = world();
    await w.committed(w.store.outbox.put(upload(1)));
    await w.committed(w.store.outbox.settle((await waiting(w)).map(acked)));
    expect(await waiting(w)).toEqual([]);
    expect(w.store.outbox.counts).toMatchObject({ messages: 0, bytes: 0 });
  });

  it("keeps a newer state that came while the older one was in flight", async () => {
    const w = world();
    await w.committed(w.store.outbox.put(status("Pending")));
    const inFlight = await waiting(w);
    const fresh = status("Running");
    await w.committed(w.store.outbox.put(fresh));
    await w.committed(w.store.outbox.settle(inFlight.map(acked)));
    expect((await waiting(w)).map((item) => item.id)).toEqual([fresh.id]);
  });

  it("keeps what the cloud refuses for people, and sends it no more", async () => {
    const w = world();
    await w.committed(w.store.outbox.put(upload(1)));
    const [item] = await waiting(w);
    await w.committed(w.store.outbox.refuse(acked(item as StoredMessage), "E_FORBIDDEN", "no"));
    expect(await waiting(w)).toEqual([]);
    expect(w.store.outbox.counts).toMatchObject({ messages: 0, refused: 1 });
  });
});

describe("limits", () => {
  it("refuses a new message when it is full, and says so", async () => {
    const w = world({ outbox: { maxMessages: 2 } });
    await w.committed(Promise.all([w.store.outbox.put(upload(1)), w.store.outbox.put(upload(2))]));
    await expect(w.committed(w.store.outbox.put(upload(3)))).rejects.toMatchObject({
      code: "E_OUTBOX_FULL",
      retryable: true,
    });
    expect(w.store.outbox.counts).toMatchObject({ messages: 2, rejected: 1 });
  });

  it("takes a newer state even when it is full", async () => {
    const w = world({ outbox: { maxMessages: 1 } });
    await w.committed(w.store.outbox.put(status("Pending")));
    await w.committed(w.store.outbox.put(status("Running")));
    expect(w.store.outbox.counts.messages).toBe(1);
  });

  it("drops the oldest instead, where that is configured, and counts them", async () => {
    const w = world({ outbox: { maxMessages: 2, whenFull: "dropOldest" } });
    const messages = [upload(1), upload(2), upload(3)];
    for (const message of messages) await w.committed(w.store.outbox.put(message));
    expect((await waiting(w)).map((item) => item.id)).toEqual(messages.slice(1).map((message) => message.id));
    expect(w.store.outbox.counts).toMatchObject({ messages: 2, dropped: 1 });
    expect(w.drops).toEqual([1]);
  });

  it("counts bytes too, and refuses what can never fit", async () => {
    const w = world({ outbox: { maxBytes: 2_000 } });
    await w.committed(w.store.outbox.put(upload("x".repeat(1_200))));
    await expect(w.committed(w.store.outbox.put(upload("x".repeat(1_200))))).rejects.toMatchObject({
      code: "E_OUTBOX_FULL",
    });
    await expect(w.committed(w.store.outbox.put(upload("x".repeat(3_000))))).rejects.toMatchObject({
      code: "E_TOO_LARGE",
    });
  });

  it("lets what has outlived its time go before it refuses anything", async () => {
    const w = world({ outbox: { maxMessages: 1 } });
    await w.committed(w.store.outbox.put(upload(1, event({ ttlMs: 100 }))));
    await w.clock.advance(200);
    await w.committed(w.store.outbox.put(upload(2)));
    expect(w.store.outbox.counts).toMatchObject({ messages: 1, expired: 1 });
  });

  it("does not let one refused message fail those stored in the same transaction", async () => {
    const w = world({ outbox: { maxMessages: 2 } });
    const outcomes = Promise.allSettled([1, 2, 3].map((content) => w.store.outbox.put(upload(content))));
    await w.clock.advance(1);
    expect((await outcomes).map((outcome) => outcome.status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
    expect(w.store.outbox.counts).toMatchObject({ messages: 2, rejected: 1 });
  });
});
