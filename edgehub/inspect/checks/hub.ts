import { readFileSync } from "node:fs";
import { sha256Hex } from "../../../platform/certificate.ts";
import { formatDuration } from "../../../platform/quantities.ts";
import { asHubError, parseJoinToken } from "../../../protocol/index.ts";
import { parseReason } from "../../../transport/index.ts";
import type { HubAnswer } from "./ask-hub.ts";
import { type Check, type CheckContext, failed, newToken, ok, type Verdict, warning } from "./verdict.ts";

/** The address to which nodes connect. */
export const hubCheck: Check = {
  name: "hub",
  async run({ hub, identity, options }) {
    try {
      const answer = await hub.nodes;
      if (identity === undefined)
        return ok(`${told(answer)}; who it is can be told once this node has joined`);
      return admission(answer, identity.node);
    } catch (error) {
      if (identity === undefined && isAlert(error))
        return ok(`${options.hub.server} asks for a certificate, which this node gets when it joins`);
      const found = refusal(error, { url: options.hub.server, field: "hub.server" });
      const { transport } = options.hub;
      const doesWithout = transport === "quic" || transport === "webtransport";
      if (found.state !== "failed" || !doesWithout || !isUnreachable(error)) return found;
      const text = `${found.found}; the link goes over ${transport} and does without, and whether the hub lets this node in stands in the agent's log`;
      return { ...found, state: "warning", found: text };
    }
  },
};

/** TLS itself has turned this side away, so it is spoken there. */
function isAlert(error: unknown): boolean {
  return /ALERT/.test(String((error as NodeJS.ErrnoException).code));
}

/** Nobody has answered there, so nobody has said no either. */
function isUnreachable(error: unknown): boolean {
  return /^(ECONNREFUSED|ETIMEDOUT|E_TIMEOUT|ENETUNREACH|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN)$/.test(
    String((error as NodeJS.ErrnoException).code),
  );
}

/** Whether the hub would let this node in. Pure. */
export function admission(answer: HubAnswer, node: string): Verdict {
  if (answer.status === 200) return ok(`${told(answer)}, and lets ${node} in`);
  const { code, text } = parseReason(Buffer.from(answer.body).toString().trim(), true);
  // A KubeEdge cloud, and an older hub, do not know the question.
  if (code === "E_LINK_LOST")
    return ok(
      `${told(answer)}, and has a certificate of the CA this node joined; whether it lets ${node} in stands in the agent's log`,
    );
  const found = `${answer.url} does not let ${node} in: ${code}: ${text}`;
  switch (code) {
    case "E_REVOKED":
      return failed(
        found,
        `the node was revoked or removed at the hub; if it shall come back, ${newToken}, and start the agent again`,
      );
    case "E_IDENTITY":
      return failed(found, `if it is to be this node of this hub, ${newToken}, and start the agent again`);
    case "E_NODE_LIMIT":
      return failed(found, "raise nodes.maxNodes at the hub, or remove nodes: hubctl nodes remove");
    default:
      return failed(found, "see the hub's log");
  }
}

/** The address where certificates are issued: needed to join, and to renew. */
export const joinCheck: Check = {
  name: "join",
  async run(context) {
    const { hub, identity, options } = context;
    let found: Verdict;
    try {
      found = authorityOf(await hub.join, context);
    } catch (error) {
      found = refusal(error, { url: options.hub.join, field: "hub.join" });
    }
    // A node that has joined needs it when its certificate is renewed.
    return found.state === "failed" && identity ? { ...found, state: "warning" } : found;
  },
};

/** This machine's clock against the hub's. */
export const clockCheck: Check = {
  name: "clock",
  async run({ hub }) {
    const answers = await Promise.allSettled([hub.nodes, hub.join]);
    const ahead = answers
      .map((one) => (one.status === "fulfilled" ? one.value.aheadMs : undefined))
      .find((one) => one !== undefined);
    return clockVerdict(ahead);
  },
};

const slightMs = 5_000;
const muchMs = 300_000;
const setClock = "set the clock of the one that is wrong, by NTP: timedatectl set-ntp true";

