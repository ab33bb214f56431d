import { EdgeStore, type EdgeStoreOptions } from "../../edgehub/store/edge-store.ts";
import type { OutboxOptions } from "../../edgehub/store/outbox.ts";
import { FakeClock } from "./fake-clock.ts";

const outbox: OutboxOptions = { maxMessages: 1_000, maxBytes: 1 << 30, whenFull: "rejectNew" };

/** An agent's store, in memory unless a file is named; commits when its clock is moved. */
export function openEdgeStore(
  options: Partial<Omit<EdgeStoreOptions, "outbox">> & { outbox?: Partial<OutboxOptions> } = {},
  clock = new FakeClock(),
): { store: EdgeStore; clock: FakeClock; drops: number[]; committed<T>(work: Promise<T>): Promise<T> } {
  const drops: number[] = [];
  const all = {
    file: ":memory:",
    create: true,
    synchronous: "full" as const,
    maxBytes: 0,
    tombstoneMs: 1_000_000,
    ...options,
    outbox: { ...outbox, ...options.outbox },
  };
  const store = new EdgeStore(all, { clock, onDrop: (count) => drops.push(count) });
  return {
    store,
    clock,
    drops,
    async committed(work) {
      work.catch(() => undefined);
      await clock.advance(1);
      return await work;
    },
  };
}
