import { forEachAtOnce } from "../platform/at-once.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger, OncePer } from "../platform/logger.ts";
import { asHubError, dayMs, type NodeId, type TrafficClass, type UsedDays } from "../protocol/index.ts";
import { NodeBudgets } from "./node-budgets.ts";
import type { HubOptions } from "./options.ts";
import type { HubStore, RecordStore } from "./store/hub-store.ts";

export interface KeptBudgetsParts {
  readonly store: Pick<HubStore, "records">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly once: OncePer;
}

/** What a node has used, as it is stored. */
type DaysRecord = Readonly<Partial<Record<TrafficClass, { bytes: number; endsAt: number }>>>;

/** What has changed is written so often: a hub that is killed forgets what has gone since. */
const writeEveryMs = 10_000;
/** Nodes written in one transaction: messages are written in between. */
const nodesAtOnce = 128;
/** The wall clock has jumped if it differs so much from what it was to be, ms. */
const jumpMs = 60_000;

/** The budgets of nodes, with what they have used of their day, which outlives the hub. */
export class KeptBudgets {
  readonly budgets: NodeBudgets;
  readonly #parts: KeptBudgetsParts;
  readonly #records: RecordStore<DaysRecord>;
  /** As it is in the store. */
  readonly #written: Map<string, DaysRecord>;
  #cancel: () => void = () => undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(
    parts: KeptBudgetsParts,
    options: HubOptions["budget"],
    found: readonly { name: string; value: DaysRecord }[],
  ) {
    this.#parts = parts;
    this.#records = parts.store.records<DaysRecord>("budget");
    this.#written = new Map(found.map(({ name, value }) => [name, value]));
    const used = found.map(({ name, value }) => [name as NodeId, usedOf(value, parts.clock)] as const);
    this.budgets = new NodeBudgets(parts.clock, options, new Map(used));
  }

  /** Reads what nodes had used when the last hub ended. */
  static async open(parts: KeptBudgetsParts, options: HubOptions["budget"]): Promise<KeptBudgets> {
    const kept = new KeptBudgets(parts, options, await parts.store.records<DaysRecord>("budget").list());
    kept.#writeLater();
    return kept;
  }

  /** Writes what has changed. */
  async close(): Promise<void> {
    this.#cancel();
    await this.#writeNow();
    this.#cancel();
  }

  #writeLater(): void {
    this.#cancel = this.#parts.clock.after(writeEveryMs, () => {
      void this.#writeNow().then(() => this.#writeLater());
    });
  }

  /** What cannot be written is written next time. */
  #writeNow(): Promise<void> {
    this.#writing = this.#writing
      .then(() => this.#write())
      .catch((cause: unknown) => {
        const error = asHubError(cause);
        if (this.#parts.once.pass(`budget ${error.code}`) !== undefined)
          this.#parts.log.warn("what nodes have used of their budgets could not be written", { error });
      });
    return this.#writing;
  }

  async #write(): Promise<void> {
    const used = this.budgets.used();
    const changed = [...used.keys()].filter((node) => this.#hasChanged(node, used.get(node)));
    const ended = [...this.#written.keys()].filter((name) => !used.has(name as NodeId));
    await forEachAtOnce(nodesAtOnce, changed, (node) => this.#put(node, used.get(node)));
    await forEachAtOnce(nodesAtOnce, ended, (name) => this.#delete(name));
  }

  #hasChanged(node: NodeId, used: UsedDays = {}): boolean {
    const before = this.#written.get(node) ?? {};
    const now = recordOf(used, this.#parts.clock);
    return (["urgent", "bulk"] as const).some(
      (one) =>
        before[one]?.bytes !== now[one]?.bytes ||
        Math.abs((before[one]?.endsAt ?? 0) - (now[one]?.endsAt ?? 0)) > jumpMs,
    );
  }

  async #put(node: NodeId, used: UsedDays = {}): Promise<void> {
    const record = recordOf(used, this.#parts.clock);
    await this.#records.put(node, record);
    this.#written.set(node, record);
  }

  async #delete(name: string): Promise<void> {
    await this.#records.delete(name);
    this.#written.delete(name);
  }
}

/** In wall time: monotonic time ends with the process. */
function recordOf(used: UsedDays, clock: Clock): DaysRecord {
  const ahead = clock.wallTime() - clock.now();
  const days = Object.entries(used).map(([one, { bytes, endsAt }]) => [
    one,
    { bytes, endsAt: Math.round(endsAt + ahead) },
  ]);
  return Object.fromEntries(days);
}

/** No day lasts longer than a day, also where the wall clock has been set back meanwhile. */
function usedOf(record: DaysRecord, clock: Clock): UsedDays {
  const now = clock.now();
  const days = Object.entries(record).map(([one, { bytes, endsAt }]) => [
    one,
    { bytes, endsAt: now + Math.min(endsAt - clock.wallTime(), dayMs) },
  ]);
  return Object.fromEntries(days);
}
