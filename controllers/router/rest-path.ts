import type { RestRoute } from "./rule.ts";

/** Requests of the form `/<node>/<namespace>/<path>[/<rest>][?query]`, as KubeEdge's router takes them. Pure. */

export interface RestMatch {
  readonly route: RestRoute;
  readonly node: string;
  /** What follows the rule's path: segments below it, and the query; begins with `/` or `?`, or is empty. */
  readonly rest: string;
}

/** The rule for a request: the longest path that matches, and of those of one length the one with fewest placeholders. */
export function matchRest(routes: Iterable<RestRoute>, target: string): RestMatch | undefined {
  const [path = "", query] = split(target, "?");
  const [node = "", namespace = "", ...segments] = path.replace(/^\/+/, "").split("/");
  let best: RestRoute | undefined;
  for (const route of routes) {
    if (route.namespace !== namespace || !startsWith(segments, route.path)) continue;
    if (best === undefined || isBefore(route.path, best.path)) best = route;
  }
  if (best === undefined || node === "") return undefined;
  const below = segments.slice(best.path.length);
  const rest = (below.length === 0 ? "" : `/${below.join("/")}`) + (query === undefined ? "" : `?${query}`);
  return { route: best, node: decoded(node), rest };
}

/** True: `path` and `other` cannot be told apart by any request. */
export function isSamePath(path: readonly string[], other: readonly string[]): boolean {
  const shape = (segments: readonly string[]): string =>
    segments.map((one) => (isPlaceholder(one) ? "{}" : one)).join("/");
  return shape(path) === shape(other);
}

function startsWith(segments: readonly string[], path: readonly string[]): boolean {
  return path.every((wanted, i) => {
    const segment = segments[i];
    return segment !== undefined && segment !== "" && (isPlaceholder(wanted) || wanted === decoded(segment));
  });
}

function isBefore(path: readonly string[], other: readonly string[]): boolean {
  const rank = (segments: readonly string[]): number =>
    segments.length * 1_000 - segments.filter(isPlaceholder).length;
  return rank(path) > rank(other);
}

function isPlaceholder(segment: string): boolean {
  return segment.startsWith("{") && segment.endsWith("}");
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function split(text: string, at: string): [string, string?] {
  const i = text.indexOf(at);
  return i < 0 ? [text] : [text.slice(0, i), text.slice(i + 1)];
}
