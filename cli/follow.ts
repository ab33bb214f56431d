import { LiveBlock } from "../platform/live-block.ts";
import { counted } from "../platform/quantities.ts";
import { formatTable, singleLine } from "../platform/table.ts";
import { HubError, type LedgerEntry, type LedgerQuery } from "../sdk/index.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./failures.ts";
import { isDone, ledgerColumns, plainEntry, reasonOf, stageOf } from "./ledger-view.ts";
import { pauseUntil } from "./pause.ts";

/** How often it is looked while following. */
const lookEveryMs = 250;
/** The most entries that the hub gives at once. */
const mostEntries = 1_000;

type Ask = Context["ask"];

/**
 * Shows messages until all are done: on a terminal a table that is drawn again, elsewhere a line for each change.
 *
 * @param query What is followed; without a message or resource, all that waits too.
 * @returns The exit code: 1 if one was refused or expired. Rejects with `E_TIMEOUT` after `--timeout`.
 */
export async function follow(
  context: Context,
  query: LedgerQuery,
  first: readonly LedgerEntry[],
): Promise<number> {
  const { io, output, timeoutMs } = context;
  const block = output.format === "table" && io.out.isTerminal ? new LiveBlock(io.out) : undefined;
  const entries = new Map(first.map((entry) => [entry.position, entry]));
  const shown = (): LedgerEntry[] => [...entries.values()].sort((a, b) => b.position - a.position);
  const slow = block && ((text: string): void => block.draw([...table(context, shown()), text]));
  const ask: Ask = (question) => context.ask(question, slow);
  const told = new Map<number, string>();
  const deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
  try {
    for (const entry of await waitingOf(ask, query)) entries.set(entry.position, entry);
    for (;;) {
      if (block) block.draw(table(context, shown()));
      else for (const entry of shown().reverse()) tellChange(context, entry, told);
      const open = shown().filter((entry) => !isDone(entry));
      if (open.length === 0) return shown().some(isFailure) ? exitCodes.failed : exitCodes.ok;
      if (performance.now() > deadline) throw late(query.node, open.length);
      await pauseUntil(undefined, lookEveryMs, io.signal);
      if (io.signal.aborted) return exitCodes.interrupted;
      for (const entry of await again(ask, query, open)) entries.set(entry.position, entry);
    }
  } finally {
    block?.end();
  }
}

/** What waits, if no message or resource is named. */
async function waitingOf(ask: Ask, { node, id, resource, state }: LedgerQuery): Promise<LedgerEntry[]> {
  if (id !== undefined || resource !== undefined || state !== undefined) return [];
  return await ask((hub) => hub.where({ node, state: "accepted", limit: mostEntries }));
}

/** Those that were open, as they are now. */
async function again(ask: Ask, query: LedgerQuery, open: readonly LedgerEntry[]): Promise<LedgerEntry[]> {
  // Asked without the state: one that has left it is what is waited for.
  const { state: _, ...rest } = query;
  const now = await ask((hub) => hub.where({ ...rest, limit: mostEntries }));
  const byPosition = new Map(now.map((entry) => [entry.position, entry]));
  return await Promise.all(
    open.map(async (entry) => byPosition.get(entry.position) ?? (await byId(ask, entry))),
  );
}

/** One that stands further back than the ledger was read, or has left it: the ledger keeps only so many. */
async function byId(ask: Ask, entry: LedgerEntry): Promise<LedgerEntry> {
  const { node, id, resource } = entry;
  const [found] = await ask((hub) => hub.where({ node, id, limit: 1 }));
  if (found) return found;
  const checkpoint = await ask((hub) => hub.checkpoint(node, resource));
  const has = checkpoint !== undefined && BigInt(checkpoint.version) >= BigInt(entry.version ?? 0);
  return { ...entry, state: has ? "persisted" : "superseded" };
}

function table({ io, output }: Context, entries: readonly LedgerEntry[]): string[] {
  const open = entries.filter((entry) => !isDone(entry)).length;
  const rows = entries.slice(0, Math.max((io.out.rows ?? 24) - 4, 5));
  const options = { width: (io.out.columns ?? 80) - 1, colours: output.colours };
  return [
    ...formatTable(rows, ledgerColumns(io.now()), options),
    ...(rows.length < entries.length ? [`… and ${entries.length - rows.length} more`] : []),
    `${counted(entries.length - open, "message")} done, ${open} on the way`,
  ];
}

function tellChange({ io, output }: Context, entry: LedgerEntry, told: Map<number, string>): void {
  const stage = `${stageOf(entry)} ${entry.sends}`;
  if (told.get(entry.position) === stage) return;
  told.set(entry.position, stage);
  if (output.format !== "table") output.item(plainEntry(entry));
  const version = entry.version === undefined ? "" : ` version ${entry.version}`;
  const times = entry.sends > 1 ? ` ${entry.sends}×` : "";
  const reason = reasonOf(entry);
  const text = `${entry.resource}${version}  ${stageOf(entry)}${times}${reason ? `  ${reason}` : ""}`;
  output.say(`${new Date(io.now()).toISOString()}  ${singleLine(text)}`);
}

function isFailure(entry: LedgerEntry): boolean {
  return entry.state === "refused" || entry.state === "expired";
}

function late(node: string, open: number): HubError {
  const text = `${counted(open, "message")} to ${node} ${open === 1 ? "is" : "are"} still on the way`;
  return new HubError("E_TIMEOUT", `${text}; is the node connected? hubctl nodes list`);
}
