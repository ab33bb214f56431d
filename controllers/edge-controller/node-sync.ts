import type { KubeObject } from "../../kubernetes/index.ts";
import type { HubApi, HubError, PublishDraft, PublishOutcome } from "../../sdk/index.ts";
import { draftsFor, isOwnNode, type Sent, sentOf, stampOf, type Wanted } from "./wanted.ts";

/** What nodes are to have, as it is known now. */
export interface WantedObjects {
  wanted(node: string, path: string): Wanted | undefined;
  /** Paths of all that a node is to have. */
  paths(node: string): Iterable<string>;
  /** An object that is gone, as it was last. */
  last(path: string): KubeObject | undefined;
  /** The node has its own Node object, and is to be kept up to date. */
  hasItsNode(node: string): void;
}

export interface NodeSyncParts {
  readonly hub: Pick<HubApi, "resources" | "publishBatch">;
  readonly objects: WantedObjects;
  /** A message that no repetition will bring to the node. */
  readonly refused: (draft: PublishDraft, error: HubError) => void;
}

/** Resources looked at in one round: then other nodes have their turn. */
const perRound = 64;
const viewLimit = 10_000;
const kinds = ["pod", "configmap", "secret", "node"] as const;

/** Brings one node what it is to have: the difference to what the hub has accepted for it, and nothing else. */
export class NodeSync {
  readonly node: string;
  readonly #parts: NodeSyncParts;
  /** By path; `undefined`: to be asked from the hub. */
  #sent: Map<string, Sent> | undefined;
  readonly #touched = new Set<string>();
  /** What the node does not have though the hub has accepted it. */
  readonly #lost = new Set<string>();

  constructor(node: string, parts: NodeSyncParts) {
    this.node = node;
    this.#parts = parts;
  }

  /** The resource may not be any more what the node is to have. */
  touch(path: string): void {
    this.#touched.add(path);
  }

  /** What the hub has accepted is to be asked again: it may have forgotten. */
  reload(): void {
    this.#sent = undefined;
  }

  /** The node does not have what it was sent. */
  forget(path: string): void {
    this.#lost.add(path);
    this.touch(path);
  }

  /** Publishes what a few resources need. @returns True if there are more. Rejects if it is to be tried again. */
  async round(): Promise<boolean> {
    const sent = this.#sent ?? (await this.#load());
    const paths = [...this.#touched].slice(0, perRound);
    for (const path of paths) this.#touched.delete(path);
    try {
      await this.#bring(paths, sent);
    } catch (error) {
      for (const path of paths) this.#touched.add(path);
      throw error;
    }
    return this.#touched.size > 0;
  }

  async #load(): Promise<Map<string, Sent>> {
    const sent = new Map<string, Sent>();
    for (const kind of kinds) {
      const query = { node: this.node, resource: `*/${kind}/*`, limit: viewLimit };
      for (const view of await this.#parts.hub.resources(query)) {
        const found = sentOf(view);
        if (found !== undefined && view.resource.split("/")[1] === kind) sent.set(view.resource, found);
      }
    }
    for (const path of sent.keys()) {
      this.touch(path);
      if (isOwnNode(path)) this.#parts.objects.hasItsNode(this.node);
    }
    for (const path of this.#parts.objects.paths(this.node)) this.touch(path);
    this.#sent = sent;
    return sent;
  }

  async #bring(paths: readonly string[], sent: Map<string, Sent>): Promise<void> {
    const { objects, hub } = this.#parts;
    for (const path of paths) if (this.#lost.delete(path)) sent.delete(path);
    // What pods need goes before them.
    const order = [...paths].sort((a, b) => Number(isPod(a)) - Number(isPod(b)));
    const steps = order.flatMap((path) => {
      const wanted = objects.wanted(this.node, path);
      const drafts = draftsFor({ node: this.node, path }, wanted, sent.get(path), objects.last(path));
      return drafts.map((draft) => ({ path, wanted, draft }));
    });
    if (steps.length === 0) return;
    const outcomes = await hub.publishBatch(steps.map((step) => step.draft));
    let failure: HubError | undefined;
    for (const [index, { path, wanted, draft }] of steps.entries()) {
      const outcome = await this.#settled(draft, outcomes[index] as PublishOutcome);
      if (outcome !== undefined && (outcome.retryable || outcome.code === "E_UNKNOWN_NODE")) {
        failure ??= outcome;
        continue;
      }
      if (outcome !== undefined) this.#parts.refused(draft, outcome);
      if (draft.operation === "delete") sent.delete(path);
      else if (wanted !== undefined) sent.set(path, sentNow(wanted));
    }
    if (failure !== undefined) throw failure;
  }

  /** A version that the hub holds for older than what it has of the resource was numbered elsewhere. */
  async #settled(draft: PublishDraft, outcome: PublishOutcome): Promise<HubError | undefined> {
    if (!outcome.ok) return outcome.error;
    if (!outcome.published.stale) return undefined;
    const [again] = await this.#parts.hub.publishBatch([{ ...draft, resourceVersion: "next" }]);
    return again === undefined || again.ok ? undefined : again.error;
  }
}

function sentNow(wanted: Wanted): Sent {
  return { uid: wanted.object.metadata.uid ?? "", stamp: stampOf(wanted) };
}

function isPod(path: string): boolean {
  return path.split("/")[1] === "pod";
}
