import { HubError } from "../sdk/index.ts";

/** Readers of what is written behind options. Each throws `E_BAD_OPTION` with what is allowed. */

export const text = (given: string): string => given;

/** Texts between commas: `a,b`. */
export function list(given: string): readonly string[] {
  const parts = given.split(",").map((part) => part.trim());
  if (parts.every((part) => part !== "")) return parts;
  throw wrong("texts between commas, such as a,b", given);
}

/** A whole number in a range. */
export function whole(least: number, most: number): (given: string) => number {
  return (given) => {
    const value = /^\d+$/.test(given) ? Number(given) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw wrong(`a whole number ${least}..${most}`, given);
  };
}

/** An address such as `wss://hub-1:10000`. */
export function url(protocol: "wss:" | "https:"): (given: string) => string {
  return (given) => {
    if (URL.canParse(given) && new URL(given).protocol === protocol) return given;
    throw wrong(`${protocol}//host:port`, given);
  };
}

/** What names of nodes, which are DNS subdomains, may begin with: `bench`, `line-2.bench`. */
export function nodePrefix(given: string): string {
  if (given.length <= 200 && /^([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)*[a-z0-9][-a-z0-9]*$/.test(given))
    return given;
  throw wrong("the beginning of a DNS name (a-z, 0-9, - and .), 200 characters at most", given);
}

/** One of some words. */
export function oneOf<const Words extends readonly string[]>(words: Words): (given: string) => Words[number] {
  return (given) => {
    if ((words as readonly string[]).includes(given)) return given;
    throw wrong(words.join(", "), given);
  };
}

/** `name=value`, as of a label. */
export function pair(given: string): readonly [name: string, value: string] {
  const equals = given.indexOf("=");
  if (equals > 0) return [given.slice(0, equals), given.slice(equals + 1)];
  throw wrong("name=value", given);
}

/** `a=b,c=d`: the labels a node must have. */
export function selector(given: string): Readonly<Record<string, string>> {
  return Object.fromEntries(list(given).map(pair));
}

function wrong(allowed: string, given: string): HubError {
  return new HubError("E_BAD_OPTION", `must be ${allowed}; got ${JSON.stringify(given.slice(0, 60))}`);
}
