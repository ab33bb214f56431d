import { ApiError, notFound } from "../../kubernetes/api-error.ts";
import { isObject } from "../../kubernetes/json.ts";
import type { KubeObject } from "../../kubernetes/object.ts";
import { isSet, type ObjectPath } from "../../kubernetes/path.ts";
import { apiVersionOf, groupResource } from "../../kubernetes/resource-type.ts";
import { fieldSelector, labelSelector, type Selector } from "../../kubernetes/selectors.ts";
import type { Clock } from "../../platform/clock.ts";
import { keyOf } from "./api-path.ts";
import type { Outcome } from "./application.ts";
import type { ChangeLog } from "./change-log.ts";
import type { CloudApi } from "./cloud-api.ts";
import type { FetchedObjects } from "./fetched-objects.ts";
import type { LocalObject, LocalObjects } from "./local-objects.ts";
import { type Form, readList, shownList, shownObject, type TableWish } from "./representation.ts";
import { CloudRefusal } from "./status.ts";
import { listOption } from "./verb-options.ts";

export interface ReadParts {
  readonly clock: Clock;
  readonly cloud: CloudApi;
  readonly objects: LocalObjects;
  readonly fetched: FetchedObjects;
  readonly log: ChangeLog;
}

/** What a client asks for, and how it wants to see it. */
export interface ReadRequest {
  readonly path: ObjectPath;
  readonly query: URLSearchParams;
  readonly form: Form;
  readonly gone: AbortSignal;
}

/** Where a list made here goes on: behind which key, and what its first page was a state of. */
interface Continuation {
  readonly after: string;
  readonly version: string;
}

/** Subresources that are a view of the object itself. */
const views = new Set(["", "status"]);

/** Get and list: from the cloud if it answers, else from this node. Source: KubeEdge's MetaServer. */
export class ObjectReads {
  readonly #parts: ReadParts;

  constructor(parts: ReadParts) {
    this.#parts = parts;
  }

  /** Rejects with an ApiError if there is no such object. */
  async get({ path, query, form, gone }: ReadRequest): Promise<object> {
    const { cloud, clock, objects } = this.#parts;
    const outcome = await cloud.tryToAsk(
      { path, verb: "get", option: "{}", body: "" },
      { hasOwn: () => this.#have(path) !== undefined, signal: gone },
    );
    const answered = outcome?.approved ? objectFrom(outcome.body) : undefined;
    if (answered) await this.#keep(path, answered);
    else if (outcome?.approved === false && outcome.status.code === 404) await this.#forget(path);
    await turnEnd(clock);
    const object = answered ? objects.withStatus(answered, path) : this.#have(path);
    if (object) return shownObject(object, form, wishOf(path, query, clock));
    throw refusalIn(outcome) ?? notFound(groupResource(path), path.name);
  }

  async list(request: ReadRequest): Promise<object> {
    const { path, query, form, gone } = request;
    const { cloud, log, clock, objects } = this.#parts;
    const matches = selectorOf(path, query);
    const next = continuationOf(query);
    if (next !== undefined && next !== "the cloud's") return await this.#local(request, matches, next);
    await turnEnd(clock);
    const before = log.at;
    const outcome = await cloud.tryToAsk(
      { path, verb: "list", option: listOption(query), body: "" },
      { hasOwn: () => next === undefined && objects.list(path).length > 0, signal: gone },
    );
    const answered = outcome?.approved ? readList(parsed(outcome.body)) : undefined;
    if (answered) {
      log.rememberList(answered.version, before);
      const items = answered.items.map((object) => objects.withStatus(object, path));
      return shownList(answered.list, items, form, wishOf(path, query, clock));
    }
    if (next !== undefined)
      throw new ApiError("Expired", "the cloud began this list, and does not answer any more");
    const local = await this.#local(request, matches);
    if (local) return local;
    throw refusalIn(outcome) ?? new ApiError("NotFound", "the server could not find the requested resource");
  }

  /** The object as this node has it, or as it was when the cloud last gave it. */
  #have(path: ObjectPath): KubeObject | undefined {
    const { objects, fetched } = this.#parts;
    return views.has(path.subresource) ? (objects.get(path) ?? fetched.get(keyOf(path))) : undefined;
  }

