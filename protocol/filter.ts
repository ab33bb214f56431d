import { HubError, shown } from "./errors.ts";
import type { Message } from "./message.ts";
import { topicMatches } from "./topic.ts";

/** Which messages a controller wants. A field left out matches all; all fields given must match. */
export interface Filter {
  /** Node names; `*` stands for any characters. */
  readonly nodes?: readonly string[];
  readonly groups?: readonly string[];
  readonly sources?: readonly string[];
  readonly operations?: readonly string[];
  /** Resource paths; `*` stands for any characters. */
  readonly resources?: readonly string[];
  /** MQTT topic filters of resource paths. */
  readonly topics?: readonly string[];
  /** True: the coming and going of nodes too. Default false. */
  readonly presence?: boolean;
}

/** Source, group, operations and resource of the messages that tell of a node's coming and going. */
export const presenceSource = "cloudhub";
export const presenceResource = "node/connection";

export function isPresence(message: Pick<Message, "source" | "resource">): boolean {
  return message.source === presenceSource && message.resource.path === presenceResource;
}

type Matched = Pick<Message, "node" | "group" | "source" | "operation" | "resource">;

/** Does the message match? Presence matches by node only, and only where it is asked for. */
export function matches(filter: Filter, message: Matched): boolean {
  if (!matchesAny(filter.nodes, message.node)) return false;
  if (isPresence(message)) return filter.presence === true;
  return (
    isOneOf(filter.groups, message.group) &&
    isOneOf(filter.sources, message.source) &&
    isOneOf(filter.operations, message.operation) &&
    matchesAny(filter.resources, message.resource.path) &&
    (filter.topics === undefined || filter.topics.some((topic) => topicMatches(topic, message.resource.path)))
  );
}

/** Does the text match a pattern, in which `*` stands for any characters? */
export function matchesPattern(pattern: string, text: string): boolean {
  if (!pattern.includes("*")) return pattern === text;
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop() ?? "";
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last))
    return false;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= text.length - last.length;
}

/** Checks a filter that came over the wire. Throws `E_BAD_MESSAGE`. */
export function requireFilter(value: unknown): Filter {
  if (typeof value !== "object" || value === null)
    throw new HubError("E_BAD_MESSAGE", `a filter must be an object, got ${shown(value)}`);
  for (const [key, field] of Object.entries(value)) {
    if (key === "presence" && typeof field === "boolean") continue;
    const known = ["nodes", "groups", "sources", "operations", "resources", "topics"].includes(key);
    if (
      known &&
      Array.isArray(field) &&
      field.length <= 1000 &&
      field.every((one) => typeof one === "string")
    )
      continue;
    throw new HubError("E_BAD_MESSAGE", `filter.${key} cannot be used: ${shown(field)}`);
  }
  return value;
}

function isOneOf(list: readonly string[] | undefined, text: string): boolean {
  return list === undefined || list.includes(text);
}

function matchesAny(patterns: readonly string[] | undefined, text: string): boolean {
  return patterns === undefined || patterns.some((pattern) => matchesPattern(pattern, text));
}
