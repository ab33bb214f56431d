import type { ResourceName } from "../../kubernetes/index.ts";
import type { ControllerParts, RunningController } from "../runtime/parts.ts";
import { WorkQueue } from "../runtime/work-queue.ts";
import { deadLetters } from "./dead-letters.ts";
import { Router, type RouterOptions } from "./router.ts";
import { rules } from "./rule-counts.ts";

const ruleEndpoints: ResourceName = { ...rules, resource: "ruleendpoints" };

export const defaultRouterOptions: RouterOptions = {
  rest: { host: "127.0.0.1", port: 9443, timeoutMs: 60_000 },
  timeoutMs: 60_000,
  attempts: 5,
  retryMs: 1_000,
  answerMs: 60_000,
  maxDeadLetters: 10_000,
  statusMs: 1_000,
};

/** How soon it looks again whether all is listed. */
const syncMs = 100;

/** Runs rules for as long as it is not closed. */
export function startRouter(parts: ControllerParts, options: RouterOptions): RunningController {
  const router = new Router(parts, options);
  const ruleObjects = parts.informers.of(rules);
  const endpoints = parts.informers.of(ruleEndpoints);
  const letters = parts.informers.of(deadLetters);
  const all = [ruleObjects, endpoints, letters];
  // One key: a rule depends on endpoints and on other rules.
  const queue = new WorkQueue(
    parts,
    async () => {
      // Without all of it, rules would seem to have no endpoints.
      if (!all.every(({ hasSynced }) => hasSynced)) return syncMs;
      await router.apply(ruleObjects.all(), endpoints.all(), letters.all());
      return undefined;
    },
    { name: "rules" },
  );
  const endings = all.map((informer) => informer.observe(() => queue.add("rules")));
  return {
    async close() {
      for (const end of endings) end();
      await router.close();
      await queue.close();
    },
  };
}
