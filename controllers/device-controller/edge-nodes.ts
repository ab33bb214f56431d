import type { KubeObject } from "../../kubernetes/index.ts";
import { objectOf, statusOf, textOf } from "../runtime/fields.ts";
import type { IdForm } from "./device.ts";

/** What a node's link and what it says tell of how to talk with it. */
export interface EdgeNode {
  /** `stock` acks no membership: it is told of its devices at each connect, and of changes while it is connected. */
  readonly kind: "stock" | "native" | undefined;
  readonly connected: boolean;
}

/** KubeEdge names devices with their namespaces since 1.16.2, which is built on Kubernetes 1.27. */
const namespacedSinceMinor = 27;

/** The nodes of the hub, as their links come and go. */
export class EdgeNodes {
  readonly #nodes = new Map<string, EdgeNode>();
  /** How a node has named a device itself. */
  readonly #forms = new Map<string, IdForm>();

  get(node: string): EdgeNode {
    return this.#nodes.get(node) ?? { kind: undefined, connected: false };
  }

  connected(node: string, dialect: unknown): void {
    this.#nodes.set(node, { kind: dialect === "native" ? "native" : "stock", connected: true });
  }

  disconnected(node: string): void {
    this.#nodes.set(node, { ...this.get(node), connected: false });
  }

  /** A node has named a device itself: that is surer than its version. */
  named(node: string, form: IdForm): void {
    this.#forms.set(node, form);
  }

  /** @param object Its Node, if there is one: a node without Edged has none. */
  formOf(node: string, object: KubeObject | undefined): IdForm {
    if (this.get(node).kind === "native") return "namespaced";
    return this.#forms.get(node) ?? formOfVersion(object) ?? "name";
  }
}

/** From a kubelet's version, like `v1.26.15-kubeedge-v1.15.4`; KubeEdge's own number may be missing in it. */
function formOfVersion(object: KubeObject | undefined): IdForm | undefined {
  const version = textOf(objectOf(statusOf(object).nodeInfo).kubeletVersion);
  const kubeEdge = /kubeedge-v(\d+)\.(\d+)\.(\d+)/.exec(version);
  if (kubeEdge !== null && kubeEdge[1] !== "0") {
    const [, major, minor, patch] = kubeEdge.map(Number) as [number, number, number, number];
    const isNamespaced = major > 1 || minor > 16 || (minor === 16 && patch >= 2);
    return isNamespaced ? "namespaced" : "name";
  }
  const kubernetes = /^v1\.(\d+)\./.exec(version);
  if (kubernetes === null) return undefined;
  return Number(kubernetes[1]) >= namespacedSinceMinor ? "namespaced" : "name";
}
