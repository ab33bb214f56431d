import { systemClock } from "../../../platform/clock.ts";
import { formatDuration } from "../../../platform/quantities.ts";
import { asHubError, type HubError } from "../../../protocol/index.ts";
import { type ProbeOptions, quicTransport, webTransport } from "../../../transport/index.ts";
import type { Identity } from "../../identity.ts";
import {
  isHeldBack,
  PathChoice,
  type PathMemory,
  parseMemory,
  pathNote,
  quicAttemptMs,
  unknownPath,
} from "../../path-choice.ts";
import { readEdge } from "../place.ts";
import { refusal } from "./hub.ts";
import { type Check, type CheckContext, failed, ok, type Verdict, warning } from "./verdict.ts";

/** What else than a WebSocket may carry the link. Neither check becomes a connection of the node. */

/** Does UDP get through to the hub, where the agent may use QUIC? */
export const quicCheck: Check = {
  name: "quic",
  async run(context) {
    const { identity, options, wallTime } = context;
    const { server, transport, dialect } = options.hub;
    const isOnly = transport === "quic";
    const mayBe = isOnly || (transport === "auto" && dialect === "auto");
    if (!mayBe || identity === undefined || !URL.canParse(server)) return undefined;
    const memory = remembered(context.place.database);
    const announcedPort = (await portNamedByHub(context)) ?? memory.announcedPort;
    const port = new PathChoice(options.hub, { ...unknownPath, announcedPort }).quicPort(wallTime());
    if (port === undefined) return undefined;
    const { hostname } = new URL(server);
    const where = `${hostname}:${port}/udp`;
    const startedAt = systemClock.now();
    try {
      const timeoutMs = Math.min(context.timeoutMs / 2, isOnly ? Number.POSITIVE_INFINITY : quicAttemptMs);
      await quicTransport.probe(`quic://${hostname}:${port}`, termsOf(identity, timeoutMs));
    } catch (error) {
      return withoutQuic(asHubError(error), where, isOnly);
    }
    const text = `${where} shakes hands in ${formatDuration(systemClock.now() - startedAt)}`;
    if (isOnly || !isHeldBack(memory, wallTime())) return ok(text);
    return ok(
      `${text}; the agent has found it blocked before, uses WebSocket, and tries QUIC again after ${new Date(memory.retryAt).toISOString()}`,
    );
  },
};

/** Does HTTP/2 get through to where the hub takes WebTransport, if the agent is to use that? */
export const webTransportCheck: Check = {
  name: "webtransport",
  async run({ identity, options: { hub }, timeoutMs }) {
    if (hub.transport !== "webtransport" || identity === undefined || !URL.canParse(hub.server))
      return undefined;
    const url = `https://${new URL(hub.server).hostname}:${hub.webTransportPort}`;
    const startedAt = systemClock.now();
    try {
      await webTransport.probe(url, termsOf(identity, timeoutMs));
    } catch (error) {
      return withoutWebTransport(asHubError(error), url);
    }
    return ok(`${url} takes WebTransport, and answers in ${formatDuration(systemClock.now() - startedAt)}`);
  },
};

function termsOf(
  { caPem: ca, certPem: cert, keyPem: key }: Identity,
  handshakeTimeoutMs: number,
): ProbeOptions {
  return { tls: { ca, cert, key }, handshakeTimeoutMs };
}

/** `undefined`: it named none, or has not answered in half of the time. */
async function portNamedByHub({ hub, timeoutMs }: CheckContext): Promise<number | undefined> {
  let cancel: () => void = () => {};
  const late = new Promise<undefined>((resolve) => {
    cancel = systemClock.after(timeoutMs / 2, () => resolve(undefined));
  });
  const named = hub.nodes.then(
    ({ quicPort }) => quicPort,
    () => undefined,
  );
  return await Promise.race([named, late]).finally(cancel);
}

/** What the agent knows of the way to its hub; nothing, if its database cannot be read: another check says why. */
function remembered(database: string): PathMemory {
  try {
    const row = readEdge(database, (opened) =>
      opened.prepare("SELECT value FROM meta_info WHERE name = ?").get(`note:${pathNote}`),
    ) as { value: string } | undefined;
    return parseMemory(row?.value);
  } catch {
    return unknownPath;
  }
}

/** Why QUIC does not work here, and what that means. Pure. @param isOnly The agent uses nothing else. */
export function withoutQuic({ code, message }: HubError, where: string, isOnly: boolean): Verdict {
  const instead = "the agent uses WebSocket instead";
  if (code === "E_UNSUPPORTED") {
    if (isOnly) return failed(message, "install it beside the agent, or set hub.transport: auto");
    return ok(`the hub takes it at ${where}; ${instead}: ${message}`);
  }
  if (code === "E_IDENTITY") {
    const found = `${where}: ${message}`;
    const advice =
      "see the certificate's own check, and whether it is this hub that listens there (nodes.quic.port)";
    return isOnly ? failed(found, advice) : warning(`${found}; ${instead}`, advice);
  }
  const found = `${where} gets no answer: UDP is blocked on the way, or nothing listens there (${message})`;
  const open = "let UDP through to that port, and look whether nodes.quic is enabled at the hub";
  if (isOnly) return failed(`${found}; there is no link without it`, `${open}, or set hub.transport: auto`);
  return warning(`${found}; ${instead}`, `if QUIC is wanted, ${open}; if not, set hub.transport: wss`);
}

/** Why WebTransport does not work here. Pure. */
export function withoutWebTransport(error: HubError, url: string): Verdict {
  const { code, cause } = error;
  const why = (cause as NodeJS.ErrnoException | undefined)?.code ?? "";
  if (code === "E_UNSUPPORTED" || why.endsWith("NO_APPLICATION_PROTOCOL"))
    return failed(
      `${url} is there, and takes no WebTransport`,
      "correct hub.webTransportPort; it is the hub's nodes.webTransport.port, 10006 by default",
    );
  if (/ALERT|ECONNRESET|EPIPE/.test(why))
    return failed(
      `${url} ends the connection: it does not speak TLS, or has no time now`,
      "is it the hub's nodes.webTransport.port? If so, check again in a minute, and see the hub's log",
    );
  const found = refusal(cause ?? error, { url, field: "hub.webTransportPort" });
  const advice = `${found.advice ?? ""}; is nodes.webTransport enabled at the hub? There is no link without it`;
  return { ...found, advice };
}
