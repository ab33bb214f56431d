import { describe, expect, it } from "vitest";
import { RetainedLimit } from "../../../edgehub/eventbus/retained-limit.ts";
import { limitSessions, type SessionStore } from "../../../edgehub/eventbus/session-queues.ts";

describe("retained messages", () => {
  it("have a limit of topics; a known one may change, an empty one makes room", () => {
    const retained = new RetainedLimit();
    for (let i = 0; i < 10_000; i++) expect(retained.admit(`${i}`, 1)).toBe(true);
    expect(retained.admit("more", 1)).toBe(false);
    expect(retained.admit("7", 2)).toBe(true);
    expect(retained.admit("7", 0)).toBe(true);
    expect(retained.admit("more", 1)).toBe(true);
  });

  it("have a limit of bytes", () => {
    const retained = new RetainedLimit();
    expect(retained.admit("a", 32 << 20)).toBe(true);
    expect(retained.admit("b", 1)).toBe(false);
    expect(retained.admit("a", 1)).toBe(true);
    expect(retained.admit("b", 1)).toBe(true);
  });
});

/** As aedes keeps sessions in memory. */
class Sessions implements SessionStore {
  readonly queues = new Map<string, unknown[]>();
  readonly cleaned: string[] = [];

  async outgoingEnqueueCombi(subscriptions: readonly { clientId: string }[], packet: unknown): Promise<void> {
    for (const { clientId } of subscriptions)
      this.queues.set(clientId, [...(this.queues.get(clientId) ?? []), packet]);
  }

  async outgoingClearMessageId({ id }: { id: string }): Promise<unknown> {
    return this.queues.get(id)?.shift();
  }

  async *outgoingStream({ id }: { id: string }): AsyncIterable<unknown> {
    yield* [...(this.queues.get(id) ?? [])];
  }

  async cleanSubscriptions({ id }: { id: string }): Promise<void> {
    this.cleaned.push(id);
  }
}

describe("sessions", () => {
  const limited = (connected: readonly string[] = []) => {
    const store = new Sessions();
    const dropped: string[] = [];
    limitSessions(store, {
      perClient: 2,
      isConnected: (id) => connected.includes(id),
      dropped: (id) => dropped.push(id),
    });
    const send = (clientId: string) => store.outgoingEnqueueCombi([{ clientId }], "message");
    return { store, dropped, send };
  };

  it("have room again when messages were confirmed", async () => {
    const { store, dropped, send } = limited();
    for (let i = 0; i < 3; i++) await send("a");
    expect(dropped).toEqual(["a"]);
    await store.outgoingClearMessageId({ id: "a" });
    await send("a");
    expect(store.queues.get("a")).toHaveLength(2);
    expect(dropped).toEqual(["a"]);
  });

  it("of clients that are there have more room", async () => {
    const { store, dropped, send } = limited(["a"]);
    for (let i = 0; i < 100; i++) await send("a");
    expect(store.queues.get("a")).toHaveLength(100);
    expect(dropped).toEqual([]);
  });

  it("that nobody comes back for are forgotten, the oldest first, but not those of clients that are there", async () => {
    const { store, dropped, send } = limited(["0"]);
    for (let i = 0; i < 1_001; i++) await send(`${i}`);
    expect(dropped).toEqual(["1"]);
    expect(store.cleaned).toEqual(["1"]);
    expect(store.queues.get("1")).toEqual([]);
    expect(store.queues.get("0")).toHaveLength(1);
  });
});