  /** Keeps what the cloud does not send by itself. That it cannot be kept does not spoil the answer. */
  async #keep(path: ObjectPath, object: KubeObject): Promise<void> {
    const { objects, fetched, clock } = this.#parts;
    if (path.subresource !== "" || objects.get(path) !== undefined) return;
    await fetched.keep(keyOf(path), object, clock.wallTime()).catch(() => undefined);
  }

  async #forget(path: ObjectPath): Promise<void> {
    await this.#parts.fetched.forget(keyOf(path)).catch(() => undefined);
  }

  async #local(request: ReadRequest, matches: Selector, next: Continuation): Promise<object>;
  async #local(request: ReadRequest, matches: Selector): Promise<object | undefined>;
  async #local(
    { path, query, form }: ReadRequest,
    matches: Selector,
    next?: Continuation,
  ): Promise<object | undefined> {
    const { objects, log, clock } = this.#parts;
    await turnEnd(clock);
    const all = objects.list(path);
    const kind = all[0]?.object.kind ?? objects.catalogue().find(path)?.kind;
    if (kind === undefined && next === undefined) return undefined;
    const meant = all.filter(
      ({ key, object }) => matches(object) && (next === undefined || key > next.after),
    );
    const { page, rest } = pageOf(meant, Number(query.get("limit") ?? 0));
    const version = next?.version ?? log.version;
    const last = page.at(-1);
    const more =
      rest > 0 && last
        ? { continue: continuationText({ after: last.key, version }), remainingItemCount: rest }
        : {};
    const list = {
      apiVersion: apiVersionOf(path),
      kind: `${kind ?? ""}List`,
      metadata: { resourceVersion: version, ...more },
    };
    const items = page.map(({ object }) => object);
    return shownList(list, items, form, wishOf(path, query, clock));
  }
}

/** Namespace, name and selectors of a request. Throws `BadRequest` for a selector that is none. */
export function selectorOf(path: ObjectPath, query: URLSearchParams): Selector {
  const byLabels = labelSelector(query.get("labelSelector") ?? "");
  const byFields = fieldSelector(query.get("fieldSelector") ?? "", path);
  return (object) =>
    (path.namespace === undefined || object.metadata.namespace === path.namespace) &&
    (path.name === "" || object.metadata.name === path.name) &&
    byLabels(object) &&
    byFields(object);
}

export function wishOf(type: ObjectPath, query: URLSearchParams, clock: Clock): TableWish {
  return { type, includeObject: query.get("includeObject") ?? "Metadata", now: clock.wallTime() };
}

/**
 * After it, what the store holds and what has been told of its changes agree: listeners hear of a commit before the
 * next turn.
 */
export function turnEnd(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.atTurnEnd(resolve));
}

function pageOf(all: readonly LocalObject[], limit: number): { page: readonly LocalObject[]; rest: number } {
  const page = limit > 0 ? all.slice(0, limit) : all;
  return { page, rest: all.length - page.length };
}

function continuationText(next: Continuation): string {
  return Buffer.from(JSON.stringify({ from: "edge", ...next })).toString("base64url");
}

function continuationOf(query: URLSearchParams): Continuation | "the cloud's" | undefined {
  const text = query.get("continue") ?? "";
  if (text === "" || isSet(query, "watch")) return undefined;
  const value = parsed(Buffer.from(text, "base64url").toString());
  if (!isObject(value) || value.from !== "edge") return "the cloud's";
  const { after, version } = value;
  if (typeof after !== "string" || typeof version !== "string")
    throw new ApiError("BadRequest", "continue is no key of this server");
  return { after, version };
}

function refusalIn(outcome: Outcome | undefined): CloudRefusal | undefined {
  return outcome === undefined || outcome.approved ? undefined : new CloudRefusal(outcome.status);
}

function objectFrom(body: string | undefined): KubeObject | undefined {
  const value = parsed(body);
  return isObject(value) && isObject(value.metadata) ? (value as KubeObject) : undefined;
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return undefined;
  }
}
