import type { HubApi, HubError, PublishDraft, PublishOutcome, ResourceView } from "../../sdk/index.ts";

/** One message that brings a node what it is to have of a resource. */
export interface Step<Wanted> {
  readonly path: string;
  /** `undefined`: the node is not to have it. */
  readonly wanted: Wanted | undefined;
  readonly draft: PublishDraft;
}

/** What a controller knows of the resources that it brings to a node. */
export interface ResourceRules<Wanted, Sent> {
  /** Patterns of its resources. */
  readonly patterns: readonly string[];
  /** What the hub has accepted of a resource; `undefined`: nothing, or nothing of this controller. */
  read(view: ResourceView): Sent | undefined;
  /** Paths of all that the node is to have. */
  paths(): Iterable<string>;
  /** Which of two goes first. */
  compare(a: string, b: string): number;
  /** What the node is to have of a resource now, and the messages that bring it there, in their order. */
  plan(path: string, sent: Sent | undefined): Plan<Wanted>;
  /** @param version What the hub has accepted it under. */
  sentNow(wanted: Wanted, version: string | undefined): Sent;
  /** What is left of what the hub has accepted if the node has not taken it. */
  untaken(sent: Sent): Sent | undefined;
  /** The message under a version that the hub does not hold for older than the one it has. */
  above(step: Step<Wanted>, version: string | undefined): PublishDraft | undefined;
  /** A message that no repetition will bring to the node. */
  refused(draft: PublishDraft, error: HubError): void;
}

export interface Plan<Wanted> {
  readonly wanted: Wanted | undefined;
  readonly drafts: readonly PublishDraft[];
}

export interface NodeResourcesParts {
  readonly node: string;
  readonly hub: Pick<HubApi, "resources" | "publishBatch">;
  /** Resources looked at in one round: then other nodes have their turn. */
  readonly perRound: number;
}

const viewLimit = 10_000;

/**
 * Brings one node what a controller has for it: the difference to what the hub has accepted for that node, and nothing
 * else. What was accepted is asked from the hub once, so a controller that begins anew goes on where another one ended.
 */
export class NodeResources<Wanted, Sent> {
  readonly #parts: NodeResourcesParts;
  readonly #rules: ResourceRules<Wanted, Sent>;
  /** False: what the hub has accepted is to be asked. */
  #isKnown = false;
  /** By path, once there is something. */
  #sent: Map<string, Sent> | undefined;
  /** Grows with each {@link reload}: an answer that was asked for before is not used. */
  #epoch = 0;
  /** To be looked at. Like the next, it is there once it is needed: most nodes are at rest. */
  #touched: Set<string> | undefined;
  /** What the node does not have, though the hub has accepted it. */
  #untaken: Set<string> | undefined;
  #hasPublished = false;

  constructor(parts: NodeResourcesParts, rules: ResourceRules<Wanted, Sent>) {
    this.#parts = parts;
    this.#rules = rules;
  }

  /** Anything was published here. */
  get hasPublished(): boolean {
    return this.#hasPublished;
  }

  /** What the hub has accepted of a resource, as far as that is known. */
  sent(path: string): Sent | undefined {
    return this.#sent?.get(path);
  }

  /** Paths of all that the hub has accepted, as far as that is known. */
  sentPaths(): Iterable<string> {
    return this.#sent?.keys() ?? [];
  }

  /** The resource may not be any more what the node is to have. */
  touch(path: string): void {
    this.#touched ??= new Set();
    this.#touched.add(path);
  }

  /** What the hub has accepted is to be asked again: it may have forgotten. */
  reload(): void {
    this.#isKnown = false;
    this.#sent = undefined;
    this.#epoch++;
  }

  /** The node has not taken what it was sent. */
  resend(path: string): void {
    this.#untaken ??= new Set();
    this.#untaken.add(path);
    this.touch(path);
  }

