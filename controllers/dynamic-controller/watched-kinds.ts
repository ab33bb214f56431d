import type { KubeObject } from "../../kubernetes/index.ts";
import { Informer, type InformerParts, type ObjectChange } from "../runtime/informer.ts";
import type { Target } from "./application.ts";

interface WatchedKind {
  readonly informer: Informer;
  readonly stop: AbortController;
  users: number;
}

/** The kinds that some node watches: listed and watched once for all nodes, and let go with the last watch. */
export class WatchedKinds {
  readonly #parts: InformerParts;
  readonly #changed: (kindKey: string, change: ObjectChange) => void;
  readonly #kinds = new Map<string, WatchedKind>();

  /** @param changed Told of every object that is there, and of what becomes of it. */
  constructor(parts: InformerParts, changed: (kindKey: string, change: ObjectChange) => void) {
    this.#parts = parts;
    this.#changed = changed;
  }

  get(kindKey: string): Informer | undefined {
    return this.#kinds.get(kindKey)?.informer;
  }

  find(kindKey: string, namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#kinds.get(kindKey)?.informer.get({ namespace, name });
  }

  /** One more wants the kind. @returns Its informer, which may have to list first. */
  open(kindKey: string, { group, version, resource }: Target): Informer {
    const found = this.#kinds.get(kindKey);
    if (found !== undefined) {
      found.users++;
      return found.informer;
    }
    const informer = new Informer(this.#parts, { group, version, resource });
    const stop = new AbortController();
    this.#kinds.set(kindKey, { informer, stop, users: 1 });
    informer.observe((change) => {
      if (!stop.signal.aborted) this.#changed(kindKey, change);
    });
    informer.start(stop.signal);
    return informer;
  }

  /** One less wants the kind. */
  close(kindKey: string): void {
    const found = this.#kinds.get(kindKey);
    if (found === undefined || --found.users > 0) return;
    this.#kinds.delete(kindKey);
    found.stop.abort();
  }

  closeAll(): void {
    for (const { stop } of this.#kinds.values()) stop.abort();
    this.#kinds.clear();
  }
}
