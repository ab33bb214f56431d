import { readFileSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { fits, readCertificate, readKey } from "../platform/certificate.ts";
import { HubError } from "../sdk/index.ts";

/** Key and certificate of a controller, PEM; the key is secret. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** By what one is known at the hub. */
export type Credential =
  | { readonly token: string; readonly certificate?: never }
  | { readonly certificate: KeyPair; readonly token?: never };

/** Where the hub is and who one is there. */
export interface Address {
  /** `https://host:10005`. */
  readonly url: string;
  readonly credential: Credential;
  /** The hub's CA, PEM; `undefined`: those that Node.js trusts. */
  readonly ca: string | undefined;
  /** Where nodes connect and where they join, if the file says so. */
  readonly nodes: string | undefined;
  readonly join: string | undefined;
}

/** What is written on the command line. */
export interface AddressFlags {
  readonly config: string | undefined;
  readonly url: string | undefined;
  readonly token: string | undefined;
  /** A PEM file. */
  readonly ca: string | undefined;
}

export const defaultConfigFile = "/var/lib/cloudhub/admin.json";

/**
 * Finds the hub: the file of `--config`, `HUBCTL_CONFIG` or the default, with the flags over it. With `--url` and
 * without `--config` no file is read: the token of one hub is never shown to another.
 *
 * Throws `E_BAD_OPTION`, or `E_FORBIDDEN` if the file may not be read.
 */
export function findAddress(flags: AddressFlags, env: Readonly<Record<string, string | undefined>>): Address {
  const ca = flags.ca === undefined ? undefined : readText(flags.ca, "--ca");
  const given = { url: flags.url, token: flags.token, ca };
  if (flags.url !== undefined && flags.config === undefined) {
    if (flags.token === undefined)
      throw new HubError(
        "E_BAD_OPTION",
        "--url needs --token, and --ca for a hub with a CA of its own; or give --config",
      );
    const credential = { token: flags.token };
    return { url: requireUrl(flags.url), credential, ca, nodes: undefined, join: undefined };
  }
  const file = flags.config ?? env.HUBCTL_CONFIG ?? defaultConfigFile;
  const words = readFields(file);
  const url = given.url ?? words.url;
  const credential = credentialOf(given.token ?? words.token, words.certificate);
  if (url === undefined || credential === undefined)
    throw new HubError(
      "E_BAD_OPTION",
      `${file} needs the fields url and token (and ca), as the hub's admin.json has them, or certificate instead of token`,
    );
  return {
    url: requireUrl(url),
    credential,
    ca: given.ca ?? words.ca,
    nodes: words.nodes,
    join: words.join,
  };
}

/** The controller's name at the hub, as its token or its certificate says; `undefined`: neither says one. */
export function nameOf({ token, certificate }: Credential): string | undefined {
  if (certificate !== undefined) return readCertificate(certificate.cert).commonName;
  return token.includes(".") ? token.slice(0, token.lastIndexOf(".")) : undefined;
}

/** A token counts before a certificate, as at the hub. */
function credentialOf(token: string | undefined, certificate: KeyPair | undefined): Credential | undefined {
  if (token !== undefined) return { token };
  return certificate && { certificate };
}

/**
 * Where an edge machine finds the hub: what the file says; else this machine's name for loopback, and KubeEdge's ports.
 *
 * @returns `guessed`: the operator should have a look.
 */
export function nodeAddresses(address: Address): { server: string; join: string; guessed: boolean } {
  const { hostname: host } = new URL(address.url);
  const reachable = isLoopback(host) ? ownAddress() : host;
  return {
    server: address.nodes ?? `wss://${reachable}:10000`,
    join: address.join ?? `https://${reachable}:10002`,
    guessed: address.nodes === undefined || address.join === undefined,
  };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || host.startsWith("127.");
}

function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find((one) => one.family === "IPv4" && !one.internal)?.address ?? hostname();
}

interface FileFields extends Readonly<Record<"url" | "token" | "ca" | "nodes" | "join", string | undefined>> {
  readonly certificate: KeyPair | undefined;
}

function readFields(file: string): FileFields {
  const text = readText(file, undefined);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new HubError("E_BAD_OPTION", `${file} is not JSON; the hub writes such a file as admin.json`, {
      cause,
    });
  }
  const fields = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const field = (name: string): string | undefined => {
    const found = fields[name];
    if (found === undefined || typeof found === "string") return found;
    throw new HubError("E_BAD_OPTION", `${file}: ${name} must be a text`);
  };
  return {
    url: field("url"),
    token: field("token"),
    ca: field("ca"),
    nodes: field("nodes"),
    join: field("join"),
    certificate: requireKeyPair(fields.certificate, file),
  };
}

/** Key and certificate must fit: a TLS handshake would only say that it failed. */
function requireKeyPair(value: unknown, file: string): KeyPair | undefined {
  if (value === undefined) return undefined;
  const { cert, key } = (typeof value === "object" && value !== null ? value : {}) as Partial<KeyPair>;
  if (typeof cert !== "string" || typeof key !== "string")
    throw new HubError("E_BAD_OPTION", `${file}: certificate must have the texts cert and key, PEM`);
  try {
    if (fits(readCertificate(cert), readKey(key))) return { cert, key };
  } catch (cause) {
    const { message } = cause as Error;
    throw new HubError("E_BAD_OPTION", `${file}: certificate: ${message}`, { cause });
  }
  throw new HubError("E_BAD_OPTION", `${file}: certificate: the key is not that of the certificate`);
}

/** @param option The option that named the file; `undefined`: the configuration. */
function readText(file: string, option: string | undefined): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (option !== undefined) throw new HubError("E_BAD_OPTION", `${option} ${file}: ${message}`, { cause });
    if (code === "EACCES" || code === "EPERM") {
      const text = `${file} may not be read by this user; run hubctl as root or as the hub's user, or give --config FILE`;
      throw new HubError("E_FORBIDDEN", text, { cause });
    }
    const text =
      code === "ENOENT"
        ? `there is no ${file}, which tells where the hub is; run hubctl where the hub runs, or give --config FILE, HUBCTL_CONFIG, or --url, --token and --ca`
        : `cannot read ${file}: ${message}`;
    throw new HubError("E_BAD_OPTION", text, { cause });
  }
}

function requireUrl(url: string): string {
  if (URL.canParse(url) && ["https:", "wss:"].includes(new URL(url).protocol)) return url;
  throw new HubError(
    "E_BAD_OPTION",
    `the hub's address must be written as https://host:10005; got ${JSON.stringify(url)}`,
  );
}
