import { type HubClient, HubError, type PublishDraft, type Published } from "../sdk/index.ts";
import { hubErrorOf } from "./failures.ts";

/** What became of one message. */
export interface Outcome {
  readonly node: string;
  readonly resource: string;
  /** Where it was written, for people. */
  readonly origin: string;
  /** What the hub accepted; `undefined`: it did not. */
  readonly published: Published | undefined;
  /** True: the node has it on its disk. Only known when that was waited for. */
  readonly acked: boolean;
  readonly error: HubError | undefined;
}

export interface Job {
  readonly draft: PublishDraft & { readonly node: string; readonly content: Uint8Array };
  readonly origin: string;
}

/** How far it is. */
export interface Counts {
  readonly total: number;
  accepted: number;
  acked: number;
  failed: number;
}

export interface PublisherOptions {
  readonly until: "accepted" | "acked";
  /** Of the acks, all of them together, ms; `undefined`: for ever. */
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal;
  /** Something has moved. */
  readonly moved: (counts: Readonly<Counts>) => void;
}

/** What may be unanswered at once. */
const maxOpen = 500;
const maxOpenBytes = 64 << 20;
const maxOpenAcks = 1_000;

/**
 * Publishes messages in order, many at once, and waits for what is asked for. A node that is offline holds up only
 * its acks: everything is accepted first.
 *
 * @returns An outcome for each job, in their order. Rejects never: what fails is in its outcome.
 */
export async function publishAll(
  hub: Pick<HubClient, "publish" | "acked">,
  jobs: readonly Job[],
  options: PublisherOptions,
): Promise<Outcome[]> {
  const counts: Counts = { total: jobs.length, accepted: 0, acked: 0, failed: 0 };
  const sending = new Gate(maxOpen, maxOpenBytes);
  const waiting = new Gate(maxOpenAcks, Number.POSITIVE_INFINITY);
  const startedAt = performance.now();
  const moved = (): void => options.moved(counts);
  const outcomes = jobs.map(async (job): Promise<Outcome> => {
    const { node, resource } = job.draft;
    const outcome = {
      node,
      resource,
      origin: job.origin,
      published: undefined,
      acked: false,
      error: undefined,
    };
    let published: Published | undefined;
    try {
      published = await sending.pass(job.draft.content.length, () => {
        if (options.signal.aborted) throw new HubError("E_ABORTED", "interrupted before it was sent");
        return hub.publish(job.draft, { signal: options.signal });
      });
      counts.accepted++;
      moved();
      if (options.until === "accepted") return { ...outcome, published };
      const receipt = published;
      await waiting.pass(0, () => acked(hub, receipt, { ...options, startedAt }));
      counts.acked++;
      return { ...outcome, published, acked: true };
    } catch (error) {
      counts.failed++;
      return { ...outcome, published, error: hubErrorOf(error) };
    } finally {
      moved();
    }
  });
  return await Promise.all(outcomes);
}

async function acked(
  hub: Pick<HubClient, "acked">,
  published: Published,
  { timeoutMs, signal, startedAt }: PublisherOptions & { readonly startedAt: number },
): Promise<void> {
  if (timeoutMs === undefined) return await hub.acked(published, { signal });
  await hub.acked(published, {
    signal,
    timeoutMs: Math.max(1, Math.round(startedAt + timeoutMs - performance.now())),
  });
}

/** Lets work through in order, as long as there is room. Work that is larger than all the room goes alone. */
class Gate {
  readonly #maxCount: number;
  readonly #maxSize: number;
  readonly #queue: { readonly size: number; readonly enter: () => void }[] = [];
  #count = 0;
  #size = 0;

  constructor(maxCount: number, maxSize: number) {
    this.#maxCount = maxCount;
    this.#maxSize = maxSize;
  }

  async pass<T>(size: number, work: () => Promise<T>): Promise<T> {
    await new Promise<void>((enter) => {
      this.#queue.push({ size, enter });
      this.#letIn();
    });
    try {
      return await work();
    } finally {
      this.#count--;
      this.#size -= size;
      this.#letIn();
    }
  }

  #letIn(): void {
    for (let [next] = this.#queue; next !== undefined && this.#hasRoom(next.size); [next] = this.#queue) {
      this.#queue.shift();
      this.#count++;
      this.#size += next.size;
      next.enter();
    }
  }

  #hasRoom(size: number): boolean {
    return this.#count === 0 || (this.#count < this.#maxCount && this.#size + size <= this.#maxSize);
  }
}
