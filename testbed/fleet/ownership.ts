import { type HubClient, HubError } from "../../sdk/index.ts";

/** Whose nodes simulated ones are; its value is their prefix. */
export const benchLabel = "hubctl-bench";

/** Nodes are removed so many at once. */
const atOnce = 20;

/** Throws `E_BAD_OPTION` if the hub knows a node of such a name: it may be somebody's. */
export async function requireFreePrefix(hub: HubClient, prefix: string): Promise<void> {
  const taken = (await hub.nodes()).filter(({ node }) => node.startsWith(`${prefix}-`));
  if (taken.length === 0) return;
  const text = `the hub has ${taken.length} nodes whose names begin with ${prefix}-, such as ${taken[0]?.node}; choose another --prefix`;
  throw new HubError("E_BAD_OPTION", text);
}

/** Removes the nodes that joined as this run's: their name and their label say so. @param removed Told how many have gone. */
export async function removeFleet(
  hub: HubClient,
  prefix: string,
  removed: (count: number) => void,
): Promise<void> {
  const own = (await hub.nodes()).filter(
    ({ node, labels }) => node.startsWith(`${prefix}-`) && labels[benchLabel] === prefix,
  );
  for (let at = 0; at < own.length; at += atOnce) {
    await Promise.all(own.slice(at, at + atOnce).map(({ node }) => hub.admin.removeNode(node)));
    removed(Math.min(at + atOnce, own.length));
  }
}
