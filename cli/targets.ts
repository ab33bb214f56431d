import { HubError, type NodeView } from "../sdk/index.ts";

/** Which nodes something goes to, as the command line says it. */
export interface TargetChoice {
  readonly node: readonly string[];
  readonly allNodes: boolean;
  readonly selector: Readonly<Record<string, string>> | undefined;
}

/**
 * The names of the nodes meant.
 *
 * @param nodes Asked for only if names are not enough.
 * Rejects with `E_BAD_OPTION` if the choice is none or several, with `E_NOT_FOUND` if it fits no node.
 */
export async function targetsOf(
  choice: TargetChoice,
  nodes: () => Promise<readonly NodeView[]>,
): Promise<string[]> {
  const { node, allNodes, selector } = choice;
  const ways = [node.length > 0, allNodes, selector !== undefined].filter(Boolean).length;
  if (ways !== 1) {
    const text = "say to which nodes: --node NAME (once for each), --all-nodes, or --selector label=value";
    throw new HubError("E_BAD_OPTION", ways === 0 ? text : `${text}; only one of the three`);
  }
  if (node.length > 0) return [...new Set(node)];
  const known = await nodes();
  const found = known
    .filter((one) => selector === undefined || hasLabels(one, selector))
    .map((one) => one.node);
  if (found.length > 0) return found;
  if (known.length === 0)
    throw new HubError("E_NOT_FOUND", "the hub knows no nodes yet; one joins with: hubctl token create");
  const labels = [
    ...new Set(known.flatMap((one) => Object.entries(one.labels).map(([name, value]) => `${name}=${value}`))),
  ];
  throw new HubError(
    "E_NOT_FOUND",
    `no node has these labels; there are: ${labels.slice(0, 20).join(", ") || "none"}`,
  );
}

function hasLabels(node: NodeView, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([name, value]) => node.labels[name] === value);
}
