import { FleetNodes, type FleetOrder } from "./fleet-nodes.ts";

/**
 * Simulated nodes in a process of their own; the parent says what to do, asks for counts, and can begin anew with other
 * nodes after it has closed these.
 */
export type WorkerOrder =
  | FleetOrder
  | "start"
  | "count"
  | "close"
  | { readonly cut: number }
  | { readonly lose: number };

let fleet: FleetNodes | undefined;

process.on("message", (order: WorkerOrder) => {
  if (order === "start") fleet?.start();
  else if (order === "count") process.send?.(fleet?.counts() ?? {});
  else if (order === "close") {
    fleet?.close();
    process.send?.(fleet?.counts() ?? {});
    fleet = undefined;
  } else if ("cut" in order) fleet?.cut(order.cut);
  else if ("lose" in order) fleet?.lose(order.lose);
  else void connect(order);
});
process.on("disconnect", () => process.exit(0));

async function connect(order: FleetOrder): Promise<void> {
  fleet = new FleetNodes(order);
  try {
    process.send?.({ connected: await fleet.connect() });
  } catch (error) {
    process.stderr.write(`${error}\n`);
    process.exit(1);
  }
}
