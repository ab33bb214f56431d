import type { Command } from "./command.ts";
import { listDevices } from "./devices.ts";
import type { Listing } from "./listing.ts";
import { listMessages } from "./messages.ts";
import { formatOf, formatOption, showListing } from "./output.ts";
import { requirePlace } from "./place.ts";
import { listPods } from "./pods.ts";
import { listResources } from "./resources.ts";

export const get: Command = {
  name: "get",
  usage: "[pods | devices | messages | KIND | PATTERN]",
  summary: "what this node has: pods and how they are, devices, messages on their way up, or other resources",
  detail: `Without a word: all that the cloud has sent. KIND: configmap, secret, … PATTERN: of resource paths, with *, such
as 'default/*'. DIFFER counts properties of which the cloud wants another value than the device has told.`,
  options: [formatOption],
  words: { min: 0, max: 1 },
  run(given, io) {
    const format = formatOf(given);
    const { database } = requirePlace(given.options);
    showListing(listed(database, given.words[0], io.now), format, io);
    return 0;
  },
};

function listed(database: string, what: string | undefined, now: number): Listing {
  switch (what?.toLowerCase()) {
    case "pod":
    case "pods":
      return listPods(database);
    case "device":
    case "devices":
      return listDevices(database);
    case "message":
    case "messages":
      return listMessages(database, now);
    default:
      return listResources(database, what);
  }
}

/** Older name of `get messages`. */
export const outbox: Command = {
  name: "outbox",
  usage: "",
  summary: "what waits here to go up to the hub, and what the hub refused; the same as get messages",
  options: [formatOption],
  words: { min: 0, max: 0 },
  run(given, io) {
    const format = formatOf(given);
    showListing(listMessages(requirePlace(given.options).database, io.now), format, io);
    return 0;
  },
};
