import { formatFields } from "../../platform/table.ts";
import { HubError, type LedgerEntry, type LedgerQuery, type LedgerState } from "../../sdk/index.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { follow } from "../follow.ts";
import { ledgerColumns, ledgerDetails, plainEntry } from "../ledger-view.ts";
import { defaulted, flag, optional, required, single } from "../option.ts";
import { oneOf, whole } from "../values.ts";

const states = [
  "accepted",
  "persisted",
  "superseded",
  "expired",
  "refused",
] as const satisfies readonly LedgerState[];

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
    watch: flag({ short: "w", description: "follow them, and all that waits, until they are done" }),
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
