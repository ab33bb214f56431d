import { HubError } from "../../protocol/index.ts";

/** Finding what somebody named. Pure. */

/** What can be named: `name` in a namespace; none: it has none. */
export interface Named {
  readonly namespace: string;
  readonly name: string;
}

const mostShown = 5;

/**
 * The one that is meant by `name`, `namespace/name`, or a name with a namespace beside it.
 *
 * @param what For the error: `pod`. Throws `E_NOT_FOUND` with names that are similar, `E_BAD_OPTION` if several fit.
 */
export function findNamed<T extends Named>(
  all: readonly T[],
  { what, wanted, namespace }: { what: string; wanted: string; namespace?: string | undefined },
): T {
  const full = namespace === undefined || wanted.includes("/") ? wanted : `${namespace}/${wanted}`;
  const found = all.filter((one) => (full.includes("/") ? fullName(one) : one.name) === full);
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first;
  if (first !== undefined) {
    const names = found.map(fullName).join(", ");
    throw new HubError("E_BAD_OPTION", `there are several: ${names}; name one with its namespace`);
  }
  throw notFound(what, full, all.map(fullName));
}

/** Says which names are similar, or which there are. @param names All of that kind. */
export function notFound(what: string, wanted: string, names: readonly string[]): HubError {
  const similar = names.filter((name) => isSimilar(wanted, name));
  const shown = (similar.length > 0 ? similar : names).slice(0, mostShown).join(", ");
  const more = similar.length === 0 && names.length > mostShown ? ", …" : "";
  const hint =
    names.length === 0
      ? "there is none at all"
      : similar.length > 0
        ? `did you mean ${shown}?`
        : `here: ${shown}${more}`;
  return new HubError("E_NOT_FOUND", `no ${what} ${wanted} on this node; ${hint}`);
}

function fullName({ namespace, name }: Named): string {
  return namespace === "" ? name : `${namespace}/${name}`;
}

/** One is part of the other, or few letters differ. */
export function isSimilar(a: string, b: string): boolean {
  const [left, right] = [lastPart(a), lastPart(b)];
  if (left === "" || right === "") return false;
  if (left.includes(right) || right.includes(left)) return true;
  return distance(left, right) <= Math.min(Math.max(left.length / 3, 2), left.length / 2);
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1).toLowerCase();
}

/** Letters to change, add or leave out. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries())
      next.push(
        Math.min((row[j] ?? 0) + (letter === other ? 0 : 1), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1),
      );
    row = next;
  }
  return row[b.length] ?? b.length;
}
