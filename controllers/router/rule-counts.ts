import { isReason, type ObjectsApi, type ResourceName } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Logger } from "../../platform/logger.ts";
import { asHubError } from "../../protocol/index.ts";

export const rules: ResourceName = { group: "rules.kubeedge.io", version: "v1", resource: "rules" };

/** Status of a Rule. `errors` holds one at most: what keeps the rule from working, or why its last message failed. */
export interface RuleStatus {
  readonly successMessages: number;
  readonly failMessages: number;
  readonly errors: readonly string[];
}

interface Counted {
  successMessages: number;
  failMessages: number;
  /** Of the last message, if it failed. */
  error: string | undefined;
  /** What keeps the rule from working at all. */
  trouble: string | undefined;
  written: string;
}

/** Counts what became of the messages of rules, and writes it into their status from time to time. */
export class RuleCounts {
  readonly #objects: ObjectsApi;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #writeAfterMs: number;
  readonly #rules = new Map<string, Counted>();
  #cancel: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** @param writeAfterMs How soon a change gets into the status. */
  constructor(objects: ObjectsApi, clock: Clock, log: Logger, writeAfterMs: number) {
    this.#objects = objects;
    this.#clock = clock;
    this.#log = log;
    this.#writeAfterMs = writeAfterMs;
  }

  /**
   * Goes on from the counts in the rule's status. Not from its errors: whether one was a message's or the rule's own, which
   * may have been put right meanwhile, cannot be seen any more. @param rule `<namespace>/<name>`.
   */
  follow(rule: string, status: Partial<RuleStatus> | undefined): void {
    if (this.#rules.has(rule)) return;
    const { successMessages = 0, failMessages = 0, errors = [] } = status ?? {};
    const counted = { successMessages, failMessages, error: undefined, trouble: undefined };
    this.#rules.set(rule, { ...counted, written: JSON.stringify({ ...statusOf(counted), errors }) });
  }

  /** Forgets all other rules. */
  keepOnly(rules: ReadonlySet<string>): void {
    for (const rule of this.#rules.keys()) if (!rules.has(rule)) this.#rules.delete(rule);
  }

  succeeded(rule: string): void {
    this.#change(rule, (counted) => {
      counted.successMessages++;
      counted.error = undefined;
    });
  }

  failed(rule: string, error: string): void {
    this.#change(rule, (counted) => {
      counted.failMessages++;
      counted.error = error.slice(0, 1_000);
    });
  }

  /** What keeps the rule from working; `undefined`: nothing does. */
  trouble(rule: string, error: string | undefined): void {
    this.#change(rule, (counted) => {
      counted.trouble = error;
    });
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    this.#cancel?.();
    await this.#writing;
    await this.#write();
  }

  #change(rule: string, change: (counted: Counted) => void): void {
    const counted = this.#rules.get(rule);
    if (counted === undefined) return;
    change(counted);
    if (JSON.stringify(statusOf(counted)) !== counted.written) this.#writeSoon();
  }

  #writeSoon(): void {
    this.#cancel ??= this.#clock.after(this.#writeAfterMs, () => {
      this.#writing = this.#writing.then(() => this.#write());
    });
  }

  async #write(): Promise<void> {
    this.#cancel = undefined;
    for (const [rule, counted] of this.#rules) {
      const status = statusOf(counted);
      const text = JSON.stringify(status);
      if (text === counted.written) continue;
      const [namespace, name] = rule.split("/") as [string, string];
      try {
        await this.#objects.patch(rules, { namespace, name }, "merge", { status }, { subresource: "status" });
        counted.written = text;
      } catch (error) {
        if (isReason(error, "NotFound")) continue;
        this.#log.warn("the status of a rule could not be written", { rule, error: asHubError(error) });
        this.#writeSoon();
      }
    }
  }
}

function statusOf({ successMessages, failMessages, error, trouble }: Omit<Counted, "written">): RuleStatus {
  const shown = trouble ?? error;
  return { successMessages, failMessages, errors: shown === undefined ? [] : [shown] };
}
