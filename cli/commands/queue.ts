import { stringify } from "yaml";
import { counted, formatAge, formatBytes, formatDuration } from "../../platform/quantities.ts";
import { type Column, formatFields } from "../../platform/table.ts";
import { HubError, type LedgerEntry, type NodeView } from "../../sdk/index.ts";
import { type CommandGroup, command } from "../command.ts";
import { colourOf, plainEntry, reasonOf, stageOf } from "../ledger-view.ts";
import { defaulted, optional, required } from "../option.ts";
import { plainRecord } from "../output.ts";
import { whole } from "../values.ts";

const position = whole(1, Number.MAX_SAFE_INTEGER);

const list = command({
  name: "list",
  summary: "what waits for a node, and what it refused",
  arguments: { node: required("name of the node") },
  options: {
    limit: defaulted({
      value: "N",
      description: "at most so many waiting and so many refused ones (1..1000)",
      parse: whole(1, 1_000),
      fallback: "50",
    }),
  },
  examples: ["queue list edge-1"],
  async run(context, { node }, { limit }) {
    const [waiting, refused, nodes] = await context.ask((hub) =>
      Promise.all([
        hub.where({ node, state: "accepted", limit }),
        hub.where({ node, state: "refused", limit }),
        hub.nodes(),
      ]),
    );
    const { output, io } = context;
    const all = [...waiting, ...refused].sort((a, b) => a.position - b.position);
    output.list(all, { columns: columns(io.now()), plain: plainEntry, empty: `Nothing waits for ${node}.` });
    const view = nodes.find((one) => one.node === node);
    if (view && all.length > 0)
      output.note(
        `${counted(view.backlogMessages, "message")} waiting (${formatBytes(view.backlogBytes)}), ${view.inFlight} in flight, ${refused.length} refused; ${node} is ${view.connected ? "connected" : "away"}${budgetWords(view)}`,
      );
    if (refused.length > 0)
      output.note(`See one: hubctl queue show ${node} POSITION. Again: hubctl queue requeue ${node}`);
    return undefined;
  },
});

function budgetWords({ budgetWaitMs }: NodeView): string {
  return budgetWaitMs === undefined
    ? ""
    : `; what waits, waits for its byte budget: ${formatDuration(budgetWaitMs)} more`;
}

function columns(now: number): Column<LedgerEntry>[] {
  return [
    { title: "POSITION", cell: (one) => one.position, align: "right" },
    { title: "RESOURCE", cell: (one) => one.resource, keep: "end" },
    { title: "VERSION", cell: (one) => one.version, align: "right" },
    { title: "OPERATION", cell: (one) => one.operation, optional: true },
    { title: "SIZE", cell: (one) => formatBytes(one.size), align: "right" },
    { title: "ACCEPTED", cell: (one) => formatAge(one.acceptedAt, now) },
    { title: "SENDS", cell: (one) => one.sends, align: "right", optional: true },
    { title: "STAGE", cell: stageOf, colour: colourOf },
    { title: "REASON", cell: reasonOf, sparse: true },
  ];
}

const show = command({
  name: "show",
  summary: "a message that waits or was refused, with its content",
  arguments: {
    node: required("name of the node"),
    position: required("its position, as `queue list` shows it"),
  },
  options: {},
  examples: ["queue show edge-1 4711"],
  async run(context, given) {
    const { node } = given;
    const at = position(given.position);
    const message = await context.ask((hub) => hub.admin.message(node, at));
    if (message === undefined)
      throw new HubError(
        "E_NOT_FOUND",
        `no message waits at position ${at} of ${node}: it is done, or was never there`,
      );
    const { content, ...rest } = message;
    const plain = { position: at, ...rest, timestamp: new Date(message.timestamp).toISOString() };
    if (context.output.format !== "table") context.output.data({ ...plainRecord(plain), content });
    else {
      context.output.lines(formatFields(Object.entries(plain)));
      context.output.lines(["", stringify(content, { lineWidth: 0 }).trimEnd()]);
    }
    return undefined;
  },
});

const requeue = command({
  name: "requeue",
  summary: "send refused messages again: one, or all of a node",
  arguments: { node: required("name of the node"), position: optional("only the message at this position") },
  options: {},
  examples: ["queue requeue edge-1", "queue requeue edge-1 4711"],
  async run(context, given) {
    const { node } = given;
    const at = given.position === undefined ? undefined : position(given.position);
    const requeued = await context.ask((hub) => hub.admin.requeue(node, at));
    if (requeued === 0 && at !== undefined)
      throw new HubError(
        "E_NOT_FOUND",
        `no refused message at position ${at} of ${node}; see: hubctl queue list ${node}`,
      );
    if (context.output.format !== "table") context.output.data({ node, requeued });
    context.output.say(
      requeued === 0
        ? `${node} has refused nothing`
        : `${counted(requeued, "message")} put back into the queue of ${node}`,
    );
    return undefined;
  },
});

export const queueCommands: CommandGroup = {
  name: "queue",
  summary: "what waits for a node, and what it refused",
  commands: [list, show, requeue],
};
