import type { KubeObject } from "../../kubernetes/index.ts";
import type { HubApi, HubError, PublishDraft, PublishOutcome } from "../../sdk/index.ts";
import { deleteDraft, type Fed, fedFrom, fedOf, isOwnNode, putDraft } from "./fed-objects.ts";
import type { NodeWatches } from "./node-watches.ts";

export interface FeedLimits {
  /** Objects that one node is fed. */
  readonly maxObjects: number;
  /** Their bytes, as JSON. */
  readonly maxBytes: number;
}

export interface NodeFeedParts {
  readonly hub: Pick<HubApi, "resources" | "publishBatch">;
  readonly watches: NodeWatches;
  readonly limits: FeedLimits;
  /** Somebody else brings the node this resource, as long as its pods need it. */
  readonly isKeptElsewhere: (path: string) => boolean;
  /** An object that is gone, as it was last. */
  readonly last: (path: string) => KubeObject | undefined;
  /** No more is fed than the limits allow, or a message can never be brought to the node. */
  readonly refused: (path: string, why: HubError | "limit") => void;
}

interface Step {
  readonly path: string;
  /** `undefined`: the node is not to have it any more. */
  readonly object: KubeObject | undefined;
  readonly draft: PublishDraft;
}

/** Looked at in one round: then other nodes have their turn. */
const perRound = 64;
const viewLimit = 10_000;

/** Brings one node the objects that its programs watch: the difference to what the hub has accepted, and nothing else. */
export class NodeFeed {
  readonly node: string;
  readonly #parts: NodeFeedParts;
  /** By path; `undefined`: to be asked from the hub. */
  #fed: Map<string, Fed> | undefined;
  readonly #touched = new Set<string>();
  /** Not wanted as far as is known; not all is known yet. */
  readonly #undecided = new Set<string>();
  /** What the hub has of them may be another's by now. */
  readonly #unsure = new Set<string>();
  /** Wanted, and beyond the limits. */
  readonly #beyond = new Set<string>();
  readonly #sizes = new Map<string, number>();
  #bytes = 0;

  constructor(node: string, parts: NodeFeedParts) {
    this.node = node;
    this.#parts = parts;
  }

  /** True if nothing is left to be done or taken away. */
  get isSettled(): boolean {
    return this.#touched.size === 0 && this.#undecided.size === 0;
  }

  /** The node may not have any more what it is to have. */
  touch(path: string): void {
    this.#touched.add(path);
  }

  touchAll(paths: Iterable<string>): void {
    for (const path of paths) this.#touched.add(path);
  }

  /** As {@link touch}; somebody else may have published the resource. */
  distrust(path: string): void {
    this.#unsure.add(path);
    this.touch(path);
  }

  /** What the hub has accepted is to be asked again: it may have forgotten. */
  reload(): void {
    this.#fed = undefined;
  }

