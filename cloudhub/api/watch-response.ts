import type { ServerResponse } from "node:http";
import { ApiError, isReason, isSet, type KubeObject, type WatchEvent } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import type { ObjectCall } from "./api-call.ts";
import { shownBookmark, shownObject, type TableWish } from "./presentation.ts";
import type { Registry, RegistryWatch } from "./registry.ts";
import { asApiError } from "./responses.ts";

export interface WatchLimits {
  /** A client that takes nothing for so long is cut off, ms. */
  readonly stallMs: number;
}

/** As Kubernetes: about once a minute a watcher learns how far he is. */
const bookmarkMs = 60_000;
/** Watches end after half an hour to an hour, unless the client wants another time, so that clients spread over time. */
const shortestMs = 1_800_000;
const encodedAtOnce = 64;

/** Sends changes as they happen, one JSON text per line. */
export class WatchResponses {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #limits: WatchLimits;
  readonly #stalled: () => void;
  /** The latest events as text: all who watch the same get the same. */
  readonly #encoded = new Map<object, string>();
  /** Of the open watches. */
  readonly #ends = new Set<AbortController>();
  #closed = false;

  /** @param stalled A client was cut off because it did not read. */
  constructor(parts: { registry: Registry; clock: Clock; stalled: () => void }, limits: WatchLimits) {
    this.#registry = parts.registry;
    this.#clock = parts.clock;
    this.#stalled = parts.stalled;
    this.#limits = limits;
  }

  get open(): number {
    return this.#ends.size;
  }

  /** Ends all watches, with their connections: the hub stops. */
  close(): void {
    this.#closed = true;
    for (const end of this.#ends) end.abort();
  }

  /** Resolves when the watch has ended. Rejects before anything is sent if the query makes no sense. */
  async serve(call: ObjectCall, query: RegistryWatch, wish: TableWish): Promise<void> {
    const { response, info, gone } = call;
    const seconds = secondsIn(info.query.get("timeoutSeconds"));
    const end = new AbortController();
    const stop = (): void => end.abort();
    gone.addEventListener("abort", stop, { once: true });
    const lifeMs = seconds > 0 ? seconds * 1_000 : shortestMs * (1 + Math.random());
    const cancel = this.#clock.after(Math.min(lifeMs, 2 ** 31 - 1), stop);
    this.#ends.add(end);
    try {
      const bookmarks = isSet(info.query, "allowWatchBookmarks") ? { bookmarkMs } : {};
      const events = this.#registry.watch(call.kind.type, { ...query, ...bookmarks, signal: end.signal });
      await this.#send(call, events, { wish, signal: end.signal });
    } finally {
      this.#ends.delete(end);
      cancel();
      gone.removeEventListener("abort", stop);
      if (response.headersSent) response.end(() => this.#closed && response.socket?.destroySoon());
    }
  }

  async #send(
    call: ObjectCall,
    events: AsyncGenerator<WatchEvent>,
    { wish, signal }: { wish: TableWish; signal: AbortSignal },
  ): Promise<void> {
    const { response } = call;
    let first = true;
    const next = events.next();
    // What is wrong with the query shows at once, and is answered like other bad requests.
    await Promise.race([
      next.then(undefined, refuseBadQuery),
      new Promise((resolve) => setImmediate(resolve)),
    ]);
    response.writeHead(200, { "Content-Type": "application/json", "Cache-Control": "no-cache, private" });
    response.flushHeaders();
    try {
      for (let result = await next; !result.done; result = await events.next()) {
        const now = this.#clock.wallTime();
        const text = this.#lineOf(call, result.value, { ...wish, now, columns: first && wish.columns });
        first &&= result.value.type === "BOOKMARK";
        if (!response.write(text) && !(await this.#drained(response, signal))) return;
      }
    } catch (error) {
      const { status } = asApiError(error);
      if (!response.destroyed) response.write(`${JSON.stringify({ type: "ERROR", object: status })}\n`);
    } finally {
      await events.return(undefined);
    }
  }

  #lineOf({ kind, form }: ObjectCall, { type, object }: WatchEvent, wish: TableWish): string {
    if (form.as !== "object") {
      const show = type === "BOOKMARK" ? shownBookmark : shownObject;
      return `${JSON.stringify({ type, object: show(kind, object, form, wish) })}\n`;
    }
    return `{"type":"${type}","object":${this.#textOf(object)}}\n`;
  }

  #textOf(object: KubeObject): string {
    const known = this.#encoded.get(object);
    if (known !== undefined) return known;
    const text = JSON.stringify(object);
    if (this.#encoded.size >= encodedAtOnce) this.#encoded.clear();
    this.#encoded.set(object, text);
    return text;
  }

  /** @returns False: the watch is over. */
  #drained(response: ServerResponse, signal: AbortSignal): Promise<boolean> {
    if (response.destroyed) return Promise.resolve(false);
    return new Promise((resolve) => {
      const finish = (goesOn: boolean): void => {
        cancel();
        response.off("drain", drained);
        response.off("close", closed);
        signal.removeEventListener("abort", closed);
        resolve(goesOn);
      };
      const drained = (): void => finish(true);
      const closed = (): void => finish(false);
      const cancel = this.#clock.after(this.#limits.stallMs, () => {
        this.#stalled();
        response.destroy();
        finish(false);
      });
      response.once("drain", drained);
      response.once("close", closed);
      signal.addEventListener("abort", closed, { once: true });
    });
  }
}

/** Throws `BadRequest`. */
function secondsIn(text: string | null): number {
  const seconds = Number(text ?? 0);
  if (Number.isInteger(seconds)) return seconds;
  throw new ApiError("BadRequest", `timeoutSeconds must be a whole number, not ${JSON.stringify(text)}`);
}

/** A version that is too old is told as an event, as Kubernetes does. */
function refuseBadQuery(error: unknown): void {
  if (!isReason(error, "Expired")) throw error;
}
