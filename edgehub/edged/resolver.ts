import type { Pod } from "./pod.ts";
import type { SandboxSpec } from "./runtime.ts";

type Dns = NonNullable<SandboxSpec["dns"]>;

/**
 * The resolver of a pod. Pure. A node has no cluster DNS of its own: what asks for it gets the node's resolver, unless
 * the pod names servers.
 *
 * @param resolvConf The node's own, as text. @returns `undefined`: the node's as it is.
 */
export function dnsOf({ dns }: Pod, resolvConf: string): Dns | undefined {
  const { policy, servers, searches, options } = dns;
  if (policy === "None" || servers.length > 0) return { servers, searches, options };
  if (searches.length === 0 && options.length === 0) return undefined;
  const node = resolverIn(resolvConf);
  const names = new Set(options.map(nameOf));
  return {
    servers: node.servers,
    searches: [...new Set([...node.searches, ...searches])],
    options: [...node.options.filter((option) => !names.has(nameOf(option))), ...options],
  };
}

/** Source: resolv.conf(5); the last `search` counts. */
function resolverIn(text: string): Dns {
  const lines = text.split("\n").map((line) => line.trim().split(/\s+/));
  const of = (word: string): string[][] =>
    lines.filter(([first]) => first === word).map(([, ...rest]) => rest);
  return {
    servers: of("nameserver").flatMap(([server]) => server ?? []),
    searches: of("search").at(-1) ?? [],
    options: of("options").flat(),
  };
}

/** An option is a name, or `name:value`. */
function nameOf(option: string): string {
  return option.split(":")[0] ?? "";
}
