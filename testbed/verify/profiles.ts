import { parseProfile } from "../impairer/commands.ts";
import type { GivenProfile } from "../impairer/profile.ts";

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
  readonly link: GivenProfile;
  readonly strikes: readonly Strike[];
}

const often = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];

/** Links that have a name. What they do comes on top of what the real link does. */
export const verifyProfiles: readonly VerifyProfile[] = [
  { name: "lan", describes: "nothing is made worse: the link as it is", link: "lan", strikes: [] },
  {
    name: "3g",
    describes: "moving at the rim of a 3G cell: 180 ± 80 ms, 3 % loss, 0.4 Mbit/s up, 2 down",
    link: "lossy3g",
    strikes: [],
  },
  { name: "satellite", describes: "600 ± 50 ms there and back, 2 % loss", link: "sat600", strikes: [] },
  { name: "gprs", describes: "500 ms there and back, 50 kbit/s", link: "gprs", strikes: [] },
  {
    name: "lossy",
    describes: "100 ± 20 ms there and back, 5 % loss",
    link: { delayMs: 50, jitterMs: 10, lossPercent: 5 },
    strikes: [],
  },
  {
    name: "flapping",
    describes: "50 ms there and back; connections are reset eight times, for 2 % of the time each",
    link: "rtt50",
    strikes: often.map((at) => ({ kind: "cut", at, for: 0.02 })),
  },
  {
    name: "blackout",
    describes: "50 ms there and back; in silence, without an end, for a third of the time",
    link: "rtt50",
    strikes: [{ kind: "freeze", at: 0.3, for: 0.35 }],
  },
];

/** A profile by its name, or of the impairer's own words: `sat600,lossPercent=5`. Throws `E_BAD_OPTION`. */
export function verifyProfile(text: string): VerifyProfile {
  const found = verifyProfiles.find(({ name }) => name === text);
  return found ?? { name: text, describes: "a link of one's own", link: parseProfile(text), strikes: [] };
}
