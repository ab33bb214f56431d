import { isReason, type KubeObject } from "../../kubernetes/index.ts";
import type { KeeperParts } from "./garbage-collector.ts";
import { coreResource } from "./kinds.ts";

/** How long events are kept, as Kubernetes does. */
export const eventLifeMs = 3_600_000;
const lookEveryMs = 60_000;

/** Removes events when their time is over. @returns Stops that. */
export function expireEvents({ registry, store, clock, log }: KeeperParts): () => void {
  let cancel: () => void = () => {};
  const look = async (): Promise<void> => {
    const now = clock.wallTime();
    const { items } = store.list("events", { matches: (event) => lastSeen(event) + eventLifeMs <= now });
    for (const { metadata } of items) {
      const { name = "", namespace } = metadata;
      try {
        await registry.remove(coreResource("events"), { name, namespace });
      } catch (error) {
        if (!isReason(error, "NotFound")) throw error;
      }
    }
  };
  const later = (): void => {
    cancel = clock.after(lookEveryMs, () => {
      look().then(later, (error: unknown) => {
        log.warn("old events could not be removed", { error });
        later();
      });
    });
  };
  later();
  return () => cancel();
}

/** Wall clock, ms. Pure. */
function lastSeen(event: KubeObject): number {
  const series = event.series as { lastObservedTime?: string } | undefined;
  const times = [
    series?.lastObservedTime,
    event.lastTimestamp,
    event.eventTime,
    event.metadata.creationTimestamp,
  ];
  for (const time of times) {
    const at = typeof time === "string" ? Date.parse(time) : Number.NaN;
    if (!Number.isNaN(at)) return at;
  }
  return 0;
}
