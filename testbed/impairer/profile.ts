import { HubError, shown } from "../../protocol/index.ts";

/** What a link does to what passes in one direction. */
export interface DirectionProfile {
  /** One way, ms, 0..60000. */
  readonly delayMs: number;
  /** The delay of a segment is uniform in `delayMs` ± this, at least 0; ms, 0..60000. */
  readonly jitterMs: number;
  /** Payload bits a second, 100..10^11; 0: as fast as it comes. Each connection has a link of its own. */
  readonly rateBitsPerSecond: number;
  /** Bytes that may wait for their turn at that rate, 1..2^30, before the sender is no longer read. */
  readonly queueBytes: number;
  /** Of segments, 0..90. Each loss costs a TCP connection a retransmission time. */
  readonly lossPercent: number;
  /**
   * Bytes of a connection that may be under way, 1..2^30, before the sender is no longer read; as TCP's
   * window it bounds the throughput to `windowBytes` in each delay. Lower it for a sender that loss slows down.
   */
  readonly windowBytes: number;
}

export interface LinkProfile {
  /** From the edge, which connects to us, to the target. */
  readonly up: DirectionProfile;
  readonly down: DirectionProfile;
}

/** Fields for both directions, with what differs under `up` and `down`; the rest is as in `lan`. */
export interface ProfileFields extends Partial<DirectionProfile> {
  readonly up?: Partial<DirectionProfile>;
  readonly down?: Partial<DirectionProfile>;
}

/** Links that have a name. */
export const namedProfiles = {
  /** Passes everything at once. */
  lan: {},
  /** Another region, a good mobile network. */
  rtt50: { delayMs: 25 },
  /** Another continent. */
  rtt200: { delayMs: 100 },
  /** Geostationary satellite in bad weather: 600 ms ± 50 ms there and back. */
  sat600: { delayMs: 300, jitterMs: 25, lossPercent: 2 },
  /** 500 ms there and back, 50 kbit/s; 16 KiB are 2.6 s of waiting. */
  gprs: { delayMs: 250, rateBitsPerSecond: 50_000, queueBytes: 16_384 },
  /** A moving vehicle at the rim of a 3G cell. */
  lossy3g: {
    delayMs: 90,
    jitterMs: 40,
    lossPercent: 3,
    up: { rateBitsPerSecond: 384_000 },
    down: { rateBitsPerSecond: 2_000_000 },
  },
} as const satisfies Record<string, ProfileFields>;

export type ProfileName = keyof typeof namedProfiles;
export type GivenProfile = ProfileName | ProfileFields;

const clear: DirectionProfile = {
  delayMs: 0,
  jitterMs: 0,
  rateBitsPerSecond: 0,
  queueBytes: 65_536,
  lossPercent: 0,
  windowBytes: 4_194_304,
};

const bounds: Record<keyof DirectionProfile, readonly [least: number, most: number]> = {
  delayMs: [0, 60_000],
  jitterMs: [0, 60_000],
  rateBitsPerSecond: [100, 1e11],
  queueBytes: [1, 2 ** 30],
  lossPercent: [0, 90],
  windowBytes: [1, 2 ** 30],
};

export function isProfileName(text: string): text is ProfileName {
  return Object.hasOwn(namedProfiles, text);
}

/** The profile with every field. Throws `E_BAD_OPTION` for a name or a field that does not exist or is out of bounds. */
export function resolveProfile(given: GivenProfile): LinkProfile {
  const { up, down, ...both } = fieldsOf(given);
  return { up: direction("up", { ...both, ...up }), down: direction("down", { ...both, ...down }) };
}

/** There and back without waiting in a queue, ms. */
export function roundTripMs(profile: LinkProfile): number {
  return profile.up.delayMs + profile.down.delayMs;
}

function fieldsOf(given: GivenProfile): ProfileFields {
  if (typeof given !== "string") return given;
  if (isProfileName(given)) return namedProfiles[given];
  const known = Object.keys(namedProfiles).join(", ");
  throw new HubError("E_BAD_OPTION", `profile must be one of ${known}, got ${shown(given)}`);
}

function direction(name: "up" | "down", fields: Partial<DirectionProfile>): DirectionProfile {
  for (const [key, value] of Object.entries(fields)) {
    if (!isField(key)) {
      const known = Object.keys(bounds).join(", ");
      throw new HubError("E_BAD_OPTION", `${name}.${key} is not a field; known here: ${known}`);
    }
    const [least, most] = bounds[key];
    const unlimited = key === "rateBitsPerSecond" && value === 0;
    if (unlimited || (typeof value === "number" && value >= least && value <= most)) continue;
    throw new HubError("E_BAD_OPTION", `${name}.${key} must be ${least}..${most}, got ${shown(value)}`);
  }
  return { ...clear, ...fields };
}

function isField(key: string): key is keyof DirectionProfile {
  return Object.hasOwn(bounds, key);
}