  /** Publishes what a few resources need. @returns True if there are more. Rejects if it is to be tried again. */
  async round(): Promise<boolean> {
    const fed = this.#fed ?? (await this.#load());
    if (this.#parts.watches.isComplete) {
      this.touchAll(this.#undecided);
      this.#undecided.clear();
    }
    const paths: string[] = [];
    for (const path of this.#touched) if (paths.push(path) === perRound) break;
    for (const path of paths) this.#touched.delete(path);
    try {
      await this.#look(paths, fed);
      await this.#publish(
        paths.flatMap((path) => this.#stepFor(path, fed) ?? []),
        fed,
      );
    } catch (error) {
      this.touchAll(paths);
      throw error;
    }
    return this.#touched.size > 0;
  }

  async #load(): Promise<Map<string, Fed>> {
    const views = await this.#parts.hub.resources({ node: this.node, limit: viewLimit });
    const fed = new Map(
      views.flatMap((view) => {
        const found = fedOf(view);
        return found === undefined ? [] : [[view.resource, found] as const];
      }),
    );
    this.touchAll(fed.keys());
    this.touchAll(this.#parts.watches.paths());
    this.#fed = fed;
    return fed;
  }

  /** Asks what the hub has of resources that others publish too. */
  async #look(paths: readonly string[], fed: Map<string, Fed>): Promise<void> {
    for (const path of paths) {
      if (!this.#unsure.has(path)) continue;
      const [view] = await this.#parts.hub.resources({ node: this.node, resource: path });
      const found = view && fedOf(view);
      if (found === undefined) fed.delete(path);
      else fed.set(path, found);
      this.#unsure.delete(path);
    }
  }

  #stepFor(path: string, fed: Map<string, Fed>): Step | undefined {
    const { watches, isKeptElsewhere, last } = this.#parts;
    const before = fed.get(path);
    const object = watches.wanted(path);
    if (isKeptElsewhere(path)) {
      // Who keeps it publishes it anew while it is there. If it is gone first, what was fed is taken away here.
      this.#unsure.add(path);
      if (object !== undefined || watches.find(path) !== undefined) return undefined;
    }
    const place = { node: this.node, path };
    if (object !== undefined) {
      const now = fedFrom(object.metadata);
      const isSame = before?.uid === now.uid && before.version === now.version;
      if (isSame && this.#sizes.has(path)) return undefined;
      const content = Buffer.from(JSON.stringify(object));
      if (!this.#fits(path, content.length, fed) || isSame) return undefined;
      return { path, object, draft: putDraft({ ...place, content }, object, before) };
    }
    if (before === undefined || isOwnNode(path, this.node)) {
      this.#forget(path, fed);
      return undefined;
    }
    if (watches.isComplete)
      return { path, object, draft: deleteDraft(place, last(path) ?? watches.remains(path, before.uid)) };
    this.#undecided.add(path);
    return undefined;
  }

  /** Keeps count of what the node is fed. What it has is kept up to date, even if it grows beyond the limits. */
  #fits(path: string, size: number, fed: ReadonlyMap<string, Fed>): boolean {
    const { maxBytes, maxObjects } = this.#parts.limits;
    const bytes = this.#bytes - (this.#sizes.get(path) ?? 0) + size;
    const isOneMore = !this.#sizes.has(path) && this.#sizes.size >= maxObjects;
    if (!fed.has(path) && (bytes > maxBytes || isOneMore)) {
      this.#beyond.add(path);
      this.#parts.refused(path, "limit");
      return false;
    }
    this.#sizes.set(path, size);
    this.#bytes = bytes;
    return true;
  }

  #forget(path: string, fed: Map<string, Fed>): void {
    fed.delete(path);
    this.#beyond.delete(path);
    const size = this.#sizes.get(path);
    if (size === undefined) return;
    this.#sizes.delete(path);
    this.#bytes -= size;
    this.touchAll(this.#beyond);
    this.#beyond.clear();
  }

  async #publish(steps: readonly Step[], fed: Map<string, Fed>): Promise<void> {
    if (steps.length === 0) return;
    const outcomes = await this.#parts.hub.publishBatch(steps.map(({ draft }) => draft));
    let failure: HubError | undefined;
    for (const [index, { path, object, draft }] of steps.entries()) {
      const error = await this.#settled(draft, outcomes[index] as PublishOutcome);
      if (error !== undefined && (error.retryable || error.code === "E_UNKNOWN_NODE")) {
        failure ??= error;
        continue;
      }
      if (error !== undefined) this.#parts.refused(path, error);
      if (object === undefined) this.#forget(path, fed);
      else fed.set(path, fedFrom(object.metadata));
    }
    if (failure !== undefined) throw failure;
  }

  /** A version that the hub holds for older than what it has of the resource was numbered elsewhere. */
  async #settled(draft: PublishDraft, outcome: PublishOutcome): Promise<HubError | undefined> {
    if (!outcome.ok) return outcome.error;
    // Its Node object is sent by others too, and they keep it as it is.
    if (!outcome.published.stale || isOwnNode(draft.resource, this.node)) return undefined;
    const [again] = await this.#parts.hub.publishBatch([{ ...draft, resourceVersion: "next" }]);
    return again === undefined || again.ok ? undefined : again.error;
  }
}
