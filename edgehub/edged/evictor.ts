import { asHubError } from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import { evictionReason, type Free, type Shortage, shortageOf, victimOf } from "./eviction.ts";
import type { Housekeeper } from "./housekeeper.ts";
import type { Pod } from "./pod.ts";
import type { Reason } from "./pod-view.ts";
import type { Runtime } from "./runtime.ts";

const everyMs = 10_000;
/** A shortage that was just there is taken to be there still, as at a kubelet. */
const pressureMs = 300_000;

export interface EvictorParts {
  readonly agent: Agent;
  readonly runtime: Pick<Runtime, "imageDisk">;
  readonly housekeeper: Pick<Housekeeper, "freeImages">;
  /** Absolute; its disk is the one that pods use. */
  readonly rootDirectory: string;
  free(directory: string): Free;
}

/** A pod that may have to go. */
export interface Candidate {
  readonly pod: Pod;
  /** It is ending already: what it holds will be free soon. */
  readonly isEnding: boolean;
  evict(reason: Reason): void;
}

/** Ends pods, one at a time, while the node is short of memory or disk. */
export class Evictor {
  readonly #parts: EvictorParts;
  #dueAt: number;
  #last: { shortage: Shortage; at: number } | undefined;
  #imagesFreed = false;

  /** @param enabled False: it never looks. */
  constructor(parts: EvictorParts, enabled: boolean) {
    this.#parts = parts;
    this.#dueAt = enabled ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }

  /** What the node is short of, or was until just now; `undefined`: nothing. */
  get pressure(): Shortage | undefined {
    const isRecent = this.#last && this.#parts.agent.clock.now() - this.#last.at < pressureMs;
    return isRecent ? this.#last?.shortage : undefined;
  }

  /** Looks, if it is time. Never rejects. */
  async round(candidates: readonly Candidate[]): Promise<void> {
    const { agent, housekeeper } = this.#parts;
    const now = agent.clock.now();
    if (now < this.#dueAt) return;
    this.#dueAt = now + everyMs;
    const shortage = shortageOf(this.#parts.free(this.#parts.rootDirectory), await this.#imageDisk());
    if (shortage === undefined) {
      this.#imagesFreed = false;
      return;
    }
    this.#last = { shortage, at: now };
    // Images can come back; what pods have done cannot.
    if (shortage.resource === "ephemeral-storage" && !this.#imagesFreed) {
      this.#imagesFreed = true;
      await housekeeper.freeImages();
      return;
    }
    if (candidates.some(({ isEnding }) => isEnding)) return;
    const victim = victimOf(candidates.map(({ pod }) => pod));
    const candidate = candidates.find(({ pod }) => pod === victim);
    if (candidate === undefined) return;
    const reason = evictionReason(shortage);
    agent.log.warn("a pod is evicted", { pod: candidate.pod.name, ...reason });
    candidate.evict(reason);
  }

  async #imageDisk(): Promise<Free | undefined> {
    try {
      const disk = await this.#parts.runtime.imageDisk();
      return disk && this.#parts.free(disk.path);
    } catch (error) {
      this.#parts.agent.log.debug("the disk of images is not known", { error: asHubError(error) });
      return undefined;
    }
  }
}
