import { formatAge, formatDuration, parseDuration } from "../../platform/quantities.ts";
import type { Column } from "../../platform/table.ts";
import { HubError, type JoinTokenView } from "../../sdk/index.ts";
import { nodeAddresses } from "../address.ts";
import { type CommandGroup, command } from "../command.ts";
import type { Context } from "../context.ts";
import { defaulted, many, repeated, single } from "../option.ts";
import { plainRecord } from "../output.ts";
import { pair, text, whole } from "../values.ts";

const create = command({
  name: "create",
  summary: "make a token with which machines join",
  detail: "Prints the token, which is never shown again, and the command to run on the edge machine.",
  arguments: {},
  options: {
    ttl: defaulted({
      value: "DURATION",
      description: "how long it is good for",
      parse: parseDuration,
      fallback: "24h",
    }),
    uses: single({
      value: "N",
      description: "how many machines may join with it (default: any number)",
      parse: whole(1, 1_000_000),
    }),
    node: single({ value: "NAME", description: "only this node may join with it, also again", parse: text }),
    label: repeated({
      value: "NAME=VALUE",
      description: "a label for the nodes that join with it; may be repeated",
      parse: pair,
    }),
  },
  examples: ["token create", "token create --ttl 1h --uses 1 --node press-07 --label site=plant-2"],
  async run(context, _given, { ttl, uses, node, label }) {
    const created = await context.ask((hub) =>
      hub.admin.createJoinToken({
        ttlMs: ttl,
        labels: Object.fromEntries(label),
        ...(uses === undefined ? {} : { uses }),
        ...(node === undefined ? {} : { node }),
      }),
    );
    const join = joinCommand(context, created.token, node);
    const { output } = context;
    if (output.format !== "table") output.data({ ...plainRecord(created), command: join.command });
    else {
      const who =
        node ?? (uses === undefined ? "any number of machines" : `${uses} machine${uses === 1 ? "" : "s"}`);
      output.lines([
        `Join token ${created.id} for ${who}, good for ${formatDuration(ttl)}:`,
        "",
        created.token,
        "",
      ]);
      output.lines(["On the edge machine, as root:", "", `  ${join.command}`, ""]);
      if (join.guessed)
        output.note(
          `The addresses are this machine's with the usual ports; put others in their place if the hub listens elsewhere.`,
        );
    }
    return undefined;
  },
});

/** The token goes through the environment: arguments can be seen by every user of a machine. */
function joinCommand(
  context: Context,
  token: string,
  node: string | undefined,
): { command: string; guessed: boolean } {
  const { server, join, guessed } = nodeAddresses(context.address);
  const named = node === undefined ? "" : ` --node ${node}`;
  return {
    command: `EDGEHUB_HUB_TOKEN=${token} edgehub${named} --hub.server ${server} --hub.join ${join}`,
    guessed,
  };
}

const list = command({
  name: "list",
  summary: "tokens, and who joined with them",
  arguments: {},
  options: {},
  examples: ["token list", "token list -o json"],
  async run(context) {
    const tokens = await context.ask((hub) => hub.admin.joinTokens());
    context.output.list(
      [...tokens].sort((a, b) => b.createdAt - a.createdAt),
      {
        columns: columns(context.io.now()),
        plain: (token) => ({
          ...plainRecord(token, ["revokedAt", "usesLeft", "node"]),
          usedBy: token.usedBy.map((use) => plainRecord(use)),
        }),
        empty: "No tokens yet. Make one with: hubctl token create",
      },
    );
    return undefined;
  },
});

function columns(now: number): Column<JoinTokenView>[] {
  return [
    { title: "ID", cell: (one) => one.id },
    {
      title: "STATE",
      cell: (one) => stateOf(one, now),
      colour: (one) => (stateOf(one, now) === "good" ? "green" : "dim"),
    },
    { title: "CREATED", cell: (one) => formatAge(one.createdAt, now), optional: true },
    { title: "EXPIRES", cell: (one) => formatAge(one.expiresAt, now) },
    { title: "USES LEFT", cell: (one) => one.usesLeft ?? "any", align: "right" },
    { title: "NODE", cell: (one) => one.node ?? "any" },
    { title: "LABELS", cell: (one) => labelText(one.labels) },
    { title: "USED BY", cell: (one) => one.usedBy.map((use) => use.node).join(", ") },
  ];
}

function stateOf(token: JoinTokenView, now: number): "good" | "revoked" | "expired" | "used up" {
  if (token.revokedAt !== undefined) return "revoked";
  if (token.expiresAt <= now) return "expired";
  return token.usesLeft === 0 ? "used up" : "good";
}

/** `a=b,c=d`. */
export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");
}

const revoke = command({
  name: "revoke",
  summary: "let nobody join with a token any more",
  detail: "Machines that have joined with it stay; see `hubctl nodes revoke` for those.",
  arguments: { ids: many("ids as `token list` shows them") },
  options: {},
  examples: ["token revoke 1f0c6a7d2b3e4f50"],
  async run(context, { ids }) {
    const outcomes: { id: string; revoked: boolean }[] = [];
    for (const id of ids)
      outcomes.push({ id, revoked: await context.ask((hub) => hub.admin.revokeJoinToken(id)) });
    const { output } = context;
    if (output.format !== "table") output.data(outcomes);
    for (const { id } of outcomes.filter((one) => one.revoked)) output.say(`token ${id} is revoked`);
    const unknown = outcomes.filter((one) => !one.revoked).map((one) => one.id);
    if (unknown.length > 0)
      throw new HubError("E_NOT_FOUND", `no token has the id ${unknown.join(", ")}; see: hubctl token list`);
    return undefined;
  },
});

export const tokenCommands: CommandGroup = {
  name: "token",
  summary: "tokens with which edge machines join",
  commands: [create, list, revoke],
};
