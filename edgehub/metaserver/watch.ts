import type { ServerResponse } from "node:http";
import { ApiError } from "../../kubernetes/api-error.ts";
import type { KubeObject } from "../../kubernetes/object.ts";
import type { Selector } from "../../kubernetes/selectors.ts";
import type { Clock } from "../../platform/clock.ts";
import { parseVersion, type ResourceVersion } from "../../protocol/index.ts";
import { type Change, type ChangeLog, isUpTo } from "./change-log.ts";
import type { LocalObjects } from "./local-objects.ts";
import { objectOf } from "./objects.ts";

export interface WatchParts {
  readonly response: ServerResponse;
  readonly clock: Clock;
  readonly log: ChangeLog;
  readonly objects: LocalObjects;
}

export interface WatchWishes {
  /** Lower-case kinds that may be meant. */
  readonly types: readonly string[];
  /** For objects of which only the path is known any more. */
  readonly kind: { readonly apiVersion: string; readonly kind: string };
  readonly matches: Selector;
  /** How the client sees an object. */
  readonly show: (object: KubeObject) => object;
  readonly bookmarks: boolean;
  /** The client has all objects up to this version. */
  readonly knownUpTo: ResourceVersion | undefined;
  /** Ends after so long; `undefined`: never. */
  readonly timeoutMs: number | undefined;
}

export interface WatchLimits {
  /** Last states of deleted objects that wait for the client, bytes. */
  readonly pendingBytes: number;
  /** A client that takes nothing for so long is gone. */
  readonly stalledMs: number;
}

const bookmarkMs = 60_000;
/** How long a client has to take the last words. */
const farewellMs = 5_000;
/** What waits for emission: a change, or that the initial objects end here. */
type Pending = Change | "initial" | "initial-end";

/**
 * One watch: what a client knows, what it has yet to be told, and the stream to it.
 *
 * What waits are keys, not objects: a client that reads slowly gets the newest state of each object, never a queue of
 * old ones.
 */
export class Watch {
  readonly #parts: WatchParts;
  readonly #wishes: WatchWishes;
  readonly #limits: WatchLimits;
  /** Versions of the objects the client has. */
  readonly #known = new Map<string, string | undefined>();
  readonly #pending = new Map<string, Pending>();
  #pendingBytes = 0;
  #blocked = false;
  #pumping = false;
  #ended = false;
  readonly #cancels = new Map<"bookmark" | "timeout" | "stall", () => void>();
  /** Resolves when the watch has ended, whoever ended it. */
  readonly ended: Promise<void>;

  constructor(parts: WatchParts, wishes: WatchWishes, limits: WatchLimits) {
    this.#parts = parts;
    this.#wishes = wishes;
    this.#limits = limits;
    const { response } = parts;
    this.ended = new Promise((resolve) => response.once("close", resolve));
    void this.ended.then(() => this.#finish());
    response.on("drain", () => this.#drained());
    response.writeHead(200, { "content-type": "application/json", "cache-control": "no-cache, private" });
    response.flushHeaders();
    if (wishes.bookmarks) this.#bookmarkLater();
    if (wishes.timeoutMs !== undefined)
      this.#after("timeout", wishes.timeoutMs, () => {
        this.#ended = true;
        response.end();
      });
  }

  /** The client has these, in the version they have now. */
  know(key: string, object: KubeObject): void {
    this.#known.set(key, object.metadata.resourceVersion);
  }

  /** The client may have it, in an older version. */
  knowOlder(key: string): void {
    this.#known.set(key, undefined);
  }

  /** Tells the client of all that is there. */
  begin(keys: readonly string[], announceEnd: boolean): void {
    for (const key of keys) this.#pending.set(key, "initial");
    if (announceEnd) this.#pending.set("", "initial-end");
    this.#pumpSoon();
  }

