import { isObject, isShallow, type JsonObject, sameJson } from "../json.ts";

/**
 * A set of fields of an object, as a tree of path elements: `f:name` a field, `k:{"name":"a"}` the entry of a list with
 * these keys, `v:"x"` a value of a list. Source: fieldsV1, structured merge and diff of Kubernetes.
 */
export interface FieldTree {
  /** The field itself belongs to the set, not only some below it. */
  readonly member: boolean;
  readonly below: ReadonlyMap<string, FieldTree>;
  /** Of fields that are one value, where the set was made from an object. */
  readonly value?: unknown;
}

const nothing: ReadonlyMap<string, FieldTree> = new Map();

export const emptyTree: FieldTree = { member: false, below: nothing };

export function leaf(value: unknown): FieldTree {
  return { member: true, below: nothing, value };
}

export function isEmptyTree({ member, below }: FieldTree): boolean {
  return !member && below.size === 0;
}

export function union(one: FieldTree, other: FieldTree): FieldTree {
  const below = new Map(one.below);
  for (const [element, tree] of other.below) {
    const given = below.get(element);
    below.set(element, given === undefined ? tree : union(given, tree));
  }
  return { member: one.member || other.member, below };
}

/** What is in one and not in the other. */
export function difference(one: FieldTree, other: FieldTree): FieldTree {
  return combined(one, other, (tree, without) => tree.member && without?.member !== true);
}

export function intersection(one: FieldTree, other: FieldTree): FieldTree {
  return combined(one, other, (tree, within) => tree.member && within?.member === true);
}

/** What is in both with different values. */
export function differing(one: FieldTree, other: FieldTree): FieldTree {
  return combined(
    one,
    other,
    (tree, another) => tree.member && another?.member === true && !sameJson(tree.value, another.value),
  );
}

function combined(
  one: FieldTree,
  other: FieldTree | undefined,
  isKept: (tree: FieldTree, counterpart: FieldTree | undefined) => boolean,
): FieldTree {
  const below = new Map<string, FieldTree>();
  for (const [element, tree] of one.below) {
    const kept = combined(tree, other?.below.get(element), isKept);
    if (!isEmptyTree(kept)) below.set(element, kept);
  }
  return { member: isKept(one, other), below };
}

/** Paths of all members, each as its elements, in order. */
export function pathsOf(tree: FieldTree, path: readonly string[] = []): (readonly string[])[] {
  const elements = [...tree.below].toSorted(([one], [other]) => (one < other ? -1 : 1));
  const below = elements.flatMap(([element, one]) => pathsOf(one, [...path, element]));
  return tree.member ? [path, ...below] : below;
}

export function toFieldsV1({ member, below }: FieldTree): JsonObject {
  const entries = [...below]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([element, tree]): [string, unknown] => [element, toFieldsV1(tree)]);
  return Object.fromEntries(member && below.size > 0 ? [[".", {}], ...entries] : entries);
}

const maxDepth = 256;

/** @param fields As somebody sent it; what is no set of fields is left out. */
export function fromFieldsV1(fields: unknown): FieldTree {
  return isShallow(fields, maxDepth) ? treeOf(fields, true) : emptyTree;
}

function treeOf(fields: unknown, isRoot: boolean): FieldTree {
  const entries = isObject(fields) ? Object.entries(fields) : [];
  const below = entries
    .filter(([element]) => /^[fkv]:/.test(element))
    .map(([element, one]): [string, FieldTree] => [element, treeOf(one, false)]);
  const member = !isRoot && (below.length === 0 || entries.some(([element]) => element === "."));
  return { member, below: new Map(below) };
}

/** `.spec.containers[name="a"].image`. */
export function shownPath(path: readonly string[]): string {
  return path.map(shownElement).join("");
}

function shownElement(element: string): string {
  const text = element.slice(2);
  if (element.startsWith("f:")) return `.${text}`;
  if (element.startsWith("v:")) return `[=${text}]`;
  const keys = JSON.parse(text) as JsonObject;
  const shown = Object.entries(keys).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return `[${shown.join(",")}]`;
}
