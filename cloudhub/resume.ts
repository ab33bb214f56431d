import type { Clock } from "../platform/clock.ts";
import {
  asHubError,
  type Buckets,
  bucketListBytes,
  bucketOf,
  differing,
  type Frame,
  type HeldDigest,
  HubError,
  type ResourceVersion,
  readDigest,
  readHeldPart,
} from "../protocol/index.ts";
import type { HubStore, SaidToHold } from "./store/hub-store.ts";

/** What a node says about what it has. */
export type ResumeFrame = Extract<Frame, { type: "digest" } | { type: "held" }>;

/** How a node's word and the hub's agreed. */
export type ResumeOutcome = "same" | "different" | "unusable" | "silent";

export interface ResumeParts {
  readonly clock: Clock;
  /** This hub's. */
  readonly storeId: string;
  readonly known: {
    digest(count: number): ReturnType<HubStore["digest"]>;
    held(count: number, buckets: readonly number[]): ReturnType<HubStore["held"]>;
    /** The node has these versions, and no others of these resources. */
    correct(held: readonly SaidToHold[]): Promise<void>;
  };
  readonly send: (frame: Extract<Frame, { type: "differs" }>) => void;
  readonly fault: (error: HubError) => void;
  /** Once. */
  readonly ended: (outcome: ResumeOutcome) => void;
}

/** A node that says nothing for so long is sent what waits for it. */
const patienceMs = 10_000;
/** Resources a node may say it has in one part of its answer. */
const maxHeld = 100_000;
/** Resources in all that a node may have and this hub knows nothing of: each takes room on the hub's disk. */
const maxUnknown = 100_000;

/**
 * Finds out, before anything is sent to a node that has come back, whether it has what it was thought to have; see
 * protocol/resume.ts. Equal digests cost nothing more. A node that lies harms itself: what follows from its word changes
 * nothing but its own checkpoints and its own queue.
 */
export class Resume {
  /** Resolves when what waits for the node may be sent. */
  readonly done: Promise<void>;
  readonly #parts: ResumeParts;
  #finish: () => void = () => {};
  #phase: "hello" | "digest" | "comparing" | "parts" | "over" = "hello";
  #count = 0;
  /** Of the buckets that differ, what the node was thought to have: by bucket and resource. */
  #awaited = new Map<number, Map<string, ResourceVersion>>();
  /** Resources the node has named that it was not thought to have. */
  #unknown = 0;
  /** Corrections follow each other. */
  #correcting: Promise<void> = Promise.resolve();
  #cancel: () => void = () => {};

  constructor(parts: ResumeParts) {
    this.#parts = parts;
    this.done = new Promise((resolve) => (this.#finish = resolve));
  }

  /**
   * @param resumes The node will say what it has.
   * @param held It has said so already, if the hub that it had in mind is this one.
   */
  greeted(resumes: boolean, held?: HeldDigest): void {
    if (this.#phase !== "hello") return;
    this.#phase = "digest";
    if (!resumes) this.#over();
    else if (held?.storeId === this.#parts.storeId) this.take({ type: "digest", body: held.digest });
    else this.#wait();
  }

  take({ type, body }: ResumeFrame): void {
    const isAwaited = type === "digest" ? this.#phase === "digest" : this.#phase === "parts";
    if (!isAwaited) {
      this.#parts.fault(nobodyAsked());
      return;
    }
    try {
      if (type === "digest") void this.#compare(readDigest(body)).catch((error) => this.#failed(error));
      else this.#part(body);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** The link has ended. */
  close(): void {
    this.#over();
  }

  async #compare(theirs: Buckets): Promise<void> {
    this.#phase = "comparing";
    this.#cancel();
    this.#count = theirs.length / 2;
    const { known, send } = this.#parts;
    const buckets = differing(theirs, await known.digest(this.#count));
    if (this.#isOver()) return;
    if (buckets.length === 0) return this.#over("same");
    const ours = await known.held(this.#count, buckets);
    if (this.#isOver()) return;
    this.#awaited = new Map(buckets.map((bucket) => [bucket, new Map()]));
    for (const { resource, version } of ours)
      this.#awaited.get(bucketOf(resource, this.#count))?.set(resource, version);
    this.#phase = "parts";
    send({ type: "differs", body: bucketListBytes(buckets) });
    this.#wait();
  }

  #part(body: Uint8Array): void {
    const awaited = new Set(this.#awaited.keys());
    const { buckets, held } = readHeldPart(body, { awaited, count: this.#count, maxHeld });
    const said: SaidToHold[] = [];
    for (const { resource, version } of held) {
      const ours = this.#awaited.get(bucketOf(resource, this.#count));
      if (ours?.get(resource) !== version) said.push([resource, version]);
      if (ours?.delete(resource) !== true) this.#unknown++;
    }
    if (this.#unknown > maxUnknown)
      throw new HubError(
        "E_BAD_MESSAGE",
        `a node has more than ${maxUnknown} resources that nobody sent to it`,
      );
    for (const bucket of buckets) {
      for (const resource of this.#awaited.get(bucket)?.keys() ?? []) said.push([resource, undefined]);
      this.#awaited.delete(bucket);
    }
    this.#cancel();
    const isLast = this.#awaited.size === 0;
    if (isLast) this.#phase = "comparing";
    else this.#wait();
    this.#correcting = this.#correcting
      .then(() => (said.length > 0 && !this.#isOver() ? this.#parts.known.correct(said) : undefined))
      .then(() => (isLast ? this.#over("different") : undefined))
      .catch((error: unknown) => this.#failed(error));
  }

  #wait(): void {
    this.#cancel = this.#parts.clock.after(patienceMs, () => this.#over("silent"));
  }

  #failed(error: unknown): void {
    if (this.#isOver()) return;
    this.#parts.fault(asHubError(error));
    this.#over("unusable");
  }

  #isOver(): boolean {
    return this.#phase === "over";
  }

  #over(outcome?: ResumeOutcome): void {
    if (this.#isOver()) return;
    this.#phase = "over";
    this.#cancel();
    this.#awaited.clear();
    if (outcome !== undefined) this.#parts.ended(outcome);
    this.#finish();
  }
}

/** A node says what it has out of turn. */
export function nobodyAsked(): HubError {
  return new HubError("E_BAD_MESSAGE", "a node says what it has, and nobody asked");
}
