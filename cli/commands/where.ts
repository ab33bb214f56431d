import { LiveBlock } from "../../platform/live-block.ts";
import { counted } from "../../platform/quantities.ts";
import { formatFields, formatTable } from "../../platform/table.ts";
import { HubError, type LedgerEntry, type LedgerQuery, type LedgerState } from "../../sdk/index.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { exitCodes } from "../failures.ts";
import { isDone, ledgerColumns, ledgerDetails, reasonOf, stageOf } from "../ledger-view.ts";
import { defaulted, flag, optional, required, single } from "../option.ts";
import { plainRecord } from "../output.ts";
import { pauseUntil } from "../pause.ts";
import { oneOf, whole } from "../values.ts";

const states = [
  "accepted",
  "persisted",
  "superseded",
  "expired",
  "refused",
] as const satisfies readonly LedgerState[];
/** How often it is looked while following. */
const lookEveryMs = 250;

export const whereCommand = command({
  name: "where",
  summary: "where messages of a node are: accepted, sent, persisted, checkpointed",
  detail: `accepted: on the hub's disk. sent: on the link, how often. persisted: the node has acked it, it is on the node's
disk. checkpointed: the hub has written that down. Others end as superseded (a newer version took their place),
expired or refused. Times with + count from acceptance.`,
  arguments: {
    node: required("name of the node"),
    message: optional("a resource (namespace/kind/name) or the id of a message"),
  },
  options: {
    state: single({
      value: states.join("|"),
      description: "only messages in this state",
      parse: oneOf(states),
    }),
    limit: defaulted({
      value: "N",
      description: "at most so many, the newest ones (1..1000)",
      parse: whole(1, 1_000),
      fallback: "20",
    }),
    watch: flag({ short: "w", description: "follow them until all are done" }),
  },
  examples: [
    "where edge-1",
    "where edge-1 default/configmap/limits",
    "where edge-1 --state refused",
    "where edge-1 -w --timeout 1m",
  ],
  async run(context, { node, message }, { state, limit, watch }) {
    const query: LedgerQuery = {
      node,
      limit,
      ...(state === undefined ? {} : { state }),
      ...(message === undefined ? {} : message.includes("/") ? { resource: message } : { id: message }),
    };
    const entries = await context.ask((hub) => hub.where(query));
    if (message !== undefined && entries.length === 0) throw unknown(node, message);
    if (watch) return await follow(context, query, entries);
    show(context, entries, message);
    return undefined;
  },
});

function unknown(node: string, message: string): HubError {
  return new HubError(
    "E_NOT_FOUND",
    `the ledger of ${node} knows nothing of ${message}: it was never accepted, or is long done; see: hubctl get ${node} ${message.includes("/") ? message : ""}`,
  );
}

function show(context: Context, entries: readonly LedgerEntry[], message: string | undefined): void {
  const { output, io } = context;
  const [only] = entries;
  if (output.format === "table" && message !== undefined && entries.length === 1 && only) {
    output.lines(formatFields(ledgerDetails(only, io.now())));
    return;
  }
  output.list(entries, {
    columns: ledgerColumns(io.now()),
    plain: plainEntry,
    empty: "Nothing: no message was accepted for this node, or all are long done. See: hubctl get",
  });
}

const maybe = [
  "version",
  "expiresAt",
  "firstSentAt",
  "lastSentAt",
  "persistedAt",
  "endedAt",
  "code",
  "text",
] as const satisfies readonly (keyof LedgerEntry)[];

/** For programs: the entry with its stage. */
export function plainEntry(entry: LedgerEntry): Record<string, unknown> {
  return { ...plainRecord(entry, maybe), stage: stageOf(entry) };
}

/** Shows the messages until all are done. @returns 1 if one was refused or expired. */
async function follow(context: Context, query: LedgerQuery, first: readonly LedgerEntry[]): Promise<number> {
  const { io, output, timeoutMs } = context;
  const block = output.format === "table" && io.out.isTerminal ? new LiveBlock(io.out) : undefined;
  const told = new Map<number, string>();
  const followed = new Map<number, LedgerEntry>();
  const deadline = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  let entries = first;
  try {
    for (;;) {
      for (const entry of entries) followed.set(entry.position, entry);
      const shown = [...followed.values()].sort((a, b) => b.position - a.position);
      if (block) block.draw(table(context, shown));
      else for (const entry of [...shown].reverse()) tellChange(context, entry, told);
      const open = shown.filter((entry) => !isDone(entry));
      if (open.length === 0) return shown.some(isFailure) ? exitCodes.failed : exitCodes.ok;
      if (deadline !== undefined && performance.now() > deadline) throw late(query.node, open.length);
      await pauseUntil(undefined, lookEveryMs, io.signal);
      if (io.signal.aborted) return exitCodes.interrupted;
      entries = await again(context, query, open);
    }
  } finally {
    block?.end();
  }
}

/** Those that were open, as they are now; and what has come since, if all were asked for. */
async function again(
  context: Context,
  query: LedgerQuery,
  open: readonly LedgerEntry[],
): Promise<LedgerEntry[]> {
  // Asked without the state: one that has left it is what is waited for.
  const { state: _, ...rest } = query;
  const limit = 1_000;
  const entries = await context.ask((hub) => hub.where({ ...rest, limit }));
  const positions = new Set(open.map((entry) => entry.position));
  const found = entries.filter((entry) => positions.has(entry.position));
  return found.length === open.length
    ? found
    : [...found, ...(await missing(context, query.node, open, found))];
}

/** Those further back than the ledger was read, one by one. */
async function missing(
  context: Context,
  node: string,
  open: readonly LedgerEntry[],
  found: readonly LedgerEntry[],
): Promise<LedgerEntry[]> {
  const have = new Set(found.map((entry) => entry.position));
  const gone = open.filter((entry) => !have.has(entry.position));
  return (
    await Promise.all(gone.map(({ id }) => context.ask((hub) => hub.where({ node, id, limit: 1 }))))
  ).flatMap((entries, at) => (entries.length > 0 ? entries : forgotten(gone[at] as LedgerEntry)));
}

/** The ledger keeps only so many that are done: one that has left it is done, as far as one can know. */
function forgotten(entry: LedgerEntry): LedgerEntry[] {
  return [{ ...entry, state: "persisted", persistedAt: undefined, endedAt: undefined }];
}

function table({ io, output }: Context, entries: readonly LedgerEntry[]): string[] {
  const open = entries.filter((entry) => !isDone(entry)).length;
  const rows = entries.slice(0, Math.max((io.out.rows ?? 24) - 4, 5));
  return [
    ...formatTable(rows, ledgerColumns(io.now()), {
      width: (io.out.columns ?? 80) - 1,
      colours: output.colours,
    }),
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
  output.say(`${new Date(io.now()).toISOString()}  ${text}`);
}

function isFailure(entry: LedgerEntry): boolean {
  return entry.state === "refused" || entry.state === "expired";
}

function late(node: string, open: number): HubError {
  return new HubError(
    "E_TIMEOUT",
    `${counted(open, "message")} to ${node} ${open === 1 ? "is" : "are"} still on the way; is the node connected? hubctl nodes list`,
  );
}