  changed(change: Change): void {
    if (this.#ended || !this.#wishes.types.includes(change.type)) return;
    const before = this.#pending.get(change.key);
    if (typeof before === "object") this.#pendingBytes -= before.deleted?.length ?? 0;
    this.#pendingBytes += change.deleted?.length ?? 0;
    // The order of what is told is that of the log: a client may go on from any of it.
    this.#pending.delete(change.key);
    this.#pending.set(change.key, change);
    if (this.#pendingBytes > this.#limits.pendingBytes)
      this.end(new ApiError("Expired", "too old resource version: the client reads too slowly"));
    else this.#pumpSoon();
  }

  /** Ends it; the client is told why. */
  end(reason: ApiError): void {
    if (this.#ended) return;
    this.#ended = true;
    const { response, clock } = this.#parts;
    response.end(lineOf("ERROR", reason.status));
    const cancel = clock.after(farewellMs, () => response.destroy());
    void this.ended.then(cancel);
  }

  /** At the end of the turn, when all changes of a commit are known. */
  #pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    this.#parts.clock.atTurnEnd(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    for (const [key, pending] of this.#pending) {
      if (this.#blocked || this.#ended) return;
      this.#pending.delete(key);
      if (pending === "initial-end") {
        this.#bookmark({ "k8s.io/initial-events-end": "true" });
        continue;
      }
      if (pending !== "initial") this.#pendingBytes -= pending.deleted?.length ?? 0;
      this.#tell(key, pending === "initial" ? undefined : pending);
    }
  }

  #tell(key: string, change: Change | undefined): void {
    const object = change?.deleted === undefined ? this.#parts.objects.byKey(key) : undefined;
    const isKnown = this.#known.has(key);
    if (object && this.#wishes.matches(object)) {
      const version = object.metadata.resourceVersion;
      const repeats =
        version !== undefined &&
        (this.#known.get(key) === version || isUpTo(parseVersion(version), this.#wishes.knownUpTo));
      this.#known.set(key, version);
      if (!repeats) this.#send(isKnown ? "MODIFIED" : "ADDED", this.#wishes.show(object));
      return;
    }
    if (!isKnown) return;
    this.#known.delete(key);
    this.#send("DELETED", this.#wishes.show(object ?? this.#lastStateOf(key, change)));
  }

  /** A deleted object as the cloud sent it, or what its path says. */
  #lastStateOf(key: string, change: Change | undefined): KubeObject {
    const last = change && objectOf({ ...change, value: change.deleted ?? new Uint8Array(0) });
    if (last) return last;
    const [namespace = "null", , name = ""] = key.split("/");
    const version = change?.version;
    return {
      ...this.#wishes.kind,
      metadata: {
        name,
        ...(namespace === "null" ? {} : { namespace }),
        ...(version === undefined ? {} : { resourceVersion: version }),
      },
    };
  }

  #bookmark(annotations?: Readonly<Record<string, string>>): void {
    const metadata = { resourceVersion: this.#parts.log.version, ...(annotations ? { annotations } : {}) };
    this.#send("BOOKMARK", { ...this.#wishes.kind, metadata });
  }

  #bookmarkLater(): void {
    this.#after("bookmark", bookmarkMs, () => {
      // It says that the client has everything up to here.
      if (this.#pending.size === 0) this.#bookmark();
      this.#bookmarkLater();
    });
  }

  #send(type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK", object: object): void {
    if (this.#parts.response.write(lineOf(type, object)) || this.#blocked) return;
    this.#blocked = true;
    this.#after("stall", this.#limits.stalledMs, () =>
      this.end(new ApiError("Expired", "too old resource version: the client does not read")),
    );
  }

  #drained(): void {
    this.#blocked = false;
    this.#cancels.get("stall")?.();
    this.#pumpSoon();
  }

  #after(what: "bookmark" | "timeout" | "stall", delayMs: number, run: () => void): void {
    this.#cancels.set(
      what,
      this.#parts.clock.after(delayMs, () => {
        if (!this.#ended) run();
      }),
    );
  }

  #finish(): void {
    this.#ended = true;
    for (const cancel of this.#cancels.values()) cancel();
    this.#pending.clear();
    this.#known.clear();
  }
}

function lineOf(type: string, object: object): string {
  return `${JSON.stringify({ type, object })}\n`;
}