  /** Learns what the hub has accepted, if that is not known. */
  async load(): Promise<void> {
    while (!this.#isKnown) await this.#learn();
  }

  /** Publishes what a few resources need. @returns True if there are more. Rejects if it is to be tried again. */
  async round(): Promise<boolean> {
    while (!this.#isKnown) await this.#learn();
    const paths = [...(this.#touched ?? [])].slice(0, this.#parts.perRound);
    for (const path of paths) this.#touched?.delete(path);
    try {
      await this.#bring(paths);
    } catch (error) {
      for (const path of paths) this.touch(path);
      throw error;
    }
    if (this.#touched?.size === 0) this.#touched = undefined;
    return this.#touched !== undefined;
  }

  /** Asks the hub, once; of no use if that was asked for anew meanwhile. */
  async #learn(): Promise<void> {
    const epoch = this.#epoch;
    const sent = await this.#load();
    if (epoch !== this.#epoch) return;
    this.#isKnown = true;
    this.#sent = sent.size === 0 ? undefined : sent;
  }

  async #load(): Promise<Map<string, Sent>> {
    const { hub, node } = this.#parts;
    const sent = new Map<string, Sent>();
    // Together: a fleet that comes back is asked for in few transactions.
    const views = await Promise.all(
      this.#rules.patterns.map((resource) => hub.resources({ node, resource, limit: viewLimit })),
    );
    for (const view of views.flat()) {
      const found = this.#rules.read(view);
      if (found !== undefined) sent.set(view.resource, found);
    }
    for (const path of sent.keys()) this.touch(path);
    for (const path of this.#rules.paths()) this.touch(path);
    return sent;
  }

  async #bring(paths: readonly string[]): Promise<void> {
    for (const path of paths) if (this.#untaken?.delete(path)) this.#takeBack(path);
    const ordered = paths.toSorted((a, b) => this.#rules.compare(a, b));
    const steps = ordered.flatMap((path): Step<Wanted>[] => {
      const { wanted, drafts } = this.#rules.plan(path, this.sent(path));
      return drafts.map((draft) => ({ path, wanted, draft }));
    });
    if (steps.length === 0) return;
    const outcomes = await this.#parts.hub.publishBatch(steps.map(({ draft }) => draft));
    this.#hasPublished = true;
    let failure: HubError | undefined;
    for (const [index, step] of steps.entries()) {
      const outcome = await this.#settled(step, outcomes[index] as PublishOutcome);
      const error = outcome.ok ? undefined : outcome.error;
      if (error !== undefined && (error.retryable || error.code === "E_UNKNOWN_NODE")) {
        failure ??= error;
        continue;
      }
      if (error !== undefined) this.#rules.refused(step.draft, error);
      const version = outcome.ok ? outcome.published.version : undefined;
      if (step.draft.operation === "delete" || step.wanted === undefined) this.#keep(step.path, undefined);
      else this.#keep(step.path, this.#rules.sentNow(step.wanted, version));
    }
    if (failure !== undefined) throw failure;
  }

  #takeBack(path: string): void {
    const known = this.sent(path);
    this.#keep(path, known === undefined ? undefined : this.#rules.untaken(known));
  }

  /** After a {@link reload} the hub will be asked for it. */
  #keep(path: string, sent: Sent | undefined): void {
    if (!this.#isKnown) return;
    if (sent === undefined) {
      this.#sent?.delete(path);
      return;
    }
    this.#sent ??= new Map();
    this.#sent.set(path, sent);
  }

  /** A version that the hub holds for older than what it has of the resource was numbered elsewhere. */
  async #settled(step: Step<Wanted>, outcome: PublishOutcome): Promise<PublishOutcome> {
    if (!outcome.ok || !outcome.published.stale) return outcome;
    const again = this.#rules.above(step, outcome.published.version);
    if (again === undefined) return outcome;
    const [second] = await this.#parts.hub.publishBatch([again]);
    return second ?? outcome;
  }
}
