import { compareVersions, parseVersion, type ResourceVersion } from "../../protocol/index.ts";

/** A change of a stored resource, in the order of the commits. */
export interface Change {
  /** Position of this change; grows by one. */
  readonly at: number;
  /** Resource path. */
  readonly key: string;
  readonly type: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly version: ResourceVersion | undefined;
  /** The resource was not there before. */
  readonly isNew: boolean;
  /** Of a deletion, the object's last state if the cloud sent it, JSON text; `undefined`: the resource was stored. */
  readonly deleted: Uint8Array | undefined;
}

/** From where a watch goes on. `knownUpTo`: the client has all objects up to this version. */
export interface Resumption {
  readonly after: number;
  readonly knownUpTo: ResourceVersion | undefined;
}

export interface ChangeLogLimits {
  readonly changes: number;
  readonly bytes: number;
}

/** Versions of this server begin here; those of clouds lie below. */
const ownVersions = 1_000_000_000_000_000_000n;
/** So many lists of the cloud are remembered. */
const rememberedLists = 1_000;

/**
 * The latest changes, so that a watch can go on where a list or an earlier watch ended. Pure.
 *
 * Two kinds of resource versions are given to clients: those of objects, which the cloud numbers, and positions in
 * this log: {@link version} of lists made here, {@link versionOf} of objects whose status this node reports. After a restart all older positions have expired, and
 * clients list again.
 */
export class ChangeLog {
  readonly #limits: ChangeLogLimits;
  readonly #first: bigint;
  readonly #lists = new Map<string, number>();
  /** Of pods and nodes: where they changed last. */
  readonly #latest = new Map<string, number>();
  #changes: Change[] = [];
  #bytes = 0;
  #at = 0;
  #forgotten = 0;

  /** @param wallTime Of the start, ms since 1970: keeps versions of one start apart from those of others. */
  constructor(limits: ChangeLogLimits, wallTime: number) {
    this.#limits = limits;
    this.#first = ownVersions + BigInt(Math.trunc(wallTime)) * 1_000_000n;
  }

  /** Where the log ends. */
  get at(): number {
    return this.#at;
  }

  /** The state of now, as a resource version. */
  get version(): string {
    return this.versionAt(this.#at);
  }

  versionAt(at: number): string {
    return String(this.#first + BigInt(at));
  }

  /** A version of the newest state of an object whose status this node reports: it may change without the cloud. */
  versionOf(key: string): string {
    return this.versionAt(this.#latest.get(key) ?? 0);
  }

  add(change: Omit<Change, "at">): Change {
    const added = { ...change, at: ++this.#at };
    if (change.deleted !== undefined) this.#latest.delete(change.key);
    else if (hasReports(change.type)) this.#latest.set(change.key, added.at);
    this.#changes.push(added);
    this.#bytes += change.deleted?.length ?? 0;
    while (this.#changes.length > this.#limits.changes || this.#bytes > this.#limits.bytes) {
      const oldest = this.#changes.shift() as Change;
      this.#bytes -= oldest.deleted?.length ?? 0;
      this.#forgotten = oldest.at;
    }
    return added;
  }

  /** Changes behind a position, oldest first. */
  after(at: number): readonly Change[] {
    return this.#changes.slice(Math.max(at - this.#forgotten, 0));
  }

  /** A list of the cloud had this version; `at` is where the log ended when its first page was asked for. */
  rememberList(version: string, at: number): void {
    if ((this.#lists.get(version) ?? -1) >= this.#forgotten) return;
    this.#lists.delete(version);
    this.#lists.set(version, at);
    if (this.#lists.size > rememberedLists) this.#lists.delete(this.#lists.keys().next().value as string);
  }

  /** @returns `undefined` for a version that has expired, or never was. */
  resume(version: string, types: readonly string[]): Resumption | undefined {
    if (!/^\d{1,20}$/.test(version)) return undefined;
    const change = this.#changes.findLast((one) => one.version === version && types.includes(one.type));
    if (change) return this.#covered(change.at, undefined);
    const number = BigInt(version);
    if (number >= ownVersions) return this.#covered(Number(number - this.#first), undefined);
    const listedAt = this.#lists.get(version);
    return listedAt === undefined ? undefined : this.#covered(listedAt, parseVersion(version));
  }

  #covered(after: number, knownUpTo: ResourceVersion | undefined): Resumption | undefined {
    return after >= this.#forgotten && after <= this.#at ? { after, knownUpTo } : undefined;
  }
}

/** Are there objects of this type that this node reports the status of? */
export function hasReports(type: string): boolean {
  return type === "pod" || type === "node";
}

/** Is a version the other one, or older? False if one is missing. */
export function isUpTo(version: ResourceVersion | undefined, other: ResourceVersion | undefined): boolean {
  return version !== undefined && other !== undefined && compareVersions(version, other) <= 0;
}
