import { isObject } from "../../kubernetes/json.ts";
import type { KubeObject } from "../../kubernetes/object.ts";

/** The status that this node reports of its pods and of itself, in the objects that the cloud sent. Pure. */

type Json = Readonly<Record<string, unknown>>;

/** Lists of objects that are merged by a field; others are replaced. Source: patchMergeKey in Kubernetes' core API. */
const mergeKeys: Readonly<Record<string, string>> = {
  addresses: "type",
  conditions: "type",
  hostIPs: "ip",
  podIPs: "ip",
};
const orderPrefix = "$setElementOrder/";
const utf8 = new TextDecoder();

/**
 * The object with its newest status.
 *
 * @param patch As it went to the cloud; one for another uid, or none at all, changes nothing.
 * @param version The object's, if it is changed; `undefined`: as it was.
 */
export function withReport(object: KubeObject, patch: Uint8Array, version?: string): KubeObject {
  const { metadata = {}, status } = readPatch(patch);
  const { uid, labels } = isObject(metadata) ? metadata : {};
  if (!isObject(status) || (typeof uid === "string" && uid !== object.metadata.uid)) return object;
  const given = isObject(labels)
    ? { labels: merged(object.metadata.labels ?? {}, labels) as Readonly<Record<string, string>> }
    : {};
  return {
    ...object,
    metadata: {
      ...object.metadata,
      ...given,
      ...(version === undefined ? {} : { resourceVersion: version }),
    },
    status: merged(isObject(object.status) ? object.status : {}, status),
  };
}

/** KubeEdge has patches as JSON text in a JSON string. */
function readPatch(text: Uint8Array): Json {
  try {
    const value: unknown = JSON.parse(utf8.decode(text));
    const patch: unknown = typeof value === "string" ? JSON.parse(value) : value;
    return isObject(patch) ? patch : {};
  } catch {
    return {};
  }
}

function merged(value: Json, patch: Json): Json {
  const result: Record<string, unknown> = { ...value };
  for (const [field, wanted] of Object.entries(patch)) {
    if (field.startsWith("$")) continue;
    const mergeKey = mergeKeys[field];
    const before = result[field];
    if (wanted === null) delete result[field];
    else if (mergeKey !== undefined && Array.isArray(wanted))
      result[field] = mergedList(before, wanted, { mergeKey, order: patch[orderPrefix + field] });
    else if (isObject(wanted)) result[field] = merged(isObject(before) ? before : {}, wanted);
    else result[field] = wanted;
  }
  return result;
}

/** Elements that the patch orders come first, in that order. */
function mergedList(
  before: unknown,
  patch: readonly unknown[],
  { mergeKey, order }: { mergeKey: string; order: unknown },
): Json[] {
  const elements = new Map<unknown, Json>();
  for (const one of Array.isArray(before) ? before.filter(isObject) : []) elements.set(one[mergeKey], one);
  for (const one of patch.filter(isObject)) {
    const name = one[mergeKey];
    if (one.$patch === "delete") elements.delete(name);
    else elements.set(name, merged(elements.get(name) ?? {}, one));
  }
  const wanted = Array.isArray(order) ? order.filter(isObject).map((one) => one[mergeKey]) : [];
  const names = new Set([...wanted.filter((name) => elements.has(name)), ...elements.keys()]);
  return [...names].map((name) => elements.get(name) as Json);
}
