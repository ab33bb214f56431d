import { HubError, shown } from "./errors.ts";
import { matchesPattern } from "./filter.ts";

/**
 * What a controller may do. Nothing by default: a message is covered only if one of `nodes`, one of
 * `groups` and the verb allow it.
 */
export interface Rights {
  /** Node names with `*`, or `label=value`: nodes with that label. */
  readonly nodes: readonly string[];
  /** Groups of messages (`resource`, `twin`, `user` …); `*` for all. */
  readonly groups: readonly string[];
  readonly verbs: readonly Verb[];
}

/** `read`: nodes, ledger, checkpoints. `admin`: nodes, tokens, controllers, queues; covers all verbs. */
export type Verb = "publish" | "subscribe" | "request" | "read" | "admin";

export const verbs: readonly Verb[] = ["publish", "subscribe", "request", "read", "admin"];

export const allRights: Rights = { nodes: ["*"], groups: ["*"], verbs: ["admin"] };

export interface Named {
  readonly node: string;
  readonly labels: Readonly<Record<string, string>>;
}

export function mayUse(rights: Rights, verb: Verb): boolean {
  return rights.verbs.includes(verb) || rights.verbs.includes("admin");
}

export function coversNode(rights: Rights, node: Named): boolean {
  return rights.nodes.some((pattern) => {
    const equals = pattern.indexOf("=");
    if (equals < 0) return matchesPattern(pattern, node.node);
    return node.labels[pattern.slice(0, equals)] === pattern.slice(equals + 1);
  });
}

export function coversGroup(rights: Rights, group: string): boolean {
  return rights.groups.includes("*") || rights.groups.includes(group);
}

/** Throws `E_FORBIDDEN` unless the rights cover the verb, the node and, if given, the group. */
export function requireRight(rights: Rights, verb: Verb, node: Named, group?: string): void {
  if (!mayUse(rights, verb))
    throw new HubError(
      "E_FORBIDDEN",
      `needs the verb ${verb}; this controller has ${rights.verbs.join(", ") || "none"}`,
    );
  if (!coversNode(rights, node))
    throw new HubError(
      "E_FORBIDDEN",
      `not allowed for node ${node.node}; this controller has ${rights.nodes.join(", ") || "none"}`,
    );
  if (group !== undefined && !coversGroup(rights, group)) {
    throw new HubError(
      "E_FORBIDDEN",
      `not allowed for group ${shown(group)}; this controller has ${rights.groups.join(", ") || "none"}`,
    );
  }
}

/** Checks rights that came from outside. Throws `E_BAD_MESSAGE`. */
export function requireRights(value: unknown): Rights {
  const given = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const list = (key: string): string[] => {
    const found = given[key] ?? [];
    if (Array.isArray(found) && found.length <= 1000 && found.every((one) => typeof one === "string"))
      return found;
    throw new HubError("E_BAD_MESSAGE", `rights.${key} must be a list of texts, got ${shown(found)}`);
  };
  const wrong = list("verbs").find((verb) => !(verbs as readonly string[]).includes(verb));
  if (wrong !== undefined)
    throw new HubError("E_BAD_MESSAGE", `unknown verb ${shown(wrong)}; known: ${verbs.join(", ")}`);
  return { nodes: list("nodes"), groups: list("groups"), verbs: list("verbs") as Verb[] };
}
