import { existsSync } from "node:fs";
import { writeDurably } from "../../platform/private-files.ts";
import { formatAge, formatDuration, parseDuration } from "../../platform/quantities.ts";
import type { Column } from "../../platform/table.ts";
import { type HubAdmin, HubError, type Rights, type Verb } from "../../sdk/index.ts";
import { nameOf } from "../address.ts";
import { type CommandGroup, command } from "../command.ts";
import type { Context } from "../context.ts";
import { flag, required, single } from "../option.ts";
import { plainRecord } from "../output.ts";
import { oneOf, text, list as texts } from "../values.ts";
import { certificateCommand } from "./controller-certificate.ts";

type ControllerView = Awaited<ReturnType<HubAdmin["controllers"]>>[number];

const verbs = ["publish", "subscribe", "request", "read", "admin"] as const satisfies readonly Verb[];
/** These concern messages, so they need a group too. */
const messageVerbs: ReadonlySet<Verb> = new Set(["publish", "subscribe", "request"]);

const create = command({
  name: "create",
  summary: "give a program rights and a token",
  detail: `Nothing is allowed that is not given here. Verbs: publish, subscribe, request, read (nodes, ledger, checkpoints),
admin (everything). Groups: resource (Kubernetes objects), twin, user, … or '*'.`,
  arguments: { name: required("name of the controller, a DNS label") },
  options: {
    nodes: single({
      value: "PATTERNS",
      description: "nodes it may deal with: names with *, or label=value; several between commas",
      parse: texts,
    }),
    groups: single({ value: "GROUPS", description: "groups of messages it may deal with", parse: texts }),
    verbs: single({
      value: "VERBS",
      description: verbs.join(", "),
      parse: (given) => texts(given).map(oneOf(verbs)),
    }),
    ttl: single({
      value: "DURATION",
      description: "the token's life (default: no end)",
      parse: parseDuration,
    }),
    out: single({
      value: "FILE",
      description: "write address, token and CA there, mode 0600, for --config and the SDK",
      parse: text,
    }),
    replace: flag({
      description: "give an existing controller these rights and a new token; also overwrite FILE",
    }),
  },
  examples: [
    "controller create line-planner --nodes 'press-*' --groups resource --verbs publish,read --out planner.json",
    "controller create collector --nodes site=plant-2 --groups user --verbs subscribe --ttl 90d",
  ],
  async run(context, { name }, { nodes, groups, verbs: given, ttl, out, replace }) {
    const rights = rightsOf(nodes, groups, given);
    if (out !== undefined && existsSync(out) && !replace)
      throw new HubError("E_BAD_OPTION", `${out} exists; name another file, or add --replace`);
    const existing = (await context.ask((hub) => hub.admin.controllers())).find((one) => one.name === name);
    if (existing && existing.revokedAt === undefined && !replace)
      throw new HubError(
        "E_BAD_OPTION",
        `controller ${name} exists, and a new token ends the old one; add --replace for that`,
      );
    const token = await context.ask((hub) => hub.admin.createController(name, rights, ttl));
    tellCreated(context, { name, token, rights, ttl, out });
    return undefined;
  },
});

function rightsOf(
  nodes: readonly string[] | undefined,
  groups: readonly string[] | undefined,
  given: readonly Verb[] | undefined,
): Rights {
  if (given === undefined || nodes === undefined)
    throw new HubError(
      "E_BAD_OPTION",
      "say what it may do: --verbs publish,read --nodes 'press-*' --groups resource",
    );
  if (groups === undefined && given.some((verb) => messageVerbs.has(verb)))
    throw new HubError(
      "E_BAD_OPTION",
      "these verbs need --groups: resource for Kubernetes objects, or '*' for all",
    );
  return { nodes, groups: groups ?? [], verbs: given };
}

function tellCreated(
  context: Context,
  made: { name: string; token: string; rights: Rights; ttl: number | undefined; out: string | undefined },
): void {
  const { output, address } = context;
  const { name, token, rights, ttl, out } = made;
  const words = { url: address.url, token, ...(address.ca === undefined ? {} : { ca: address.ca }) };
  let unwritten: unknown;
  try {
    if (out !== undefined) writeDurably(out, `${JSON.stringify(words, null, 2)}\n`, 0o600);
  } catch (error) {
    // The token exists and is shown only now: it is printed in any case.
    unwritten = error;
  }
  const written = out !== undefined && unwritten === undefined;
  if (output.format !== "table") output.data({ name, rights, ...words, file: written ? out : null });
  else {
    const life = ttl === undefined ? "without end" : `good for ${formatDuration(ttl)}`;
    output.lines([
      `Controller ${name} may ${rights.verbs.join(", ")} for ${rights.nodes.join(", ")}; its token, ${life}:`,
    ]);
    output.lines(["", token, ""]);
    if (written) output.lines([`Written to ${out}. Try it: hubctl --config ${out} nodes list`]);
  }
  if (unwritten !== undefined) throw unwritten;
}

const list = command({
  name: "list",
  summary: "controllers, their rights, and which are connected",
  arguments: {},
  options: {},
  examples: ["controller list"],
  async run(context) {
    const controllers = await context.ask((hub) => hub.admin.controllers());
    context.output.list(controllers, {
      columns: columns(context.io.now()),
      plain: (one) => plainRecord(one, ["expiresAt", "revokedAt"]),
      empty: "No controllers. Make one with: hubctl controller create NAME --verbs … --nodes … --groups …",
    });
    return undefined;
  },
});

function columns(now: number): Column<ControllerView>[] {
  return [
    { title: "CONTROLLER", cell: (one) => one.name },
    {
      title: "STATE",
      cell: (one) => stateOf(one, now),
      colour: (one) => (one.connected ? "green" : one.revokedAt === undefined ? undefined : "dim"),
    },
    { title: "CREATED", cell: (one) => formatAge(one.createdAt, now), optional: true },
    {
      title: "EXPIRES",
      cell: (one) => (one.expiresAt === undefined ? "never" : formatAge(one.expiresAt, now)),
    },
    { title: "VERBS", cell: (one) => one.rights.verbs.join(",") },
    { title: "NODES", cell: (one) => one.rights.nodes.join(",") },
    { title: "GROUPS", cell: (one) => one.rights.groups.join(",") },
  ];
}

function stateOf(controller: ControllerView, now: number): string {
  if (controller.revokedAt !== undefined) return "revoked";
  if (controller.expiresAt !== undefined && controller.expiresAt <= now) return "expired";
  return controller.connected ? "connected" : "away";
}

const revoke = command({
  name: "revoke",
  summary: "end a controller's token, its certificates and its connections",
  arguments: { name: required("name of the controller") },
  options: { force: flag({ description: "also the one that this command itself uses" }) },
  examples: ["controller revoke line-planner"],
  async run(context, { name }, { force }) {
    if (nameOf(context.address.credential) === name && !force)
      throw new HubError(
        "E_BAD_OPTION",
        `this command itself is ${name}: it would lock itself out; add --force for that`,
      );
    const revoked = await context.ask((hub) => hub.admin.revokeController(name));
    if (!revoked)
      throw new HubError("E_NOT_FOUND", `no controller is called ${name}; see: hubctl controller list`);
    if (context.output.format !== "table") context.output.data({ name, revoked });
    context.output.say(`controller ${name} is revoked`);
    return undefined;
  },
});

export const controllerCommands: CommandGroup = {
  name: "controller",
  summary: "programs that publish and listen, and their rights",
  commands: [create, certificateCommand, list, revoke],
};
