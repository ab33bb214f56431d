import { ApiError } from "../api-error.ts";
import { isObject, isShallow, type JsonObject, own, sameJson } from "../json.ts";
import type { KubeObject } from "../object.ts";
import { maxPatchDepth } from "./merge-patch.ts";

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
  if (!isShallow(patch, maxPatchDepth)) throw malformed("exceeded max depth");
  const copies = { left: maxCopied };
  /** Belongs to this patch alone, and so do all values that come into it. */
  let document: unknown = structuredClone(object);
  for (const operation of patch) document = operated(document, operation, copies);
  if (!isObject(document)) throw unapplied("the patch leaves no object");
  return document as unknown as KubeObject;
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
    case "copy":
      return added(document, path, copied(found(document, pointer(operation, "from")), copies));
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
  if (Object.hasOwn(operation, "value")) return structuredClone(operation.value);
  throw malformed(`operation ${JSON.stringify(operation.op)} has no value`);
}

function copied(value: unknown, copies: { left: number }): unknown {
  if (!isShallow(value, maxPatchDepth)) throw unapplied("exceeded max depth");
  const text = JSON.stringify(value);
  copies.left -= text.length;
  if (copies.left < 0) throw new ApiError("RequestEntityTooLarge", "the JSON patch copies too much");
  return JSON.parse(text);
}

function moved(document: unknown, from: Path, to: Path): unknown {
  const isInside = from.length < to.length && from.every((token, index) => to[index] === token);
  if (isInside) throw unapplied(`${shownPath(from)} cannot be moved into itself`);
  const value = found(document, from);
  return added(removed(document, from), to, value);
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
  const parent = parentOf(document, path);
  if (Array.isArray(parent)) {
    const index = last === "-" ? parent.length : indexOf(last, parent.length, path);
    parent.splice(index, 0, value);
  } else setField(parent, last, value);
  return document;
}

function removed(document: unknown, path: Path): unknown {
  const [last] = path.slice(-1);
  if (last === undefined) throw unapplied("the document itself cannot be removed");
  const parent = parentOf(document, path);
  if (Array.isArray(parent)) parent.splice(indexOf(last, parent.length - 1, path), 1);
  else if (Object.hasOwn(parent, last)) Reflect.deleteProperty(parent, last);
  else throw missing(path);
  return document;
}

function replaced(document: unknown, path: Path, value: unknown): unknown {
  const [last] = path.slice(-1);
  if (last === undefined) return value;
  const parent = parentOf(document, path);
  if (Array.isArray(parent)) parent[indexOf(last, parent.length - 1, path)] = value;
  else if (Object.hasOwn(parent, last)) setField(parent, last, value);
  else throw missing(path);
  return document;
}

/** What holds the end of the path. */
function parentOf(document: unknown, path: Path): unknown[] | Record<string, unknown> {
  const parent = lookedUp(document, path.slice(0, -1));
  if (Array.isArray(parent) || isObject(parent)) return parent;
  throw missing(path);
}

/** Safe for any name of a field. */
function setField(parent: object, name: string, value: unknown): void {
  Object.defineProperty(parent, name, { value, writable: true, enumerable: true, configurable: true });
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
