import type { ServerResponse } from "node:http";
import { ApiError, notFound } from "../../kubernetes/api-error.ts";
import { isObject } from "../../kubernetes/json.ts";
import type { KubeObject } from "../../kubernetes/object.ts";
import { isSet, type ObjectPath } from "../../kubernetes/path.ts";
import { groupResource } from "../../kubernetes/resource-type.ts";
import type { Clock } from "../../platform/clock.ts";
import { asHubError } from "../../protocol/index.ts";
import type { LocalObjects } from "./local-objects.ts";

/** What a container of this node has written, as pieces of text. Rejects with `E_NOT_FOUND`. */
export type OpenLog = (
  place: Readonly<Record<"namespace" | "pod" | "uid" | "container", string>>,
  wish: {
    /** Of the start before the last one. */
    readonly previous: boolean;
    /** The last lines only; Infinity: all. */
    readonly tail: number;
    /** Not what is older, wall clock ms; 0: all. */
    readonly since: number;
    readonly timestamps: boolean;
    /** Go on with what is written from now on. */
    readonly follow: boolean;
  },
  life: { readonly clock: Clock; readonly signal: AbortSignal; isOver(): boolean },
) => Promise<AsyncIterable<Uint8Array>>;

export interface LogRequest {
  readonly path: ObjectPath;
  readonly query: URLSearchParams;
  readonly gone: AbortSignal;
}

const containerLists = ["containers", "initContainers", "ephemeralContainers"];
const statusLists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
/** As Kubernetes allows names and uids; they become names of files. */
const fileName = /^(?!\.)[-\w.]{1,253}$/;

/** `GET …/pods/<name>/log`: from the files of this node. Rejects with an ApiError before anything is sent. */
export async function answerLog(
  { clock, objects, openLog }: { clock: Clock; objects: LocalObjects; openLog: OpenLog },
  { path, query, gone }: LogRequest,
  response: ServerResponse,
): Promise<void> {
  const at = { ...path, subresource: "" };
  const pod = objects.get(at);
  if (pod === undefined) throw notFound(groupResource(at), at.name);
  const container = containerOf(pod, query.get("container") ?? "");
  const { name = "", namespace = "", uid = "" } = pod.metadata;
  if (![name, namespace, uid, container].every((one) => fileName.test(one)))
    throw new ApiError("BadRequest", `pod "${name}" has no uid: it has never run on this node`);
  const follow = isSet(query, "follow");
  const previous = isSet(query, "previous");
  const most = countIn(query, "limitBytes") ?? Number.POSITIVE_INFINITY;
  const isOver = (): boolean => previous || hasEnded(objects.get(at), uid, container);
  const wish = {
    previous,
    follow,
    tail: countIn(query, "tailLines") ?? Number.POSITIVE_INFINITY,
    since: sinceOf(query, clock.wallTime()),
    timestamps: isSet(query, "timestamps"),
  };
  const place = { namespace, pod: name, uid, container };
  const pieces = await openLog(place, wish, { clock, signal: gone, isOver }).catch((error: unknown) => {
    throw missing(error, place, previous);
  });
  response.writeHead(200, { "content-type": "text/plain", "cache-control": "no-cache, private" });
  response.flushHeaders();
  let room = most;
  for await (const piece of pieces) {
    const text = piece.subarray(0, room);
    room -= text.length;
    if (!response.write(text)) await drained(response);
    if (room === 0 || gone.aborted) break;
  }
  response.end();
}

/** The container that is meant. Throws an ApiError as an API server does. */
function containerOf(pod: KubeObject, wanted: string): string {
  const spec = isObject(pod.spec) ? pod.spec : {};
  const names = containerLists.flatMap((list) => namesIn(spec[list]));
  if (wanted !== "") {
    if (names.includes(wanted)) return wanted;
    throw new ApiError("BadRequest", `container ${wanted} is not valid for pod ${pod.metadata.name}`);
  }
  const [first, ...others] = namesIn(spec.containers);
  if (first !== undefined && others.length === 0) return first;
  const choice = `choose one of: [${names.join(" ")}]`;
  throw new ApiError(
    "BadRequest",
    `a container name must be specified for pod ${pod.metadata.name}, ${choice}`,
  );
}

function namesIn(list: unknown): string[] {
  return (Array.isArray(list) ? list : []).flatMap((one) =>
    isObject(one) && typeof one.name === "string" ? [one.name] : [],
  );
}

/** Will this container write no more, as far as its status tells? */
function hasEnded(pod: KubeObject | undefined, uid: string, container: string): boolean {
  if (pod === undefined || pod.metadata.uid !== uid) return true;
  const status = isObject(pod.status) ? pod.status : {};
  const all = statusLists.flatMap((list) => (Array.isArray(status[list]) ? status[list] : []));
  const one: unknown = all.find((each) => isObject(each) && each.name === container);
  return isObject(one) && isObject(one.state) && isObject(one.state.terminated);
}

/** A whole number, from 0. Throws an ApiError for what is none. */
function countIn(query: URLSearchParams, field: string): number | undefined {
  const text = query.get(field) ?? "";
  if (text === "") return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new ApiError("BadRequest", `${field} must be a whole number from 0`);
  return Number(text);
}

function sinceOf(query: URLSearchParams, now: number): number {
  const seconds = countIn(query, "sinceSeconds");
  if (seconds !== undefined) return now - seconds * 1_000;
  const text = query.get("sinceTime") ?? "";
  const time = text === "" ? 0 : Date.parse(text);
  if (Number.isNaN(time))
    throw new ApiError("BadRequest", "sinceTime must be a time, as 2006-01-02T15:04:05Z");
  return time;
}

function missing(error: unknown, place: { container: string; pod: string }, previous: boolean): unknown {
  if (asHubError(error).code !== "E_NOT_FOUND") return error;
  const which = `container "${place.container}" in pod "${place.pod}"`;
  if (previous) return new ApiError("BadRequest", `previous terminated ${which} not found`);
  return new ApiError("BadRequest", `${which} is waiting to start: it has written nothing on this node`);
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
    if (response.destroyed) done();
  });
}
