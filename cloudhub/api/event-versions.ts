import type { KubeObject } from "../../kubernetes/index.ts";

/** Events as the core group has them, and as `events.k8s.io` names the same fields. Pure. Source: Kubernetes events/v1. */

/** Field of `events.k8s.io/v1` → field of `v1`. */
const names = {
  regarding: "involvedObject",
  note: "message",
  reportingController: "reportingComponent",
  deprecatedSource: "source",
  deprecatedFirstTimestamp: "firstTimestamp",
  deprecatedLastTimestamp: "lastTimestamp",
  deprecatedCount: "count",
} as const;

const toCore = new Map<string, string>(Object.entries(names));
const fromCore = new Map<string, string>(Object.entries(names).map(([newer, core]) => [core, newer]));

export function coreEvent(event: KubeObject): KubeObject {
  return renamed(event, toCore, "v1");
}

export function newerEvent(event: KubeObject): KubeObject {
  return renamed(event, fromCore, "events.k8s.io/v1");
}

function renamed(event: KubeObject, words: ReadonlyMap<string, string>, apiVersion: string): KubeObject {
  const fields = Object.entries(event).map(([field, value]) => [words.get(field) ?? field, value]);
  return { ...(Object.fromEntries(fields) as KubeObject), apiVersion };
}
