import { counted, formatAge, formatBytes } from "../../platform/quantities.ts";
import type { Column } from "../../platform/table.ts";
import { HubError, type NodeView } from "../../sdk/index.ts";
import { type CommandGroup, command } from "../command.ts";
import type { Context } from "../context.ts";
import { flag, many, repeated, required } from "../option.ts";
import { plainRecord } from "../output.ts";
import { pair } from "../values.ts";
import { watchNodes } from "../watch-nodes.ts";
import { labelText } from "./token.ts";

const list = command({
  name: "list",
  summary: "nodes: connected since when, what waits for them",
  arguments: {},
  options: {
    watch: flag({ short: "w", description: "go on, and tell of every coming and going until Ctrl-C" }),
  },
  examples: ["nodes list", "nodes list -w", "nodes list -o json"],
  async run(context, _given, { watch }) {
    if (watch) return await watchNodes(context, nodeColumns);
    const nodes = await context.ask((hub) => hub.nodes());
    context.output.list(nodes, {
      columns: nodeColumns(context.io.now()),
      plain: plainNode,
      empty: "No nodes yet. A machine joins with: hubctl token create",
    });
    return undefined;
  },
});

function plainNode(node: NodeView): Record<string, unknown> {
  return plainRecord(node, [
    "connectedAt",
    "address",
    "dialect",
    "transport",
    "software",
    "joinedAt",
    "lastSeenAt",
    "budgetWaitMs",
  ]);
}

function nodeColumns(now: number): Column<NodeView>[] {
  return [
    { title: "NODE", cell: (one) => one.node },
    { title: "STATE", cell: stateOf, colour: (one) => (one.connected && !one.flapping ? "green" : "yellow") },
    { title: "SINCE", cell: (one) => ageOf(one, now) },
    { title: "DIALECT", cell: (one) => one.dialect },
    { title: "TRANSPORT", cell: (one) => one.transport },
    { title: "BACKLOG", cell: (one) => one.backlogMessages, align: "right" },
    { title: "SIZE", cell: (one) => formatBytes(one.backlogBytes), align: "right", optional: true },
    { title: "IN FLIGHT", cell: (one) => one.inFlight, align: "right", optional: true },
    { title: "LABELS", cell: (one) => labelText(one.labels) },
    { title: "ADDRESS", cell: (one) => one.address, optional: true },
  ];
}

function stateOf(node: NodeView): string {
  if (node.flapping) return "flapping";
  if (node.budgetWaitMs !== undefined) return "over budget";
  if (node.connected) return "connected";
  if (node.lastSeenAt !== undefined) return "away";
  return node.joinedAt === undefined ? "not joined" : "joined";
}

function ageOf(node: NodeView, now: number): string | undefined {
  const at = node.connected ? node.connectedAt : (node.lastSeenAt ?? node.joinedAt ?? node.addedAt);
  return at === undefined ? undefined : formatAge(at, now);
}

const add = command({
  name: "add",
  summary: "make a node known before it joins, or change its labels",
  detail: "Messages can wait for a node that is known. Labels given here replace those it has.",
  arguments: { name: required("name of the node, as it will join") },
  options: { label: repeated({ value: "NAME=VALUE", description: "a label; may be repeated", parse: pair }) },
  examples: ["nodes add press-07 --label site=plant-2 --label line=7"],
  async run(context, { name }, { label }) {
    const labels = label.length === 0 ? undefined : Object.fromEntries(label);
    const node = await context.ask((hub) => hub.admin.addNode(name, labels));
    const { output } = context;
    if (output.format !== "table") output.data(plainNode(node));
    output.say(
      `node ${node.node} is known${labels === undefined ? "" : `, with labels ${labelText(node.labels)}`}`,
    );
    if (node.joinedAt === undefined) output.note(`It joins with: hubctl token create --node ${node.node}`);
    return undefined;
  },
});

const remove = command({
  name: "remove",
  summary: "forget a node, its queue and what it has; its certificates are revoked",
  arguments: { names: many("names of nodes") },
  options: {
    force: flag({ description: "also if it is connected, or messages wait for it: they are lost" }),
  },
  examples: ["nodes remove press-07", "nodes remove press-07 --force"],
  async run(context, { names }, { force }) {
    const nodes = await known(context, names);
    const inUse = nodes.filter((one) => one.connected || one.backlogMessages > 0);
    if (inUse.length > 0 && !force) {
      const reasons = inUse.map(
        (one) => `${one.node} is ${stateOf(one)} with ${counted(one.backlogMessages, "message")} waiting`,
      );
      throw new HubError("E_BAD_OPTION", `${reasons.join("; ")}: add --force to lose that`);
    }
    for (const { node } of nodes) await context.ask((hub) => hub.admin.removeNode(node));
    tell(
      context,
      nodes,
      (one) => ({ node: one.node, removed: true, lostMessages: one.backlogMessages }),
      (one) =>
        one.backlogMessages > 0
          ? `node ${one.node} is forgotten, and ${counted(one.backlogMessages, "message")} with it`
          : `node ${one.node} is forgotten`,
    );
    return undefined;
  },
});

const revoke = command({
  name: "revoke",
  summary: "revoke a node's certificates and end its link; its queue stays",
  detail: `To come back, the machine needs a token made for it (hubctl token create --node NAME), and must give up its old
identity: remove identity.pem from the agent's data directory and start the agent with the token.`,
  arguments: { names: many("names of nodes") },
  options: {},
  examples: ["nodes revoke press-07"],
  async run(context, { names }) {
    const nodes = await known(context, names);
    const revoked = new Map<string, number>();
    for (const { node } of nodes) revoked.set(node, await context.ask((hub) => hub.admin.revokeNode(node)));
    const count = (one: NodeView): number => revoked.get(one.node) ?? 0;
    tell(
      context,
      nodes,
      (one) => ({ node: one.node, certificates: count(one) }),
      (one) => `${counted(count(one), "certificate")} of node ${one.node} revoked`,
    );
    return undefined;
  },
});

/** The nodes of these names. Throws `E_UNKNOWN_NODE` before anything is done if there is one missing. */
async function known(context: Context, names: readonly string[]): Promise<NodeView[]> {
  const nodes = new Map((await context.ask((hub) => hub.nodes())).map((one) => [one.node as string, one]));
  return [...new Set(names)].map((name) => {
    const node = nodes.get(name);
    if (node === undefined) throw new HubError("E_UNKNOWN_NODE", `no node is called ${name}`);
    return node;
  });
}

function tell(
  context: Context,
  nodes: readonly NodeView[],
  plain: (node: NodeView) => unknown,
  words: (node: NodeView) => string,
): void {
  if (context.output.format !== "table") context.output.data(nodes.map(plain));
  else context.output.lines(nodes.map(words));
}

export const nodesCommands: CommandGroup = {
  name: "nodes",
  summary: "edge machines that the hub knows",
  commands: [list, add, remove, revoke],
};
