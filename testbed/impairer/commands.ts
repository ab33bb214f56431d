import { HubError, shown } from "../../protocol/index.ts";
import type { Direction, Impairer } from "./impairer.ts";
import { type GivenProfile, isProfileName, namedProfiles, type ProfileFields } from "./profile.ts";

/** What can be typed while the impairer runs. */
export const commandHelp = `  cut [seconds]          reset all connections; turn new ones away for so long
  freeze [up|down]       deliver nothing more, keep the connections
  thaw [up|down]         go on
  set <profile>          from now on behave like this
  links                  the connections
  stats                  counters
  quit                   close all`;

/** What `--profile` and `set` take. */
export const profileHelp = `a name (${Object.keys(namedProfiles).join(", ")}), or fields, or a name and what
differs: sat600,lossPercent=5,up.rateBitsPerSecond=1000000
fields: delayMs jitterMs rateBitsPerSecond queueBytes lossPercent windowBytes, with up. or down. for one way`;

/**
 * Does what one line says. @returns What to print; `undefined`: close.
 * Throws `E_BAD_OPTION` for a line that means nothing.
 */
export function runCommand(impairer: Impairer, line: string): string | undefined {
  const [command = "", argument, ...rest] = line.trim().split(/\s+/);
  if (rest.length > 0) throw badCommand(line);
  switch (command) {
    case "":
      return "";
    case "cut":
      impairer.cut(seconds(argument) * 1_000);
      return `cut for ${seconds(argument)} s`;
    case "freeze":
      impairer.freeze(direction(argument));
      return `frozen: ${argument ?? "up and down"}`;
    case "thaw":
      impairer.thaw(direction(argument));
      return `thawed: ${argument ?? "up and down"}`;
    case "set":
      impairer.set(parseProfile(argument ?? ""));
      return `profile: ${argument}`;
    case "links":
      return impairer.links().map(formatFields).join("\n");
    case "stats":
      return formatStats(impairer);
    case "help":
      return commandHelp;
    case "quit":
      return undefined;
    default:
      throw badCommand(line);
  }
}

/** A profile as text, `sat600,up.lossPercent=5`. Throws `E_BAD_OPTION` for what is no profile; bounds are checked later. */
export function parseProfile(text: string): GivenProfile {
  const [first = "", ...others] = text.split(",");
  if (others.length === 0 && isProfileName(first)) return first;
  const named = isProfileName(first) ? namedProfiles[first] : undefined;
  const fields: Record<string, Record<string, number>> = { both: {}, up: {}, down: {} };
  for (const pair of named ? others : [first, ...others]) {
    const match = /^(?:(up|down)\.)?(\w+)=(\d+(?:\.\d+)?)$/.exec(pair);
    if (match === null)
      throw new HubError("E_BAD_OPTION", `profile must be ${profileHelp}\ngot ${shown(text)}`);
    const [, way = "both", key = "", value] = match;
    fields[way] = { ...fields[way], [key]: Number(value) };
  }
  const { both, up, down } = fields;
  const base: ProfileFields = named ?? {};
  return { ...base, ...both, up: { ...base.up, ...both, ...up }, down: { ...base.down, ...both, ...down } };
}

function seconds(argument = "0"): number {
  const value = Number(argument);
  if (value >= 0 && value <= 86_400) return value;
  throw new HubError("E_BAD_OPTION", `seconds must be 0..86400, got ${shown(argument)}`);
}

function direction(argument: string | undefined): Direction | undefined {
  if (argument === undefined || argument === "up" || argument === "down") return argument;
  throw new HubError("E_BAD_OPTION", `direction must be up or down, got ${shown(argument)}`);
}

function formatStats(impairer: Impairer): string {
  const { up, down, ...all } = impairer.stats();
  return `${formatFields(all)}\nup    ${formatFields(up)}\ndown  ${formatFields(down)}`;
}

function formatFields(fields: object): string {
  return Object.entries(fields)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
}

function badCommand(line: string): HubError {
  return new HubError("E_BAD_OPTION", `no such command: ${shown(line)}; known:\n${commandHelp}`);
}
