import { HubError, shown } from "../../protocol/index.ts";
import { parseProfile } from "../impairer/commands.ts";
import { type GivenProfile, resolveProfile } from "../impairer/profile.ts";

/** What befalls a link, at shares of the test's time. */
export interface Strike {
  /** `cut`: connections are reset, new ones too. `freeze`: nothing passes and nobody is told. */
  readonly kind: "cut" | "freeze";
  readonly at: number;
  readonly for: number;
}

/** A link that is tried out. */
export interface VerifyProfile {
  readonly name: string;
  readonly describes: string;
  /** The link in the impairer's words. */
  readonly words: string;
  readonly link: GivenProfile;
  readonly strikes: readonly Strike[];
}

const often = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];

const named: readonly Omit<VerifyProfile, "link">[] = [
  { name: "lan", describes: "nothing is made worse: the link as it is", words: "lan", strikes: [] },
  {
    name: "3g",
    describes: "moving at the rim of a 3G cell: 180 ± 80 ms, 3 % loss, 0.4 Mbit/s up, 2 down",
    words: "lossy3g",
    strikes: [],
  },
  { name: "satellite", describes: "600 ± 50 ms there and back, 2 % loss", words: "sat600", strikes: [] },
  { name: "gprs", describes: "500 ms there and back, 50 kbit/s", words: "gprs", strikes: [] },
  {
    name: "lossy",
    describes: "100 ± 20 ms there and back, 5 % loss",
    words: "delayMs=50,jitterMs=10,lossPercent=5",
    strikes: [],
  },
  {
    name: "flapping",
    describes: "50 ms there and back; connections are reset eight times, for 2 % of the time each",
    words: "rtt50",
    strikes: often.map((at) => ({ kind: "cut", at, for: 0.02 })),
  },
  {
    name: "blackout",
    describes: "50 ms there and back; in silence, without an end, for a third of the time",
    words: "rtt50",
    strikes: [{ kind: "freeze", at: 0.3, for: 0.35 }],
  },
];

/** Links that have a name. What they do comes on top of what the real link does. */
export const verifyProfiles: readonly VerifyProfile[] = named.map((one) => ({
  ...one,
  link: linkOf(one.words, one.name),
}));

/**
 * A profile by its name, a name and what differs, or of the impairer's own words: `sat600,lossPercent=5`. Throws
 * `E_BAD_OPTION`.
 */
export function verifyProfile(text: string): VerifyProfile {
  const [first = "", ...others] = text.split(",");
  const found = verifyProfiles.find(({ name }) => name === first);
  if (found !== undefined && others.length === 0) return found;
  const describes = found === undefined ? "a link of one's own" : `as ${first}, but for ${others.join(", ")}`;
  const words = found === undefined ? text : [found.words, ...others].join(",");
  return { name: text, describes, words, link: linkOf(words, text), strikes: found?.strikes ?? [] };
}

function linkOf(words: string, given: string): GivenProfile {
  let link: GivenProfile;
  try {
    link = parseProfile(words);
  } catch {
    const names = verifyProfiles.map(({ name }) => name).join(", ");
    const text = `must be a name (${names}), a name and fields (satellite,lossPercent=5), or fields alone`;
    throw new HubError("E_BAD_OPTION", `${text}; got ${shown(given)}`);
  }
  resolveProfile(link);
  return link;
}
