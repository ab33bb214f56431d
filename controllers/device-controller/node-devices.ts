import type { KubeObject } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import type { HubError, PublishDraft } from "../../sdk/index.ts";
import { NodeResources, type NodeResourcesParts } from "../runtime/node-resources.ts";
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
  withdrawal,
} from "./wanted.ts";

/** What nodes are to have, as it is known now. */
export interface WantedDevices {
  /**
   * `keep`: it cannot be said now; what the node has stays. `withdraw`: the node does not read it, and is not to be told
   * even that it has gone.
   */
  wanted(node: string, path: string): Wanted | "keep" | "withdraw" | undefined;
  /** Paths of all that a node is to have. */
  paths(node: string): Iterable<string>;
  /** A Device or DeviceModel that is gone, or was elsewhere, as it was last. */
  last(path: string): KubeObject | undefined;
  counts(path: string): EdgeCounts;
}

export interface NodeDevicesParts extends Pick<NodeResourcesParts, "hub"> {
  readonly clock: Clock;
  readonly devices: WantedDevices;
  /** A message that no repetition will bring to the node. */
  readonly refused: (draft: PublishDraft, error: HubError) => void;
}

const perRound = 100;
/** A twin before its model and its device, as KubeEdge has it. */
const order = ["membership", "devicemodel", "device"] as const;

/** Brings one node its devices. */
export class NodeDevices {
  readonly #resources: NodeResources<Wanted, Sent>;
  #wasServed = false;

  constructor(node: string, { hub, clock, devices, refused }: NodeDevicesParts) {
    const target = (path: string): Target => ({
      node,
      path,
      now: Math.trunc(clock.wallTime()),
      counts: devices.counts(path),
    });
    this.#resources = new NodeResources<Wanted, Sent>(
      { node, hub, perRound },
      {
        patterns: sentPatterns,
        read: (view) => {
          this.#wasServed ||= isOwn(view);
          return placeOf(view.resource) === undefined ? undefined : sentOf(view);
        },
        paths: () => devices.paths(node),
        compare: (a, b) => rank(a) - rank(b) || (a < b ? -1 : 1),
        plan(path, sent) {
          const wanted = devices.wanted(node, path);
          if (wanted === "keep") return { wanted: undefined, drafts: [] };
          if (wanted === "withdraw")
            return { wanted: undefined, drafts: sent === undefined ? [] : [withdrawal(target(path), sent)] };
          return { wanted, drafts: draftsFor(target(path), wanted, sent, devices.last(path)) };
        },
        sentNow: (wanted, version) => ({ ...sentNow(wanted), version }),
        untaken: (sent) => ({ ...sent, stamp: "" }),
        above({ path, wanted, draft }, version) {
          if (version === undefined) return undefined;
          const above = String(BigInt(version) + 1n);
          if (wanted === undefined || draft.operation === "delete")
            return { ...draft, resourceVersion: above };
          // The version is also said in the twin.
          return putOf(target(path), wanted, draft.operation, above);
        },
        refused,
      },
    );
  }

  /** The resource may not be any more what the node is to have. */
  touch(path: string): void {
    this.#resources.touch(path);
  }

  /** What the hub has accepted is to be asked again: it may have forgotten. */
  reload(): void {
    this.#resources.reload();
  }

  /** The version of what the hub has accepted last of a resource. */
  version(path: string): string | undefined {
    return this.#resources.sent(path)?.version;
  }

  /** The node has not taken what it was sent. */
  resend(path: string): void {
    this.#resources.resend(path);
  }

  /** Has the hub accepted any resource of this kind for the node? Known after `load`. */
  hasAny(kind: Wanted["kind"]): boolean {
    for (const path of this.#resources.sentPaths()) if (placeOf(path)?.kind === kind) return true;
    return false;
  }

  /** Has this controller brought the node anything, as far as the hub remembers? Known after `load`. */
  get isServed(): boolean {
    return this.#wasServed || this.#resources.hasPublished;
  }

  /** Learns what the hub has accepted, if that is not known. */
  load(): Promise<void> {
    return this.#resources.load();
  }

  /** Publishes what a few resources need. @returns True if there are more. Rejects if it is to be tried again. */
  round(): Promise<boolean> {
    return this.#resources.round();
  }
}

function rank(path: string): number {
  const kind = placeOf(path)?.kind;
  return kind === undefined ? order.length : order.indexOf(kind);
}
