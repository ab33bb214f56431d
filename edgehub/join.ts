import { rmSync } from "node:fs";
import { join as joinPath } from "node:path";
import {
  type Certificate,
  createKey,
  fits,
  isIssuedBy,
  type PrivateKey,
  readCertificate,
  readKey,
  sha256Hex,
} from "../platform/certificate.ts";
import { createRequest } from "../platform/certificate-request.ts";
import { makePrivateDirectory, readIfThere, writeDurably } from "../platform/private-files.ts";
import { HubError, type NodeId, parseJoinToken, requireNodeId } from "../protocol/index.ts";
import { type Identity, saveIdentity } from "./identity.ts";
import { type JoinParts, sendJoinRequest } from "./join-request.ts";

export { type Identity, loadIdentity, renewAt } from "./identity.ts";
export type { JoinParts } from "./join-request.ts";

export interface JoinOptions {
  /** Where the hub gives out certificates: `https://host:10002`. */
  readonly url: string;
  /** The join token, `<CA hash>.<JWT>`. Secret. */
  readonly token: string;
  /** The name under which this machine joins. */
  readonly node: string;
  /** Where the identity is kept; made with mode 0700 if it is missing. */
  readonly directory: string;
}

export interface RenewParts extends JoinParts {
  /** Where the identity is kept. */
  readonly directory: string;
}

/**
 * Joins a hub: fetches its CA and checks it against the token, asks for a certificate, keeps both.
 *
 * The token is sent only to a server that has proved to be of the CA the token names. The key is on disk before
 * the certificate is asked for, so that a machine whose answer was lost asks again with the same key, and the hub
 * counts that as the same use of the token. Works with a stock cloudcore too; what it issues is taken as it is,
 * whatever name it puts in.
 *
 * @returns The identity, on disk in `directory`; one that was there before is replaced.
 * Rejects with `E_CA_MISMATCH` if the server is not the hub the token is for; `E_BAD_TOKEN`, `E_TOKEN_EXPIRED`,
 * `E_TOKEN_USED_UP`, `E_REVOKED` or `E_FORBIDDEN` as the hub says; `E_NO_NODE`, `E_BAD_OPTION`; `E_IDENTITY`;
 * `E_LINK_LOST`, `E_TIMEOUT`, `E_STORAGE`; `E_ABORTED`. Source: KubeEdge wire protocol §6.6.
 */
export async function join(options: JoinOptions, parts: JoinParts): Promise<Identity> {
  const token = parseJoinToken(options.token);
  const node = requireNodeId(options.node);
  const ca = await fetchAuthority(options.url, token.caHash, parts);
  const pending = await pendingKey(options.directory);
  const request = {
    url: options.url,
    headers: { Authorization: `Bearer ${token.jwt}`, NodeName: node },
    tls: { ca: ca.pem },
  };
  const certificate = await fetchCertificate(request, { node, key: pending.key, ca }, parts);
  const identity = saveIdentity({ node, ca, certificate, key: pending.key }, options.directory);
  rmSync(pending.file, { force: true });
  return identity;
}

/**
 * Gets a new certificate for a new key, with the present one and without a token.
 *
 * @returns The new identity, on disk.
 * Rejects as {@link join}; the old identity then stays, on disk too.
 */
export async function renew(identity: Identity, url: string, parts: RenewParts): Promise<Identity> {
  const { node, caPem, certPem, keyPem } = identity;
  const ca = readCertificate(caPem);
  const key = await createKey();
  const request = {
    url,
    headers: { NodeName: node },
    tls: { ca: caPem, cert: certPem, key: keyPem },
  };
  const certificate = await fetchCertificate(request, { node, key, ca }, parts);
  return saveIdentity({ node, ca, certificate, key }, parts.directory);
}

/** The hub's CA, from a server that nobody has checked: the hash is the check. */
async function fetchAuthority(url: string, caHash: string, parts: JoinParts): Promise<Certificate> {
  const unchecked = { url, path: "/ca.crt", headers: {}, body: undefined, tls: "unverified" } as const;
  const der = await sendJoinRequest(unchecked, parts);
  const found = sha256Hex(der);
  if (found === caHash) return readCertificate(der);
  throw new HubError(
    "E_CA_MISMATCH",
    `the CA at ${url} (SHA-256 ${found.slice(0, 16)}…) is not the one the token names (${caHash.slice(0, 16)}…): ` +
      "the token is for another hub, the hub's CA was replaced after the token was made, or somebody stands between. " +
      "Nothing was sent. Check the address, then get a new token: hubctl token create",
  );
}

async function fetchCertificate(
  request: { url: string; headers: Record<string, string>; tls: { ca: string; cert?: string; key?: string } },
  wanted: { node: NodeId; key: PrivateKey; ca: Certificate },
  parts: JoinParts,
): Promise<Certificate> {
  const { node, key, ca } = wanted;
  const body = createRequest(key, { organization: "system:nodes", commonName: `system:node:${node}` });
  const certificate = readCertificate(await sendJoinRequest({ ...request, path: "/edge.crt", body }, parts));
  if (!fits(certificate, key)) throw strange(request.url, "it is for another key than the one asked for");
  if (!isIssuedBy(certificate, ca)) throw strange(request.url, "it was not issued by the hub's own CA");
  const now = parts.clock.wallTime();
  if (now > certificate.notAfter) throw strange(request.url, "it has ended already; is a clock wrong?");
  if (now < certificate.notBefore) throw strange(request.url, "it is not valid yet; is a clock wrong?");
  return certificate;
}

/** The key of a join that is under way: the one that an earlier attempt left behind, or a new one. */
async function pendingKey(directory: string): Promise<{ file: string; key: PrivateKey }> {
  const file = joinPath(directory, "join.key");
  const found = readIfThere(file);
  if (found !== undefined) {
    try {
      return { file, key: readKey(found) };
    } catch {
      // Nothing was issued for a key that cannot be read.
    }
  }
  const key = await createKey();
  makePrivateDirectory(directory);
  writeDurably(file, key.pem, 0o600);
  return { file, key };
}

function strange(url: string, text: string): HubError {
  return new HubError("E_IDENTITY", `the certificate that ${url} issued cannot be used: ${text}`, {
    retryable: true,
  });
}
