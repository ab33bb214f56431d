import type { FleetIdentities } from "./identities.ts";
import { connectRawNode, type RawNode, type RawNodeMode } from "./raw-node.ts";

/**
 * The load generator, a process of its own; the parent says what to do, asks for counts, and can begin anew with other
 * nodes after it has closed these.
 */
export interface FleetOrder {
  readonly mode: RawNodeMode;
  readonly port: number;
  readonly identities: FleetIdentities;
  readonly window: number;
  readonly bytes: number;
}

let count = 0;
let nodes: RawNode[] = [];

process.on("message", (message: FleetOrder | "start" | "count" | "close") => {
  if (message === "start") for (const node of nodes) node.start();
  else if (message === "count") process.send?.({ count });
  else if (message === "close") {
    for (const node of nodes.splice(0)) node.close();
    process.send?.({ count });
    count = 0;
  } else {
    connectAll(message).then(
      (connected) => {
        nodes = connected;
        process.send?.({ connected: nodes.length });
      },
      (error: unknown) => {
        process.stderr.write(`${error}\n`);
        process.exit(1);
      },
    );
  }
});
process.on("disconnect", () => process.exit(0));

async function connectAll(order: FleetOrder): Promise<RawNode[]> {
  const { ca, key, nodes: all } = order.identities;
  const connected: RawNode[] = [];
  const arrived = (more: number): void => {
    count += more;
  };
  for (let at = 0; at < all.length; at += 50) {
    const batch = all
      .slice(at, at + 50)
      .map(({ node, cert }) => connectRawNode({ ...order, node, tls: { ca, cert, key }, arrived }));
    connected.push(...(await Promise.all(batch)));
  }
  return connected;
}
