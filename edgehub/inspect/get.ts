import type { Command, CommandOption } from "./command.ts";
import { listDevices } from "./devices.ts";
import { questionOf } from "./kinds.ts";
import type { Listing, Wanted } from "./listing.ts";
import { listMessages } from "./messages.ts";
import { listFormatOf, listFormatOption, showListing } from "./output.ts";
import { requirePlace } from "./place.ts";
import { listPods } from "./pods.ts";
import { listResources, listResourcesAt } from "./resources.ts";

const namespaceOption: CommandOption = {
  name: "namespace",
  short: "n",
  value: "NAME",
  description: "only what is in it; default: all namespaces",
};

export const get: Command = {
  name: "get",
  usage: "[KIND [NAME] | PATTERN]",
  summary:
    "what this node has: pods and how they are, devices, messages on their way up, and other resources",
  detail: `KIND: pods, devices, messages, or any kind the cloud has sent, such as configmaps; kubectl's short names do too.
NAME may be NAMESPACE/NAME; of a message, its position, id or resource path. PATTERN: of resource paths, with *.
Without a word: every resource that the cloud has sent.

A pod that the cloud has deleted stands here, Terminating, until all of it has ended. DIFFER counts properties of which
the cloud wants another value than the device has told.`,
  examples: [
    ["edgehub get pods", "the pods of this node"],
    ["edgehub get pod camera -n plant -o yaml", "all that is known of one"],
    ["edgehub get devices -o wide", "the devices, with more columns"],
    ["edgehub get messages", "what waits to go up, and what the hub refused"],
    ["edgehub get 'plant/*'", "all resources of a namespace"],
  ],
  options: [listFormatOption, namespaceOption],
  words: { min: 0, max: 2 },
  run(given, io) {
    const format = listFormatOf(given);
    const { database } = requirePlace(given.options);
    const namespace = given.text("namespace");
    showListing(listed(database, given.words, { namespace, now: io.now }), format, io);
    return 0;
  },
};

function listed(
  database: string,
  words: readonly string[],
  { namespace, now }: Pick<Wanted, "namespace"> & { readonly now: number },
): Listing {
  const question = questionOf(words);
  if (question === undefined) return listResourcesAt(database, { pattern: undefined, namespace }, now);
  if ("pattern" in question) return listResourcesAt(database, { pattern: question.pattern, namespace }, now);
  const { type, name } = question;
  const wanted = { name, namespace };
  switch (type) {
    case "pod":
      return listPods(database, wanted, now);
    case "device":
      return listDevices(database, wanted);
    case "message":
      return listMessages(database, wanted, now);
    default:
      return listResources(database, { type, ...wanted }, now);
  }
}

/** Older name of `get messages`. */
export const outbox: Command = {
  name: "outbox",
  usage: "",
  summary: "what waits here to go up to the hub, and what the hub refused; the same as get messages",
  options: [listFormatOption],
  words: { min: 0, max: 0 },
  run(given, io) {
    const format = listFormatOf(given);
    const { database } = requirePlace(given.options);
    showListing(listMessages(database, { name: undefined, namespace: undefined }, io.now), format, io);
    return 0;
  },
};
