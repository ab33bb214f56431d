import { LiveBlock } from "../platform/live-block.ts";
import { type Column, formatTable } from "../platform/table.ts";
import type { NodeView } from "../sdk/index.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./failures.ts";
import { pauseUntil } from "./pause.ts";

/** Backlogs move without anybody telling; they are asked for so often. */
const refreshEveryMs = 1_000;

/**
 * Shows the nodes until Ctrl-C: on a terminal a table that is drawn again, elsewhere a line for every node that comes
 * or goes, and for those that are there at the beginning.
 *
 * @returns The exit code of an interrupted program: nothing else ends it.
 */
export async function watchNodes(
  context: Context,
  columns: (now: number) => Column<NodeView>[],
): Promise<number> {
  const { io, output } = context;
  const block = output.format === "table" && io.out.isTerminal ? new LiveBlock(io.out) : undefined;
  const news = new News();
  const hub = await context.hub();
  const presence = hub.subscribe({ presence: true }, { signal: io.signal });
  const listening = (async () => {
    for await (const { ack } of presence) {
      ack();
      news.arrived();
    }
  })();
  const before = new Map<string, boolean>();
  let nodes: NodeView[] = [];
  const draw = (more: readonly string[]): void =>
    block?.draw([...tableOf(nodes, columns(io.now()), context), ...more]);
  const slow = block && ((text: string): void => draw(["", text]));
  try {
    while (!io.signal.aborted) {
      nodes = await context.ask((asked) => asked.nodes(), slow);
      if (block) draw([]);
      else for (const line of changes(nodes, before)) tell(context, line);
      await pauseUntil(news.next(), refreshEveryMs, io.signal);
    }
  } finally {
    block?.end();
    presence.close();
    await listening;
  }
  return exitCodes.interrupted;
}

/** Wakes who waits for something to happen; what happens while nobody waits wakes the next one. */
class News {
  #wake: (() => void) | undefined;
  #missed = false;

  arrived(): void {
    if (this.#wake === undefined) this.#missed = true;
    this.#wake?.();
    this.#wake = undefined;
  }

  next(): Promise<void> {
    if (this.#missed) {
      this.#missed = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

function tableOf(nodes: readonly NodeView[], columns: Column<NodeView>[], { io, output }: Context): string[] {
  if (nodes.length === 0) return ["No nodes yet. A machine joins with: hubctl token create"];
  return formatTable(nodes, columns, { width: (io.out.columns ?? 80) - 1, colours: output.colours });
}

/** Nodes whose presence is not what it was. */
function changes(nodes: readonly NodeView[], before: Map<string, boolean>): NodeView[] {
  const changed = nodes.filter((one) => before.get(one.node) !== one.connected);
  for (const { node, connected } of changed) before.set(node, connected);
  return changed;
}

function tell({ io, output }: Context, node: NodeView): void {
  const at = new Date(io.now()).toISOString();
  const { connected, dialect, transport, address, backlogMessages } = node;
  const plain = {
    at,
    node: node.node,
    connected,
    dialect: dialect ?? null,
    transport: transport ?? null,
    address: address ?? null,
    backlogMessages,
  };
  if (output.format !== "table") output.item(plain);
  const link = [dialect, transport, address].filter((one) => one !== undefined).join(", ");
  output.say(
    `${at}  ${node.node}  ${connected ? `connected (${link})` : `away, ${backlogMessages} waiting`}`,
  );
}
