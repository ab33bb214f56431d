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
 */
export * from "./impairer.ts";
export type { LinkInfo } from "./link.ts";
export {
  type DirectionProfile,
  type GivenProfile,
  isProfileName,
  type LinkProfile,
  namedProfiles,
  type ProfileFields,
  type ProfileName,
} from "./profile.ts";
