import { wellKnownKinds } from "../metaserver/kinds.ts";

/** How people name what they want to see. Pure. */

/** What `get` is asked for: things of a kind, or resources whose paths fit. */
export type Question =
  | { readonly type: string; readonly name: string | undefined }
  | { readonly pattern: string };

/** Of a message on its way up, which is no resource. */
const messageWords = ["message", "messages", "msg"];

/**
 * The words behind `get`: `KIND`, `KIND NAME`, `KIND/NAME`, a resource path, or a pattern of them.
 *
 * @returns `undefined`: all resources.
 */
export function questionOf([what, name]: readonly string[]): Question | undefined {
  if (what === undefined) return undefined;
  if (name !== undefined) return { type: typeOf(what), name };
  const [kind = "", one, ...more] = what.split("/");
  if (what.includes("*") || more.length > 0) return { pattern: what };
  return { type: typeOf(kind), name: one };
}

/** The lower-case kind, as in resource paths, that is meant by a singular, a plural or kubectl's short name. */
export function typeOf(word: string): string {
  const lower = word.toLowerCase();
  if (messageWords.includes(lower)) return "message";
  const known = wellKnownKinds.find(
    ({ kind, resource, shortNames }) =>
      kind.toLowerCase() === lower || resource === lower || shortNames.includes(lower),
  );
  return known?.kind.toLowerCase() ?? lower;
}
