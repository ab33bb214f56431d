/**
 * Strategic merge as the API server does it, as far as statuses of nodes and pods go: the judge of the patches that the agent
 * makes. It is not the one of `kubernetes/`, so that the two are not wrong together; and it refuses what a kubelet would not
 * say, where a server takes all that can be understood.
 */

export type Json = Readonly<Record<string, unknown>>;

/** Lists whose items are merged; by what. Others are replaced. Source: Kubernetes' core/v1 types. */
const mergeKeys: Readonly<Record<string, string>> = { conditions: "type", addresses: "type", podIPs: "ip" };
const orderPrefix = "$setElementOrder/";

/** Throws for directives that are wrong, or that nobody here sends. */
export function strategicMerge(target: Json, patch: Json): Json {
  const merged: Record<string, unknown> = { ...target };
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith("$")) {
      if (!key.startsWith(orderPrefix)) throw new Error(`unknown directive ${key}`);
    } else if (value === null) delete merged[key];
    else if (key in mergeKeys) {
      const order = patch[orderPrefix + key] as Json[] | undefined;
      merged[key] = mergeList(key, (target[key] ?? []) as Json[], { items: value as Json[], order });
    } else merged[key] = isObject(value) ? strategicMerge(asObject(target[key]), value) : value;
  }
  return merged;
}

function mergeList(
  name: string,
  target: readonly Json[],
  { items, order }: { items: readonly Json[]; order: readonly Json[] | undefined },
): Json[] {
  const key = mergeKeys[name] as string;
  const result = new Map(target.map((item) => [item[key], item]));
  for (const item of items) {
    const id = item[key];
    if (typeof id !== "string") throw new Error(`an item of ${name} has no ${key}`);
    const { $patch: directive, ...fields } = item;
    if (directive === "delete") result.delete(id);
    else if (directive !== undefined) throw new Error(`unknown directive ${String(directive)}`);
    else result.set(id, strategicMerge(result.get(id) ?? {}, fields));
  }
  if (order === undefined) return [...result.values()];
  const ids = order.map((item) => item[key]);
  const places = items.filter(({ $patch }) => $patch === undefined).map((item) => ids.indexOf(item[key]));
  if (places.some((place, i) => place < (places[i - 1] ?? 0)))
    throw new Error(`${orderPrefix}${name} does not have the items of the list in their order`);
  return [...result.values()].sort((a, b) => ids.indexOf(a[key]) - ids.indexOf(b[key]));
}

function asObject(value: unknown): Json {
  return isObject(value) ? value : {};
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
