import type { KubeObject } from "../../kubernetes/index.ts";
import type { HubError, PublishDraft } from "../../sdk/index.ts";
import { NodeResources, type NodeResourcesParts } from "../runtime/node-resources.ts";
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
  readonly refused: (draft: PublishDraft, error: HubError) => void;
}

/** A node that joins with thousands of objects gets so many at a time, in turn with all others. */
const perRound = 64;
const kinds = ["pod", "configmap", "secret", "node"];

export type NodeSync = NodeResources<Wanted, Sent>;

/** Brings one node its pods and what these need, and its own Node object if it reads that. */
export function nodeSync(node: string, { hub, objects, refused }: NodeSyncParts): NodeSync {
  return new NodeResources<Wanted, Sent>(
    { node, hub, perRound },
    {
      patterns: kinds.map((kind) => `*/${kind}/*`),
      read(view) {
        const found = sentOf(view);
        if (found === undefined || !kinds.includes(kindOf(view.resource))) return undefined;
        if (isOwnNode(view.resource)) objects.hasItsNode(node);
        return found;
      },
      paths: () => objects.paths(node),
      // What pods need goes before them.
      compare: (a, b) => Number(kindOf(a) === "pod") - Number(kindOf(b) === "pod"),
      plan(path, sent) {
        const wanted = objects.wanted(node, path);
        return { wanted, drafts: draftsFor({ node, path }, wanted, sent, objects.last(path)) };
      },
      sentNow: (wanted) => ({ uid: wanted.object.metadata.uid ?? "", stamp: stampOf(wanted) }),
      untaken: () => undefined,
      above: ({ draft }) => ({ ...draft, resourceVersion: "next" }),
      refused,
    },
  );
}

function kindOf(path: string): string {
  return path.split("/")[1] ?? "";
}
