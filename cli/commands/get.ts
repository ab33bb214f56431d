import { formatAge } from "../../platform/quantities.ts";
import { type Column, formatFields } from "../../platform/table.ts";
import { HubError, type ResourceView } from "../../sdk/index.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { ledgerColumns, plainEntry } from "../ledger-view.ts";
import { defaulted, optional, required } from "../option.ts";
import { plainRecord } from "../output.ts";
import { whole } from "../values.ts";

/** Of a single resource so many of its messages are shown. */
const shownMessages = 5;

export const getCommand = command({
  name: "get",
  summary: "what a node has, and what it will get",
  detail: `Shows of each resource the version the node has acked and the newest one the hub has accepted for it.
state: current (the node has the newest), waiting, or refused (the node said that it can never take it).`,
  arguments: {
    node: required("name of the node"),
    resource: optional(
      "a kind (configmap), a pattern (default/*), or one resource (default/configmap/limits)",
    ),
  },
  options: {
    limit: defaulted({
      value: "N",
      description: "at most so many resources (1..10000)",
      parse: whole(1, 10_000),
      fallback: "1000",
    }),
  },
  examples: [
    "get edge-1",
    "get edge-1 configmap",
    "get edge-1 'default/pod/*'",
    "get edge-1 default/configmap/limits",
  ],
  async run(context, { node, resource }, { limit }) {
    const patterns = resource === undefined ? ["*"] : patternsOf(resource);
    const [first = "*"] = patterns;
    if (!first.includes("*")) return await details(context, node, first);
    let found: ResourceView[] = [];
    for (const pattern of patterns) {
      found = await context.ask((hub) => hub.resources({ node, resource: pattern, limit }));
      if (found.length > 0) break;
    }
    const { output, io } = context;
    const nothing = found.length > 0 ? "" : await nothingText(context, node, resource);
    output.list(found, { columns: columns(io.now()), plain: plainResource, empty: nothing });
    if (found.length === limit)
      output.note(`Only the first ${limit} are shown; see --limit, or name a pattern.`);
    return undefined;
  },
});

/** What to look for, one after the other. A word alone is a kind, which people also write in the plural. */
function patternsOf(resource: string): string[] {
  if (resource.includes("/") || resource.includes("*")) return [resource];
  const kind = resource.toLowerCase();
  const singulars = [kind.replace(/ies$/, "y"), kind.replace(/es$/, ""), kind.replace(/s$/, "")];
  return [...new Set([kind, ...singulars])].map((one) => `*/${one}/*`);
}

function columns(now: number): Column<ResourceView>[] {
  return [
    { title: "RESOURCE", cell: (one) => one.resource, keep: "end" },
    { title: "NODE HAS", cell: hasText, align: "right" },
    { title: "SINCE", cell: (one) => one.checkpoint && formatAge(one.checkpoint.at, now) },
    { title: "NEWEST", cell: newestText, align: "right" },
    { title: "STATE", cell: stateOf, colour: colourOf },
  ];
}

function hasText({ checkpoint }: ResourceView): string | undefined {
  return checkpoint && (checkpoint.deleted ? `${checkpoint.version}, deleted` : checkpoint.version);
}

function newestText({ accepted, acceptedDeleted }: ResourceView): string | undefined {
  return accepted === undefined ? undefined : acceptedDeleted ? `${accepted}, deletion` : accepted;
}

function stateOf(one: ResourceView): string {
  return one.state === "current" && one.checkpoint?.deleted ? "deleted" : one.state;
}

function colourOf(one: ResourceView): "green" | "yellow" | "red" | "dim" {
  if (one.state !== "current") return one.state === "refused" ? "red" : "yellow";
  return one.checkpoint?.deleted ? "dim" : "green";
}

function plainResource(one: ResourceView): Record<string, unknown> {
  return {
    ...plainRecord(one, ["accepted"]),
    checkpoint: one.checkpoint ? plainRecord(one.checkpoint) : null,
  };
}

async function details(context: Context, node: string, resource: string): Promise<undefined> {
  const { output, io } = context;
  const [found] = await context.ask((hub) => hub.resources({ node, resource, limit: 1 }));
  const messages = await context.ask((hub) => hub.where({ node, resource, limit: shownMessages }));
  if (found === undefined && messages.length === 0)
    throw new HubError(
      "E_NOT_FOUND",
      `nothing called ${resource} was ever published to ${node}; see: hubctl get ${node}`,
    );
  const plain = found ? plainResource(found) : { resource };
  if (output.format !== "table") {
    output.data({ node, ...plain, messages: messages.map(plainEntry) });
    return undefined;
  }
  output.lines(formatFields([["resource", resource], ["node", node], ...stateFields(found, io.now())]));
  if (messages.length > 0) output.lines(["", ...output.table(messages, ledgerColumns(io.now()))]);
  if (found?.state === "refused")
    output.note(`Why: hubctl queue list ${node}. After a repair: hubctl queue requeue ${node}`);
  return undefined;
}

function stateFields(found: ResourceView | undefined, now: number): (readonly [string, unknown])[] {
  // Events are no state: of them there are messages only.
  if (found === undefined) return [["state", "none: only events of it were published"]];
  const since = found.checkpoint && `, since ${formatAge(found.checkpoint.at, now)}`;
  return [
    ["node has", found.checkpoint ? `${hasText(found)}${since}` : "nothing of it yet"],
    ["newest", newestText(found)],
    ["state", stateOf(found)],
  ];
}

/** Names what there is, so that the next try finds it. */
async function nothingText(context: Context, node: string, resource: string | undefined): Promise<string> {
  const all =
    resource === undefined ? [] : await context.ask((hub) => hub.resources({ node, limit: 10_000 }));
  const kinds = [...new Set(all.map((one) => one.resource.split("/")[1] ?? one.resource))].sort();
  if (kinds.length === 0) return `Nothing was ever published to ${node}.`;
  return `Nothing of ${node} matches ${resource}. Kinds there: ${kinds.join(", ")}`;
}
