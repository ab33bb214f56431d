import { HubError, type PublishDraft } from "../../sdk/index.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { exitCodes } from "../failures.ts";
import { readManifests } from "../manifest-files.ts";
import { draftOf, type Manifest } from "../manifests.ts";
import { defaulted, flag, type OptionValues, repeated, single } from "../option.ts";
import { Progress } from "../progress.ts";
import { failureReport, outcomeColumns, plainOutcome, progressLine, summaryOf } from "../publish-report.ts";
import { type Counts, type Job, publishAll } from "../publisher.ts";
import { targetsOf } from "../targets.ts";
import { oneOf, selector, text } from "../values.ts";

/** More rows than this are only summed up. */
const shownRows = 50;
const changes = ["insert", "update", "delete"];

const options = {
  file: repeated({
    short: "f",
    value: "FILE|DIR|-",
    description:
      "manifests, YAML or JSON; a folder's .yaml, .yml and .json; - is standard input; may be repeated",
    parse: text,
  }),
  node: repeated({ value: "NAME", description: "a node to publish to; may be repeated", parse: text }),
  allNodes: flag({ description: "publish to every node the hub knows" }),
  selector: single({
    short: "l",
    value: "LABEL=VALUE",
    description: "publish to the nodes with these labels (a=b,c=d)",
    parse: selector,
  }),
  namespace: defaulted({
    short: "n",
    value: "NAME",
    description: "namespace of objects that name none",
    parse: text,
    fallback: "default",
  }),
  operation: defaulted({
    value: "WORD",
    description: "insert, update, delete …",
    parse: text,
    fallback: "update",
  }),
  delete: flag({ description: "the same as --operation delete" }),
  until: defaulted({
    value: "accepted|acked",
    description: "wait until the hub has it on its disk, or until the node has",
    parse: oneOf(["accepted", "acked"]),
    fallback: "accepted",
  }),
  resourceVersion: single({
    value: "next|N",
    description: "version to publish as (default: metadata.resourceVersion, else next: the hub numbers it)",
    parse: text,
  }),
  resource: single({
    value: "PATH",
    description: "instead of -f: one message about this resource",
    parse: text,
  }),
  content: single({ value: "JSON", description: "content of the message of --resource", parse: text }),
  source: single({
    value: "WORD",
    description: "sending module (default: by kind, edgecontroller)",
    parse: text,
  }),
  group: single({
    value: "WORD",
    description: "receiving group of --resource (default: resource)",
    parse: text,
  }),
};
type Options = OptionValues<typeof options>;

export const publishCommand = command({
  name: "publish",
  summary: "publish Kubernetes objects, or a raw message, to nodes",
  detail: `Every object becomes the message <namespace>/<kind>/<name>. The hub keeps the newest version of each until the
node has it, also while the node is offline and across restarts of both. Lists and multi-document files are taken apart.`,
  arguments: {},
  options,
  examples: [
    "publish -f manifests/ --node edge-1",
    "publish -f pod.yaml --selector site=plant-2 --until acked --timeout 1m",
    "publish -f pod.yaml --node edge-1 --delete",
    `publish --node edge-1 --resource default/configmap/limits --content '{"data":{"max":"80"}}'`,
    "kubectl get configmaps -o yaml | hubctl publish -f - --all-nodes",
  ],
  async run(context, _given, chosen) {
    const messages = await messagesOf(context, chosen);
    const nodes = await targetsOf(chosen, () => context.ask((hub) => hub.nodes()));
    const jobs = nodes.flatMap((node) =>
      messages.map(({ draft, origin }) => ({ draft: { ...draft, node }, origin })),
    );
    return await publish(context, jobs, chosen.until);
  },
});

interface Planned {
  readonly draft: PublishDraft & { readonly content: Uint8Array };
  readonly origin: string;
}

async function messagesOf(context: Context, chosen: Options): Promise<Planned[]> {
  const operation = chosen.delete ? "delete" : chosen.operation;
  if (chosen.resource !== undefined) {
    if (chosen.file.length > 0) throw new HubError("E_BAD_OPTION", "give either -f or --resource, not both");
    return [rawMessage(chosen.resource, operation, chosen)];
  }
  if (chosen.content !== undefined || chosen.group !== undefined)
    throw new HubError("E_BAD_OPTION", "--content and --group belong to --resource");
  if (chosen.file.length === 0)
    throw new HubError(
      "E_BAD_OPTION",
      "say what to publish: -f FILE, or --resource PATH with --content JSON",
    );
  const manifests = await readManifests(chosen.file, { namespace: chosen.namespace }, context.io);
  return manifests.map((manifest) => plannedOf(manifest, operation, chosen));
}

function plannedOf(manifest: Manifest, operation: string, { resourceVersion, source }: Options): Planned {
  // Written once: all nodes get the same bytes.
  const content = Buffer.from(JSON.stringify(manifest.object));
  const draft = draftOf(manifest, "", { operation, resourceVersion, content });
  return {
    draft: { ...draft, content, ...(source === undefined ? {} : { source }) },
    origin: manifest.origin,
  };
}

function rawMessage(resource: string, operation: string, chosen: Options): Planned {
  const { content = "", source, group = "resource" } = chosen;
  if (content !== "") requireJson(content);
  const isState = changes.includes(operation) && (group === "resource" || group === "func");
  const version = chosen.resourceVersion ?? (isState ? "next" : undefined);
  const draft = {
    resource,
    operation,
    group,
    content: Buffer.from(content),
    ...(source === undefined ? {} : { source }),
    ...(version === undefined ? {} : { resourceVersion: version }),
  };
  return { draft, origin: "the command line" };
}

function requireJson(content: string): void {
  try {
    JSON.parse(content);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : cause;
    throw new HubError(
      "E_BAD_OPTION",
      `--content is not JSON: ${why}; a text needs quotes of its own: '"text"'`,
      { cause },
    );
  }
}

async function publish(context: Context, jobs: readonly Job[], until: "accepted" | "acked"): Promise<number> {
  const { io, output } = context;
  const hub = await context.hub();
  const startedAt = performance.now();
  let counts: Readonly<Counts> = { total: jobs.length, accepted: 0, acked: 0, failed: 0 };
  const progress = new Progress(io.err, () => [progressLine(counts, until, performance.now() - startedAt)]);
  const outcomes = await publishAll(hub, jobs, {
    until,
    timeoutMs: context.timeoutMs,
    signal: io.signal,
    moved: (now) => {
      counts = now;
    },
  }).finally(() => progress.end());
  if (output.format !== "table") output.data(outcomes.map(plainOutcome));
  else if (outcomes.length <= shownRows) output.lines(output.table(outcomes, outcomeColumns));
  output.say(summaryOf(outcomes, performance.now() - startedAt));
  io.err.write(
    failureReport(outcomes)
      .map((line) => `${line}\n`)
      .join(""),
  );
  const failures = outcomes.filter((one) => one.error !== undefined);
  const [node] = jobs.map((job) => job.draft.node);
  if (failures.length === 0) {
    if (until === "accepted") output.note(`Follow them with: hubctl where ${node} -w`);
    return exitCodes.ok;
  }
  return failures.some((one) => one.error?.code === "E_ABORTED") ? exitCodes.interrupted : exitCodes.failed;
}
