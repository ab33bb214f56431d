import type { KubeObject, WatchEvent } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import type { ObjectChange, ResourceStore } from "../store/resource-store.ts";

/** What a watcher wants to be told of. */
export interface WatchScope {
  /** As of `storedType`. */
  readonly type: string;
  readonly namespace: string | undefined;
  readonly matches: (object: KubeObject) => boolean;
  /** The object as the watcher's version has it. */
  readonly shown: (object: KubeObject) => KubeObject;
}

export interface WatchStart {
  /** Tells what changed after this revision. */
  readonly after: number;
  /** Says every so many ms up to where nothing has changed; 0: never. */
  readonly bookmarkMs: number;
  readonly signal: AbortSignal;
}

/** Changes as a watcher with selectors sees them. Throws `Expired` when they cannot be told any more. */
export async function* watchObjects(
  parts: { readonly store: ResourceStore; readonly clock: Clock },
  scope: WatchScope,
  start: WatchStart,
): AsyncGenerator<WatchEvent> {
  const { store, clock } = parts;
  const changes = store.follow(scope.type, start.after, start.signal)[Symbol.asyncIterator]();
  try {
    for (;;) {
      let arrived = false;
      const next = changes.next().then((result) => {
        arrived = true;
        return result;
      });
      while (start.bookmarkMs > 0 && (await isQuiet(next, start.bookmarkMs, clock))) {
        const { revision } = store;
        // What is committed up to here has been handed out when a turn later nothing has come.
        await new Promise((resolve) => setImmediate(resolve));
        if (!arrived) yield { type: "BOOKMARK", object: bookmark(scope, revision) };
      }
      const { done, value } = await next;
      if (done) return;
      const event = eventOf(value, scope);
      if (event !== undefined) yield event;
    }
  } finally {
    await changes.return?.();
  }
}

/** A change as a watcher is told of it; `undefined`: it is nothing to him. Pure. */
export function eventOf(change: ObjectChange, scope: WatchScope): WatchEvent | undefined {
  if (scope.namespace !== undefined && change.key.namespace !== scope.namespace) return undefined;
  const was = change.previous !== undefined && scope.matches(change.previous);
  const is = !change.deleted && scope.matches(change.object);
  if (!was && !is) return undefined;
  const type = was ? (is ? "MODIFIED" : "DELETED") : "ADDED";
  if (is || change.previous === undefined) return { type, object: scope.shown(change.object) };
  // What he does not see any more, he is shown as he saw it last.
  const { resourceVersion } = change.object.metadata;
  const last = { ...change.previous, metadata: { ...change.previous.metadata, resourceVersion } };
  return { type, object: scope.shown(last as KubeObject) };
}

/** @param initialEnd It closes the objects that were there when the watch began. */
export function bookmark(scope: Pick<WatchScope, "shown">, revision: number, initialEnd = false): KubeObject {
  const annotations = initialEnd ? { annotations: { "k8s.io/initial-events-end": "true" } } : {};
  const metadata = { resourceVersion: String(revision), creationTimestamp: null, ...annotations };
  return scope.shown({ apiVersion: "", kind: "", metadata });
}

/** @returns True if nothing has come for so long. */
function isQuiet(next: Promise<unknown>, afterMs: number, clock: Clock): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(afterMs, () => resolve(true));
    next.then(
      () => {
        cancel();
        resolve(false);
      },
      (error: unknown) => {
        cancel();
        reject(error);
      },
    );
  });
}
