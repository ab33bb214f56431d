import { Agent, request } from "node:https";
import { buffer } from "node:stream/consumers";
import { createKey, type PrivateKey, readCertificate, sha256Hex } from "../../platform/certificate.ts";
import { createRequest } from "../../platform/certificate-request.ts";
import { HubError, parseJoinToken, shown } from "../../protocol/index.ts";
import type { FleetIdentities } from "./fleet-nodes.ts";

/** Requests under way at once: a hub issues certificates one after the other anyway. */
const atOnce = 8;
const timeoutMs = 30_000;

export interface JoinNodesOptions {
  /** Where nodes join, `https://host:port`. */
  readonly join: string;
  readonly token: string;
  readonly names: readonly string[];
  readonly signal: AbortSignal;
  /** A node has its certificate. */
  readonly joined: (node: string) => void;
}

/**
 * Gets certificates for simulated nodes as real ones do, but with one key for all of them. Rejects with `E_CA_MISMATCH` if the
 * server is not the hub the token is for, `E_ABORTED`, `E_LINK_LOST`, or with what the hub answers.
 */
export async function joinNodes({
  join,
  token,
  names,
  signal,
  joined,
}: JoinNodesOptions): Promise<FleetIdentities> {
  const { caHash, jwt } = parseJoinToken(token);
  const found = await fetch(`${join}/ca.crt`, { agent: new Agent({ rejectUnauthorized: false }), signal });
  if (sha256Hex(found) !== caHash)
    throw new HubError("E_CA_MISMATCH", `${join} is not the hub that the token is for`);
  const ca = readCertificate(found).pem;
  const agent = new Agent({ ca, keepAlive: true, maxSockets: atOnce });
  const key = await createKey();
  const nodes: { node: string; cert: string }[] = [];
  const waiting = names.values();
  const work = async (): Promise<void> => {
    for (const node of waiting) {
      const cert = readCertificate(await certificateFor(node, { join, jwt, key, agent, signal })).pem;
      nodes.push({ node, cert });
      joined(node);
    }
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, work));
  } finally {
    agent.destroy();
  }
  return { ca, key: key.pem, nodes };
}

function certificateFor(
  node: string,
  parts: { join: string; jwt: string; key: PrivateKey; agent: Agent; signal: AbortSignal },
): Promise<Buffer> {
  const { join, jwt, key, agent, signal } = parts;
  const body = createRequest(key, { organization: "system:nodes", commonName: `system:node:${node}` });
  const headers = { Authorization: `Bearer ${jwt}`, NodeName: node, "Content-Length": body.length };
  return fetch(`${join}/edge.crt`, { agent, headers, signal }, body);
}

/** A GET, with a body if there is one, as the join protocol wants it. */
function fetch(
  url: string,
  options: { agent: Agent; headers?: Record<string, string | number>; signal: AbortSignal },
  body?: Uint8Array,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      const code = options.signal.aborted ? "E_ABORTED" : "E_LINK_LOST";
      reject(
        error instanceof HubError ? error : new HubError(code, `${url}: ${error.message}`, { cause: error }),
      );
    };
    const sent = request(url, { ...options, method: "GET", timeout: timeoutMs }, (response) => {
      buffer(response).then((answer) => {
        if (response.statusCode === 200) resolve(answer);
        else
          failed(
            new HubError("E_FORBIDDEN", `${url} answered ${response.statusCode}: ${shown(String(answer))}`),
          );
      }, failed);
    });
    sent.on("timeout", () => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    sent.on("error", failed);
    sent.end(body);
  });
}
