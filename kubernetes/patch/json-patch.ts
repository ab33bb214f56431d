import { ApiError } from "../api-error.ts";
import { isObject, type JsonObject, own, sameJson, withFields } from "../json.ts";
import type { KubeObject } from "../object.ts";

/** As many operations as Kubernetes takes. */
const maxOperations = 10_000;
/** Copies of copies grow fast: so many characters of JSON may be copied in all. */
const maxCopied = 3 * 1_024 * 1_024;

/**
 * RFC 6902. Nothing that was given is changed, and no path leads out of the document.
 *
 * Throws an ApiError: `BadRequest` for what is no patch, `Invalid` for one that does not apply.
 */
export function jsonPatch(object: KubeObject, patch: unknown): KubeObject {
  if (!Array.isArray(patch)) throw malformed("a JSON patch is a list of operations");
  if (patch.length > maxOperations) {
    const text = `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`;
    throw new ApiError("RequestEntityTooLarge", text);
  }
  const copies = { left: maxCopied };
  const patched = patch.reduce<unknown>((document, one) => operated(document, one, copies), object);
  if (!isObject(patched)) throw unapplied("the patch leaves no object");
  return patched as unknown as KubeObject;
}

function operated(document: unknown, operation: unknown, copies: { left: number }): unknown {
  if (!isObject(operation)) throw malformed("an operation of a JSON patch is an object");
  const path = pointer(operation, "path");
  switch (operation.op) {
    case "add":
      return added(document, path, givenValue(operation));
    case "remove":
      return removed(document, path);
    case "replace":
      return replaced(document, path, givenValue(operation));
    case "move":
      return moved(document, pointer(operation, "from"), path);
    case "copy": {
      const value = found(document, pointer(operation, "from"));
      copies.left -= JSON.stringify(value).length;
      if (copies.left < 0) throw new ApiError("RequestEntityTooLarge", "the JSON patch copies too much");
      return added(document, path, value);
    }
    case "test":
      if (sameJson(lookedUp(document, path) ?? null, operation.value ?? null)) return document;
      throw unapplied(`testing path ${shownPath(path)} failed`);
    default:
      throw malformed(`unexpected kind of operation: ${JSON.stringify(operation.op)}`);
  }
}

type Path = readonly string[];

function pointer(operation: JsonObject, name: "path" | "from"): Path {
  const text = operation[name];
  if (typeof text !== "string" || (text !== "" && !text.startsWith("/")))
    throw malformed(`${name} of an operation is a JSON pointer`);
  const tokens = text.split("/").slice(1);
  return tokens.map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function givenValue(operation: JsonObject): unknown {
  if (Object.hasOwn(operation, "value")) return operation.value;
  throw malformed(`operation ${JSON.stringify(operation.op)} has no value`);
}

function moved(document: unknown, from: Path, to: Path): unknown {
  const isInside = from.length < to.length && from.every((token, index) => to[index] === token);
  if (isInside) throw unapplied(`${shownPath(from)} cannot be moved into itself`);
  return added(removed(document, from), to, found(document, from));
}

function lookedUp(document: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, token) => {
    if (Array.isArray(value)) return indexPattern.test(token) ? value[Number(token)] : undefined;
    return isObject(value) ? own(value, token) : undefined;
  }, document);
}

function found(document: unknown, path: Path): unknown {
  const value = lookedUp(document, path);
  if (value === undefined) throw missing(path);
  return value;
}

function added(document: unknown, path: Path, value: unknown): unknown {
  const [last] = path.slice(-1);
  if (last === undefined) return value;
  return changedAt(document, path, (parent) => {
    if (!Array.isArray(parent)) return withFields(parent, Object.fromEntries([[last, value]]));
    const index = last === "-" ? parent.length : indexOf(last, parent.length, path);
    return parent.toSpliced(index, 0, value);
  });
}

function removed(document: unknown, path: Path): unknown {
  const [last] = path.slice(-1);
  if (last === undefined) throw unapplied("the document itself cannot be removed");
  return changedAt(document, path, (parent) => {
    if (Array.isArray(parent)) return parent.toSpliced(indexOf(last, parent.length - 1, path), 1);
    if (!Object.hasOwn(parent, last)) throw missing(path);
    return withFields(parent, Object.fromEntries([[last, undefined]]));
  });
}

function replaced(document: unknown, path: Path, value: unknown): unknown {
  const [last] = path.slice(-1);
  if (last === undefined) return value;
  return changedAt(document, path, (parent) => {
    if (Array.isArray(parent)) return parent.with(indexOf(last, parent.length - 1, path), value);
    if (!Object.hasOwn(parent, last)) throw missing(path);
    return withFields(parent, Object.fromEntries([[last, value]]));
  });
}

/** The document with what holds the end of the path changed. */
function changedAt(
  document: unknown,
  path: Path,
  change: (parent: JsonObject | unknown[]) => unknown,
  depth = 0,
): unknown {
  const token = path[depth] as string;
  if (!Array.isArray(document) && !isObject(document)) throw missing(path);
  if (depth === path.length - 1) return change(document);
  if (Array.isArray(document)) {
    const index = indexOf(token, document.length - 1, path);
    return document.with(index, changedAt(document[index], path, change, depth + 1));
  }
  const below = changedAt(own(document, token), path, change, depth + 1);
  return withFields(document, Object.fromEntries([[token, below]]));
}

const indexPattern = /^(0|[1-9]\d{0,8})$/;

function indexOf(token: string, last: number, path: Path): number {
  if (indexPattern.test(token) && Number(token) <= last) return Number(token);
  throw missing(path);
}

function missing(path: Path): ApiError {
  return unapplied(`nothing is at ${shownPath(path)}`);
}

function shownPath(path: Path): string {
  const text = path.map((token) => `/${token.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}

function malformed(why: string): ApiError {
  return new ApiError("BadRequest", why);
}

function unapplied(why: string): ApiError {
  return new ApiError("Invalid", `the server rejected our request due to an error in our request: ${why}`);
}
