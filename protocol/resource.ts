import { HubError, shown } from "./errors.ts";

/**
 * What a message is about: the part of KubeEdge's resource path behind `node/<node>/`.
 *
 * `path` is the wire form (`default/pod/nginx`, `null/node/edge-1`, `membership/detail`, an MQTT topic)
 * and the only part that is compared or stored. The other fields are its reading:
 * - `namespace` is `undefined` for cluster-wide objects, whose wire form has the word `null` there;
 * - `type` is the lower-case kind, or the leading word of a path with a form of its own;
 * - `name` is empty for a list.
 *
 * Source: KubeEdge resource grammar, `<namespace>/<type>[/<name>]`.
 */
export interface Resource {
  readonly path: string;
  readonly namespace: string | undefined;
  readonly type: string;
  readonly name: string;
}

/** The longest resource path that is accepted, in characters. */
export const maxResourceLength = 1024;

/** Two- and three-part paths that are no `<namespace>/<type>/<name>`. */
const wordsOfTheirOwn = new Set([
  "membership/detail",
  "watchapp/sync",
  "k8s/ca.crt",
  "node/connection",
  "ignore/Application/ignore",
]);

/**
 * Reads a resource path in its wire form.
 *
 * Kubernetes names hold no slash, so a path with four or more parts is never an object:
 * `device/<id>/twin/edge_updated` has type `device`, the rest is its name.
 *
 * Throws `E_BAD_RESOURCE` for a path that is too long or contains control characters.
 */
export function parseResource(path: string): Resource {
  if (path.length > maxResourceLength) {
    throw new HubError(
      "E_BAD_RESOURCE",
      `resource must have at most ${maxResourceLength} characters, got ${path.length}`,
    );
  }
  if (hasControlCharacter(path)) {
    throw new HubError("E_BAD_RESOURCE", `resource must not contain control characters, got ${shown(path)}`);
  }
  const first = path.indexOf("/");
  if (first < 0) return { path, namespace: undefined, type: path, name: "" };
  const second = path.indexOf("/", first + 1);
  const isObject = (second < 0 || path.indexOf("/", second + 1) < 0) && !wordsOfTheirOwn.has(path);
  if (!isObject)
    return { path, namespace: undefined, type: path.slice(0, first), name: path.slice(first + 1) };
  const namespace = path.slice(0, first);
  return {
    path,
    namespace: namespace === "null" ? undefined : namespace,
    type: second < 0 ? path.slice(first + 1) : path.slice(first + 1, second),
    name: second < 0 ? "" : path.slice(second + 1),
  };
}

/**
 * The resource of a Kubernetes object.
 *
 * @param namespace `undefined` for a cluster-wide object.
 */
export function objectResource(namespace: string | undefined, type: string, name: string): Resource {
  return parseResource(`${namespace ?? "null"}/${type}${name === "" ? "" : `/${name}`}`);
}

/**
 * Splits KubeEdge's full form `node/<node>/<path>`, as controllers write it.
 *
 * @returns `undefined` if the text has no such prefix.
 */
export function splitFullResource(text: string): { node: string; path: string } | undefined {
  if (!text.startsWith("node/")) return undefined;
  const end = text.indexOf("/", 5);
  if (end <= 5 || end === text.length - 1) return undefined;
  return { node: text.slice(5, end), path: text.slice(end + 1) };
}

function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
