import { isObject } from "../json.ts";

/** What the order of a merged list comes from. */
export interface Orders {
  /** The list as it was: entries of which the patch says nothing stay where they are. */
  readonly before: readonly unknown[];
  /** The entries of the patch, in its order; or what it says of the order. */
  readonly wanted: readonly unknown[];
  /** Tells entries apart; empty: they are plain values. */
  readonly mergeKey: string;
}

/**
 * A merged list in its order: entries that the patch names as it names them, the others among them as they were.
 * Source: Kubernetes strategic merge patch, `$setElementOrder`.
 */
export function inOrder(merged: readonly unknown[], { before, wanted, mergeKey }: Orders): unknown[] {
  const placesBefore = placesIn(before, mergeKey);
  const placesWanted = placesIn(wanted, mergeKey);
  const places = merged.map((entry) => {
    const id = elementId(entry, mergeKey);
    return { entry, before: placesBefore.get(id) ?? -1, wanted: placesWanted.get(id) ?? -1 };
  });
  const named = places.filter((one) => one.wanted >= 0).toSorted((one, other) => one.wanted - other.wanted);
  const others = places.filter((one) => one.wanted < 0).toSorted((one, other) => one.before - other.before);
  const ordered: unknown[] = [];
  let at = 0;
  for (const other of others) {
    for (let next = named[at]; next !== undefined && next.before <= other.before; next = named[at]) {
      ordered.push(next.entry);
      at += 1;
    }
    ordered.push(other.entry);
  }
  return [...ordered, ...named.slice(at).map(({ entry }) => entry)];
}

/** Equal for entries that are the same one. */
export function elementId(entry: unknown, mergeKey: string): string {
  return JSON.stringify(mergeKey !== "" && isObject(entry) ? entry[mergeKey] : entry) ?? "";
}

/** The first place of each entry. */
function placesIn(list: readonly unknown[], mergeKey: string): ReadonlyMap<string, number> {
  const ids = list.map((entry, index): [string, number] => [elementId(entry, mergeKey), index]);
  return new Map(ids.toReversed());
}
