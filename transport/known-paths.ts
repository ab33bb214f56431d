import type { Learned } from "../protocol/index.ts";

/** What was learned of a path counts for so long after the last link over it has ended, ms. */
const lastsMs = 600_000;

interface Path {
  /** Where the peer was. */
  readonly host: string;
  readonly windowBytes: number;
  endedAt: number;
}

/**
 * How much links that have ended delivered within a round trip, so that the next one over the same path need not find out
 * again, a round trip at a time: it begins with that, which is half of what the old one had in flight. The peer must be at
 * the same address, and not have been away for long; then the path is likely to be the same, and where it is not, the
 * first ack ends it. Pure; `now` is monotonic ms. Source: the model of Careful Resume (draft-ietf-tsvwg-careful-resume).
 */
export class KnownPaths {
  readonly #most: number;
  /** By peer; the one that ended first comes first. */
  readonly #paths = new Map<string, Path>();

  /** @param most So many are remembered. */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * A link has ended.
   *
   * @param address `host:port` of the peer.
   * @param learned What it delivered within a round trip; `undefined`: its window does not follow the link.
   */
  ended(peer: string, address: string, learned: Learned | undefined, now: number): void {
    const host = hostOf(address);
    const before = this.#paths.get(peer);
    this.#paths.delete(peer);
    if (learned === undefined) return;
    // One that had little to send says nothing against what the path has carried before.
    const known = before?.host === host && !learned.isLimit ? before.windowBytes : 0;
    const windowBytes = Math.max(learned.bytes, known);
    if (windowBytes > 0) this.#paths.set(peer, { host, windowBytes, endedAt: now });
    for (const oldest of this.#paths.keys()) {
      if (this.#paths.size <= this.#most) break;
      this.#paths.delete(oldest);
    }
  }

  /** What a new link may have in flight at once; `undefined`: nothing is known. */
  firstBytes(peer: string, address: string, now: number): number | undefined {
    const path = this.#paths.get(peer);
    if (path === undefined || path.host !== hostOf(address) || now - path.endedAt > lastsMs) return undefined;
    return path.windowBytes;
  }

  /** None of them is the same any more: this machine is in another network. */
  clear(): void {
    this.#paths.clear();
  }
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":"));
}
