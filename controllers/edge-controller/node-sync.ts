import type { KubeObject } from "../../kubernetes/index.ts";
import type { HubError, PublishDraft, ResourceView } from "../../sdk/index.ts";
import {
  NodeResources,
  type NodeResourcesParts,
  type Plan,
  type ResourceRules,
  type Step,
} from "../runtime/node-resources.ts";
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

export interface NodeSyncParts extends Pick<NodeResourcesParts, "hub"> {
  readonly objects: WantedObjects;
  /** A message that no repetition will bring to the node. */
  readonly refused: (node: string, draft: PublishDraft, error: HubError) => void;
}

/** A node that joins with thousands of objects gets so many at a time, in turn with all others. */
const perRound = 64;
const kinds = ["pod", "configmap", "secret", "node"];

export type NodeSync = NodeResources<Wanted, Sent>;

/** Brings one node its pods and what these need, and its own Node object if it reads that. */
export function nodeSync(node: string, parts: NodeSyncParts): NodeSync {
  return new NodeResources<Wanted, Sent>({ node, hub: parts.hub, perRound }, new ObjectRules(node, parts));
}

const patterns = kinds.map((kind) => `*/${kind}/*`);

/** There is one for each node, so it holds little. */
class ObjectRules implements ResourceRules<Wanted, Sent> {
  readonly #node: string;
  readonly #parts: NodeSyncParts;

  constructor(node: string, parts: NodeSyncParts) {
    this.#node = node;
    this.#parts = parts;
  }

  get patterns(): readonly string[] {
    return patterns;
  }

  read(view: ResourceView): Sent | undefined {
    const found = sentOf(view);
    if (found === undefined || !kinds.includes(kindOf(view.resource))) return undefined;
    if (isOwnNode(view.resource)) this.#parts.objects.hasItsNode(this.#node);
    return found;
  }

  paths(): Iterable<string> {
    return this.#parts.objects.paths(this.#node);
  }

  /** What pods need goes before them. */
  compare(a: string, b: string): number {
    return Number(kindOf(a) === "pod") - Number(kindOf(b) === "pod");
  }

  plan(path: string, sent: Sent | undefined): Plan<Wanted> {
    const { objects } = this.#parts;
    const wanted = objects.wanted(this.#node, path);
    return { wanted, drafts: draftsFor({ node: this.#node, path }, wanted, sent, objects.last(path)) };
  }

  sentNow(wanted: Wanted): Sent {
    return { uid: wanted.object.metadata.uid ?? "", stamp: stampOf(wanted) };
  }

  untaken(): undefined {
    return undefined;
  }

  above({ draft }: Step<Wanted>): PublishDraft {
    return { ...draft, resourceVersion: "next" };
  }

  refused(draft: PublishDraft, error: HubError): void {
    this.#parts.refused(this.#node, draft, error);
  }
}

function kindOf(path: string): string {
  return path.split("/")[1] ?? "";
}
