/**
 * A weak link in user space: a TCP proxy with delay, jitter, rate, loss, cuts and silence; needs no rights.
 *
 * ```ts
 * const impairer = await startImpairer({
 *   listen: { host: "127.0.0.1", port: 0 },
 *   target: { host: "127.0.0.1", port: 10000 },
 *   profile: "sat600",
 *   seed: 1,
 * });
 * // edges connect to impairer.port
 * impairer.freeze();
 * await impairer.close();
 * ```
 *
 * What it cannot do, because the kernel's own TCP stands on both sides of it:
 * - a client's `connect` succeeds at once; the handshake's time is added before the first byte, and a silent,
 *   cut or absent target shows as silence or a reset after that.
 * - a sender notices a slow link late: the kernel takes some MB from it before the impairer's limits count.
 * - loss costs time, not speed: there is no congestion window beyond the fixed `windowBytes`.
 */
export * from "./impairer.ts";
export type { LinkInfo } from "./link.ts";
export type { Address, ImpairerOptions, ImpairerParts } from "./options.ts";
export {
  type DirectionProfile,
  type GivenProfile,
  isProfileName,
  type LinkProfile,
  namedProfiles,
  type ProfileFields,
  type ProfileName,
} from "./profile.ts";
export * from "./udp-impairer.ts";
