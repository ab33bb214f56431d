import { ApiError, type Status } from "../../kubernetes/api-error.ts";
import { isObject } from "../../kubernetes/json.ts";
import type { KubeObject } from "../../kubernetes/object.ts";
import { isSet, type ObjectPath } from "../../kubernetes/path.ts";
import type { CloudApi } from "./cloud-api.ts";
import type { LocalObjects } from "./local-objects.ts";
import { readList } from "./representation.ts";
import { CloudRefusal, deleted } from "./status.ts";
import { deleteOption, listOption } from "./verb-options.ts";

const pageSize = 500;

/**
 * Deletes objects that a selector names, one by one: a KubeEdge cloud knows no other way. Rejects with an ApiError
 * at the first one that the cloud refuses, with `E_LINK_LOST`, `E_TIMEOUT`; those before it are deleted then.
 *
 * @param options What the client sent as DeleteOptions, if it did.
 */
export async function deleteCollection(
  { cloud, objects }: { cloud: CloudApi; objects: LocalObjects },
  {
    path,
    query,
    options,
    gone,
  }: { path: ObjectPath; query: URLSearchParams; options: unknown; gone: AbortSignal },
): Promise<Status> {
  if (path.namespace === undefined && objects.catalogue().find(path)?.namespaced !== false)
    throw new ApiError(
      "MethodNotAllowed",
      "objects of all namespaces are not deleted at once; name a namespace",
    );
  if (isSet(query, "watch")) throw new ApiError("BadRequest", "a deletion is not watched");
  const selectors = new URLSearchParams(query);
  selectors.set("limit", String(pageSize));
  for (let more: string | undefined = ""; more !== undefined; ) {
    selectors.set("continue", more);
    const outcome = await cloud.ask({ path, verb: "list", option: listOption(selectors), body: "" }, gone);
    if (!outcome.approved) throw new CloudRefusal(outcome.status);
    const page = readList(jsonIn(outcome.body));
    if (page === undefined)
      throw new ApiError("InternalError", "the cloud's answer is no list; nothing more is deleted");
    for (const object of page.items) await deleteOne(cloud, object, { path, query, options, gone });
    const next = (page.list.metadata as { continue?: unknown }).continue;
    more = typeof next === "string" && next !== "" ? next : undefined;
  }
  return deleted(path);
}

/** The object that was listed, not one that has taken its name since. */
async function deleteOne(
  cloud: CloudApi,
  { metadata }: KubeObject,
  given: { path: ObjectPath; query: URLSearchParams; options: unknown; gone: AbortSignal },
): Promise<void> {
  const options = isObject(given.options) ? given.options : {};
  const uid = metadata.uid === undefined ? {} : { uid: metadata.uid };
  const preconditions = { ...(isObject(options.preconditions) ? options.preconditions : {}), ...uid };
  const path = { ...given.path, name: metadata.name ?? "" };
  const option = deleteOption(given.query, { ...options, preconditions });
  const outcome = await cloud.ask({ path, verb: "delete", option, body: "" }, given.gone);
  if (!outcome.approved && outcome.status.code !== 404) throw new CloudRefusal(outcome.status);
}

function jsonIn(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return undefined;
  }
}
