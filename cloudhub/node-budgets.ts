import type { Clock } from "../platform/clock.ts";
import {
  type BudgetLimits,
  type Budgets,
  type ByteBudget,
  budgetsOf,
  type DayUse,
  type NodeId,
  type TrafficClass,
  type UsedDays,
} from "../protocol/index.ts";
import type { HubOptions } from "./options.ts";

/** What a node's labels may say instead of the hub's configuration: whole numbers of bytes; 0: no limit. */
const labels = {
  urgentBytesPerSecond: "budget/urgent-bytes-per-second",
  urgentBytesPerDay: "budget/urgent-bytes-per-day",
  bulkBytesPerSecond: "budget/bulk-bytes-per-second",
  bulkBytesPerDay: "budget/bulk-bytes-per-day",
} as const;

interface NodeBudget {
  /** The limits as text: others make it a new budget. */
  readonly terms: string;
  readonly budgets: Budgets | undefined;
}

const classes = ["urgent", "bulk"] as const;

/** What each node may be sent, over all its links. */
export class NodeBudgets {
  readonly #clock: Clock;
  readonly #options: HubOptions["budget"];
  readonly #nodes = new Map<NodeId, NodeBudget>();
  /** What nodes have used that have no budget now, or have not connected yet. */
  readonly #resting: Map<NodeId, UsedDays>;
  /** Stops of budgets that are no more. */
  readonly #past: Record<TrafficClass, number> = { urgent: 0, bulk: 0 };

  /** @param used What nodes had used of their days before this hub began. */
  constructor(clock: Clock, options: HubOptions["budget"], used: ReadonlyMap<NodeId, UsedDays>) {
    this.#clock = clock;
    this.#options = options;
    this.#resting = new Map(used);
  }

  /** A node's budgets as its labels say now; `undefined`: it has none. What it has used of its day counts on. */
  of(node: NodeId, given: Readonly<Record<string, string>>): Budgets | undefined {
    const limits = limitsOf(this.#options, given);
    const terms = JSON.stringify(limits);
    const known = this.#nodes.get(node);
    if (known?.terms === terms) return known.budgets;
    const now = this.#clock.now();
    const used = this.#usedBy(node, now);
    const budgets = budgetsOf(limits, now, used);
    this.forget(node);
    if (budgets !== undefined) this.#nodes.set(node, { terms, budgets });
    // Of a class without a budget now it counts again when it has one.
    if (used !== undefined) this.#resting.set(node, used);
    return budgets;
  }

  /** The node is no more. */
  forget(node: NodeId): void {
    for (const one of classes) this.#past[one] += this.#nodes.get(node)?.budgets?.[one]?.waits ?? 0;
    this.#nodes.delete(node);
    this.#resting.delete(node);
  }

  /** What nodes have used of days that are not over, where a day has a limit. */
  used(): Map<NodeId, UsedDays> {
    const now = this.#clock.now();
    const all = new Map<NodeId, UsedDays>();
    for (const node of [...this.#nodes.keys(), ...this.#resting.keys()]) {
      const used = this.#usedBy(node, now, (budget) => budget.limits.perDay > 0);
      if (used !== undefined) all.set(node, used);
    }
    return all;
  }

  /** @param counts Which budgets matter. */
  #usedBy(
    node: NodeId,
    now: number,
    counts: (budget: ByteBudget) => boolean = () => true,
  ): UsedDays | undefined {
    const budgets = this.#nodes.get(node)?.budgets;
    const resting = this.#resting.get(node);
    const some: [TrafficClass, DayUse][] = [];
    for (const one of classes) {
      const budget = budgets?.[one];
      if (budget !== undefined && !counts(budget)) continue;
      const use = budget === undefined ? resting?.[one] : budget.used(now);
      if (use !== undefined && use.bytes > 0 && now < use.endsAt) some.push([one, use]);
    }
    return some.length === 0 ? undefined : Object.fromEntries(some);
  }

  /** How often queues have come to a stop for a budget. */
  waits(one: TrafficClass): number {
    let count = this.#past[one];
    for (const { budgets } of this.#nodes.values()) count += budgets?.[one]?.waits ?? 0;
    return count;
  }

  /** When the budget of a class lets the next message go, ms from now; `undefined`: it does not hold it up. */
  waitMs(node: NodeId, one: TrafficClass): number | undefined {
    const now = this.#clock.now();
    const freeAt = this.#nodes.get(node)?.budgets?.[one]?.freeAt(now) ?? now;
    return freeAt > now ? Math.ceil(freeAt - now) : undefined;
  }
}

function limitsOf(
  options: HubOptions["budget"],
  given: Readonly<Record<string, string>>,
): Record<TrafficClass, BudgetLimits> {
  const bytes = (name: keyof typeof labels): number => {
    const text = given[labels[name]];
    return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : options[name];
  };
  return {
    urgent: { perSecond: bytes("urgentBytesPerSecond"), perDay: bytes("urgentBytesPerDay") },
    bulk: { perSecond: bytes("bulkBytesPerSecond"), perDay: bytes("bulkBytesPerDay") },
  };
}