/** @param aheadMs The hub's clock minus this machine's. */
export function clockVerdict(aheadMs: number | undefined): Verdict {
  if (aheadMs === undefined)
    return warning("cannot be compared with the hub's", "see what is said of the hub, then check again");
  const off = Math.abs(aheadMs);
  if (off < slightMs) return ok("agrees with the hub's");
  const text = `this machine's clock is ${formatDuration(off)} ${aheadMs > 0 ? "behind" : "ahead of"} the hub's`;
  if (off < muchMs) return warning(text, setClock);
  return failed(`${text}: certificates and tokens are taken for ended, or for not valid yet`, setClock);
}

function told({ url, tls, tookMs }: HubAnswer): string {
  return `${url} answers in ${formatDuration(tookMs)} over ${tls}`;
}

/** The CA that the server shows, against the one this node knows, or is to join. */
function authorityOf(answer: HubAnswer, { identity, options }: CheckContext): Verdict {
  if (answer.status !== 200)
    return failed(`${answer.url}/ca.crt answers ${answer.status}: this is no hub`, "correct hub.join");
  const found = sha256Hex(answer.body);
  const known = identity?.caHash ?? tokenHash(options.hub);
  if (known === undefined)
    return warning(
      `${told(answer)}, its CA has the SHA-256 ${found}`,
      "compare it with the beginning of the join token",
    );
  if (found === known)
    return ok(`${told(answer)}, and shows the CA that ${identity ? "this node joined" : "the token names"}`);
  return failed(
    `${answer.url} shows another CA (SHA-256 ${found.slice(0, 16)}…) than ${identity ? "the one this node joined" : "the token names"} (${known.slice(0, 16)}…)`,
    "do not go on before it is known why: another hub, one that was set up anew, or somebody between; then correct hub.join, or get a new token (hubctl token create --node NAME)",
  );
}

/** `undefined`: there is no token, or none that can be read. */
function tokenHash({ token, tokenFile }: CheckContext["options"]["hub"]): string | undefined {
  try {
    return parseJoinToken(token || readFileSync(tokenFile, "utf8").trim()).caHash;
  } catch {
    return undefined;
  }
}

/** Why the hub did not answer, and what can be done. Pure. */
export function refusal(error: unknown, { url, field }: { url: string; field: string }): Verdict {
  const { code = "", message } = error as NodeJS.ErrnoException;
  const { hostname } = URL.canParse(url) ? new URL(url) : { hostname: url };
  switch (code) {
    case "ECONNREFUSED":
      return failed(`nothing listens at ${url}`, `start the hub there, or correct ${field}`);
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return failed(
        `the name ${hostname} is not known to this machine's DNS`,
        `correct ${field}, or the DNS server in /etc/resolv.conf`,
      );
    case "ENETUNREACH":
    case "EHOSTUNREACH":
      return failed(
        `there is no way to ${hostname}`,
        "look at this machine's network: ip route, cable, modem",
      );
    case "ETIMEDOUT":
    case "E_TIMEOUT":
      return failed(
        `${url} does not answer`,
        `is a firewall in between? The port must be open to the hub; is ${field} right?`,
      );
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return failed(
        `the certificate of ${url} is not valid now`,
        "set this machine's clock; if it is right, start the hub anew, which renews its certificate",
      );
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return failed(
        `the certificate of ${url} is for other names`,
        `add ${hostname} to the hub's advertise, or use an address that is in it for ${field}`,
      );
    case "E_BAD_OPTION":
      return failed(message, `correct ${field}`);
  }
  if (/ALERT|ECONNRESET|EPIPE/i.test(`${code} ${message}`))
    return failed(
      `${url} ends the connection: it does not accept this node's certificate, or does not speak TLS`,
      "see the certificate's own check and the hub's log; a node whose certificate has ended or was revoked needs a new token (hubctl token create --node NAME)",
    );
  if (/CERT|SIGNATURE|SIGNED|ISSUER/.test(code))
    return failed(
      `${url} has a certificate of another CA than the one this node joined`,
      `correct ${field}; if the hub was set up anew, join it with a token made for this node (hubctl token create --node NAME)`,
    );
  return failed(`${url}: ${asHubError(error).message}`, `is a hub there, and is ${field} right?`);
}
