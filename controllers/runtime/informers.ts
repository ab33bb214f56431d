import { groupResource, type ResourceName } from "../../kubernetes/index.ts";
import { Informer, type InformerParts } from "./informer.ts";

/** One informer per kind, begun by the first who asks for it. */
export class Informers {
  readonly #parts: InformerParts;
  readonly #signal: AbortSignal;
  readonly #byType = new Map<string, Informer>();

  constructor(parts: InformerParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
  }

  /** Indexes and observers that are added in the same turn see every object. */
  of(resource: ResourceName): Informer {
    const type = groupResource(resource);
    const found = this.#byType.get(type);
    if (found !== undefined) return found;
    const informer = new Informer(this.#parts, resource);
    this.#byType.set(type, informer);
    informer.start(this.#signal);
    return informer;
  }
}
