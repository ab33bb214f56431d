import { join } from "node:path";
import type { Clock } from "../platform/clock.ts";
import { readIfThere, writeDurably } from "../platform/private-files.ts";
import { allRights } from "../protocol/index.ts";
import { kubeconfig } from "./api/admin-kubeconfig.ts";
import type { Credentials } from "./credentials.ts";
import type { Authority } from "./join/authority.ts";
import { advertisedNames, type HubOptions } from "./options.ts";

/** How kubectl reaches the hub; beside the file for `hubctl`. */
export const kubeconfigName = "admin.kubeconfig";

export interface AdminFileParts {
  readonly authority: Pick<Authority, "caCertificatePem">;
  readonly credentials: Credentials;
  readonly clock: Clock;
}

/**
 * Writes how `hubctl` and `kubectl` reach this hub, in files that only this user can read. The token in it stays the same
 * from start to start; if the file is lost or the token revoked, the next start makes a new one.
 *
 * @returns The file for `hubctl`.
 */
export async function writeAdminFiles(
  options: HubOptions,
  ports: { readonly nodes: number; readonly join: number; readonly api: number },
  { authority, credentials, clock }: AdminFileParts,
): Promise<string> {
  const file = join(options.dataDir, "admin.json");
  const token =
    (await tokenIn(file, credentials, clock)) ??
    (await credentials.create("admin", allRights, { now: clock.wallTime() }));
  const everywhere = options.api.host === "0.0.0.0" || options.api.host === "::";
  const words = {
    url: `https://${everywhere ? "127.0.0.1" : hostInUrl(options.api.host)}:${ports.api}`,
    token,
    ca: authority.caCertificatePem,
    // For the words that tell people how a machine joins.
    nodes: `wss://${outwardHost(options, options.nodes.host)}:${ports.nodes}`,
    join: `https://${outwardHost(options, options.join.host)}:${ports.join}`,
  };
  writeDurably(file, `${JSON.stringify(words, null, 2)}\n`, 0o600);
  writeDurably(join(options.dataDir, kubeconfigName), kubeconfig(words), 0o600);
  return file;
}

/** The name under which other machines reach a listener: the first one advertised, unless it listens on one address. */
function outwardHost(options: HubOptions, listening: string): string {
  if (listening !== "0.0.0.0" && listening !== "::") return hostInUrl(listening);
  const names = advertisedNames(options);
  const outward = names.find((name) => !["localhost", "127.0.0.1", "::1"].includes(name));
  return hostInUrl(options.advertise[0] ?? outward ?? "127.0.0.1");
}

function hostInUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

async function tokenIn(file: string, credentials: Credentials, clock: Clock): Promise<string | undefined> {
  try {
    const { token } = JSON.parse(readIfThere(file) ?? "{}") as { token?: unknown };
    if (typeof token !== "string") return undefined;
    await credentials.byToken(token, clock.wallTime());
    return token;
  } catch {
    return undefined;
  }
}
