import type { KubeObject } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import type { HubApi, HubError, PublishDraft, PublishOutcome } from "../../sdk/index.ts";
import {
  draftsFor,
  type EdgeCounts,
  isOwn,
  placeOf,
  putOf,
  type Sent,
  sentNow,
  sentOf,
  sentPatterns,
  type Target,
  type Wanted,
} from "./wanted.ts";

/** What nodes are to have, as it is known now. */
export interface WantedDevices {
  /** `keep`: it cannot be said now; what the node has stays. */
  wanted(node: string, path: string): Wanted | "keep" | undefined;
  /** Paths of all that a node is to have. */
  paths(node: string): Iterable<string>;
  /** A Device or DeviceModel that is gone, or was elsewhere, as it was last. */
  last(path: string): KubeObject | undefined;
  counts(path: string): EdgeCounts;
}

export interface NodeDevicesParts {
  readonly hub: Pick<HubApi, "resources" | "publishBatch">;
  readonly clock: Clock;
  readonly devices: WantedDevices;
  /** A message that no repetition will bring to the node. */
  readonly refused: (draft: PublishDraft, error: HubError) => void;
}

interface Step {
  readonly path: string;
  readonly wanted: Wanted | undefined;
  readonly draft: PublishDraft;
}

/** Resources looked at in one round: then other nodes have their turn. */
const perRound = 100;
const viewLimit = 10_000;
/** A twin before its model and its device, as KubeEdge has it. */
const order = ["membership", "devicemodel", "device"] as const;

/** Brings one node its devices: the difference to what the hub has accepted for it, and nothing else. */
export class NodeDevices {
  readonly node: string;
  readonly #parts: NodeDevicesParts;
  /** By path; `undefined`: to be asked from the hub. */
  #sent: Map<string, Sent> | undefined;
  readonly #touched = new Set<string>();
  /** Resources to be sent again as they are. */
  readonly #notTaken = new Set<string>();

  #isServed = false;

  constructor(node: string, parts: NodeDevicesParts) {
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

  /** The version of what the hub has accepted last of a resource. */
  version(path: string): string | undefined {
    return this.#sent?.get(path)?.version;
  }

  /** The node has not taken what it was sent. */
  resend(path: string): void {
    this.#notTaken.add(path);
    this.touch(path);
  }

  /** Has the hub accepted any resource of this kind for the node? Known after the first round. */
  hasAny(kind: Wanted["kind"]): boolean {
    for (const path of this.#sent?.keys() ?? []) if (placeOf(path)?.kind === kind) return true;
    return false;
  }

  /** Has this controller brought the node anything, as far as the hub remembers? Known after `load`. */
  get isServed(): boolean {
    return this.#isServed;
  }

  /** Learns what the hub has accepted, if that is not known. */
  async load(): Promise<void> {
    this.#sent ??= await this.#load();
  }

  /** Publishes what a few resources need. @returns True if there are more. Rejects if it is to be tried again. */
  async round(): Promise<boolean> {
    const sent = this.#sent ?? (await this.#load());
    this.#sent = sent;
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
    for (const resource of sentPatterns) {
      const views = await this.#parts.hub.resources({ node: this.node, resource, limit: viewLimit });
      for (const view of views) {
        this.#isServed ||= isOwn(view);
        const found = sentOf(view);
        if (found !== undefined && placeOf(view.resource) !== undefined) sent.set(view.resource, found);
      }
    }
    for (const path of sent.keys()) this.touch(path);
    for (const path of this.#parts.devices.paths(this.node)) this.touch(path);
    return sent;
  }

  async #bring(paths: readonly string[], sent: Map<string, Sent>): Promise<void> {
    const steps = [...paths].sort(byKind).flatMap((path): Step[] => {
      const wanted = this.#parts.devices.wanted(this.node, path);
      if (wanted === "keep") return [];
      const known = sent.get(path);
      const before = known && this.#notTaken.has(path) ? { ...known, stamp: "" } : known;
      const drafts = draftsFor(this.#target(path), wanted, before, this.#parts.devices.last(path));
      return drafts.map((draft) => ({ path, wanted, draft }));
    });
    if (steps.length === 0) return;
    const outcomes = await this.#parts.hub.publishBatch(steps.map((step) => step.draft));
    this.#isServed = true;
    let failure: HubError | undefined;
    for (const [index, step] of steps.entries()) {
      const outcome = await this.#settled(step, outcomes[index] as PublishOutcome);
      const error = outcome.ok ? undefined : outcome.error;
      if (error !== undefined && (error.retryable || error.code === "E_UNKNOWN_NODE")) {
        failure ??= error;
        continue;
      }
      this.#notTaken.delete(step.path);
      if (error !== undefined) this.#parts.refused(step.draft, error);
      if (step.draft.operation === "delete" || step.wanted === undefined) sent.delete(step.path);
      else {
        const version = outcome.ok ? outcome.published.version : undefined;
        sent.set(step.path, { ...sentNow(step.wanted), version });
      }
    }
    if (failure !== undefined) throw failure;
  }

  /** The hub may hold a version for older than what it has: what is wanted now goes under one above that. */
  async #settled({ path, wanted, draft }: Step, outcome: PublishOutcome): Promise<PublishOutcome> {
    if (!outcome.ok) return outcome;
    const { stale, version } = outcome.published;
    if (!stale || version === undefined) return outcome;
    const above = String(BigInt(version) + 1n);
    const again =
      wanted === undefined || draft.operation === "delete"
        ? { ...draft, resourceVersion: above }
        : putOf(this.#target(path), wanted, draft.operation, above);
    const [second] = await this.#parts.hub.publishBatch([again]);
    return second ?? outcome;
  }

  #target(path: string): Target {
    const { clock, devices } = this.#parts;
    return { node: this.node, path, now: Math.trunc(clock.wallTime()), counts: devices.counts(path) };
  }
}

function byKind(a: string, b: string): number {
  return rank(a) - rank(b) || (a < b ? -1 : 1);
}

function rank(path: string): number {
  const kind = placeOf(path)?.kind;
  return kind === undefined ? order.length : order.indexOf(kind);
}
