import { randomUUID } from "node:crypto";
import { type Json, strategicMerge } from "./strategic-merge.ts";
import type { WireJson } from "./wire-json.ts";

/** An object, as far as everybody needs it. */
export interface KubeObject extends Json {
  readonly metadata: Json & {
    readonly name: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
  };
  readonly spec?: Json;
  readonly status?: Json;
}

/** What becomes of a request: the object then, or a reason of the API server's. */
export type Outcome =
  | { readonly object: KubeObject; readonly refusal?: undefined }
  | { readonly object?: undefined; readonly refusal: "NotFound" | "AlreadyExists" | "Conflict" | "Invalid" };

/** The API server behind the recorded cloudcore, as far as a node's requests go. What no kubelet would do is an error. */
export class EdgeController {
  /** By `node/edge-a`; all others are in namespace default. */
  readonly objects = new Map<string, KubeObject>();
  /** Every version of each, in order. */
  readonly history: KubeObject[] = [];
  #version = 1_000;

  get(type: string, name: string): KubeObject | undefined {
    return this.objects.get(`${type}/${name}`);
  }

  /** Makes or changes an object by other hands than the node's. */
  put(type: string, object: KubeObject): KubeObject {
    const resourceVersion = String(++this.#version);
    const { uid = randomUUID(), creationTimestamp, ...metadata } = object.metadata;
    const made = creationTimestamp ?? new Date().toISOString().replace(/\.\d+/, "");
    const stored = { ...object, metadata: { ...metadata, uid, resourceVersion, creationTimestamp: made } };
    this.objects.set(`${type}/${object.metadata.name}`, stored);
    this.history.push(stored);
    return stored;
  }

  /** Throws for what the node must never ask. */
  handle({ route, content }: WireJson): Outcome {
    const [, type = "", name = ""] = (route.resource ?? "").split("/");
    const kept = type.replace("patch", "");
    const known = this.get(kept, name);
    switch (route.operation) {
      case "query":
        return known ? { object: known } : { refusal: "NotFound" };
      case "insert":
        return this.#insert(kept, content as KubeObject, known);
      case "update":
        return this.#update(kept, content as KubeObject, known);
      case "patch":
        return this.#patch(kept, JSON.parse(content as string) as Json, known);
      case "delete":
        return this.#delete(content as { preconditions: Json }, known);
      default:
        throw new Error(`nothing is known of ${route.operation}`);
    }
  }

  #insert(type: string, object: KubeObject, known: KubeObject | undefined): Outcome {
    if (known && type === "lease") throw new Error("the lease is there, and the node could know");
    if (known) return { refusal: "AlreadyExists" };
    const owners = (object.metadata.ownerReferences ?? []) as { uid?: string }[];
    if (owners.some(({ uid }) => !uid)) return { refusal: "Invalid" };
    const dead = owners.find(({ uid }) => uid !== this.get("node", object.metadata.name)?.metadata.uid);
    if (dead) throw new Error("a lease whose owner is not there is collected as garbage");
    const { kind: _kind, apiVersion: _apiVersion, ...rest } = object;
    return { object: this.put(type, rest as KubeObject) };
  }

  #update(type: string, object: KubeObject, known: KubeObject | undefined): Outcome {
    if (known === undefined) return { refusal: "NotFound" };
    const { uid, resourceVersion } = object.metadata;
    if (uid !== known.metadata.uid || resourceVersion !== known.metadata.resourceVersion)
      throw new Error(
        `an update of version ${resourceVersion}, but ${known.metadata.resourceVersion} was given`,
      );
    const { kind: _kind, apiVersion: _apiVersion, ...rest } = object;
    return { object: this.put(type, rest as KubeObject) };
  }

  #patch(type: string, { metadata = {}, status }: Json, known: KubeObject | undefined): Outcome {
    if (known === undefined) return { refusal: "NotFound" };
    const { uid, labels } = metadata as { uid?: string; labels?: Json };
    if (type === "pod" && uid === undefined) throw new Error("a pod's patch must name the uid");
    if (uid !== undefined && uid !== known.metadata.uid) return { refusal: "Conflict" };
    const named = {
      ...known.metadata,
      ...(labels ? { labels: { ...(known.metadata.labels as Json), ...labels } } : {}),
    };
    const merged = strategicMerge(known.status ?? {}, (status ?? {}) as Json);
    return { object: this.put(type, { ...known, metadata: named, status: merged }) };
  }

  #delete({ preconditions }: { preconditions: Json }, known: KubeObject | undefined): Outcome {
    if (known === undefined) return { refusal: "NotFound" };
    if (preconditions.uid !== known.metadata.uid) return { refusal: "Conflict" };
    const containers = (known.status?.containerStatuses ?? []) as { state: Json }[];
    if (known.metadata.deletionTimestamp === undefined)
      throw new Error("nobody wanted the pod to be deleted");
    if (containers.some(({ state }) => state.running))
      throw new Error("the pod's containers run, as far as it said");
    const metadata = { ...known.metadata, deletionGracePeriodSeconds: 0 };
    return { object: this.put("pod", { ...known, metadata }) };
  }
}
