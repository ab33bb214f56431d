import { request } from "node:https";
import { systemClock } from "../../../platform/clock.ts";
import { HubError } from "../../../protocol/index.ts";
import { parsePort, quicPortHeader } from "../../../transport/index.ts";
import type { Identity } from "../../identity.ts";
import type { EdgeOptions } from "../../options.ts";

/** An answer of the hub to a plain request; any status will do. */
export interface HubAnswer {
  readonly url: string;
  readonly status: number;
  readonly body: Uint8Array;
  /** How long it took, ms. */
  readonly tookMs: number;
  /** TLS version, `TLSv1.3`. */
  readonly tls: string;
  /** The hub's clock minus this machine's, ms, to about a second; `undefined`: it did not say. */
  readonly aheadMs: number | undefined;
  /** UDP port where the hub takes QUIC; `undefined`: it did not name one. */
  readonly quicPort?: number | undefined;
}

const maxBodyBytes = 1 << 20;

/** Asks the hub at both of its ports, each once. Every answer rejects as {@link ask}. */
export class HubAnswers {
  /**
   * The port to which nodes connect. It is asked, with this node's certificate, whether it would let this node in: that
   * becomes no connection of the node, which would replace the agent's.
   */
  readonly nodes: Promise<HubAnswer>;
  /** The port where certificates are issued; the answer's body is the CA. It is not checked whose it is. */
  readonly join: Promise<HubAnswer>;

  constructor(
    { hub, node }: EdgeOptions,
    identity: Identity | undefined,
    parts: { timeoutMs: number; wallTime: () => number },
  ) {
    const nodesUrl = hub.server.replace(/^wss:/, "https:");
    const tls = identity
      ? { ca: identity.caPem, cert: identity.certPem, key: identity.keyPem }
      : { rejectUnauthorized: false };
    const name = identity?.node ?? node;
    const headers = { Node_id: name, Project_id: hub.projectId, ConnectionUse: "msg" };
    this.nodes = ask(`${nodesUrl}/${hub.projectId}/${name}/events`, { ...tls, headers }, parts);
    this.join = ask(`${hub.join}/ca.crt`, { rejectUnauthorized: false }, parts);
    // Whoever needs an answer waits for it later.
    for (const answer of [this.nodes, this.join]) answer.catch(() => {});
  }
}

interface Terms {
  readonly headers?: Readonly<Record<string, string>>;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized?: boolean;
}

/** Rejects with `E_BAD_OPTION`, `E_TIMEOUT`, or the error of the system or of TLS. */
async function ask(
  url: string,
  terms: Terms,
  { timeoutMs, wallTime }: { timeoutMs: number; wallTime: () => number },
): Promise<HubAnswer> {
  const { origin } = URL.canParse(url) ? new URL(url) : { origin: "" };
  if (!origin.startsWith("https://"))
    throw new HubError(
      "E_BAD_OPTION",
      `${url} is no address: hub.server must read wss://host:port, hub.join https://host:port`,
    );
  const [startedAt, wallStart] = [systemClock.now(), wallTime()];
  return await new Promise((resolve, reject) => {
    const sent = request(url, { agent: false, minVersion: "TLSv1.2", ...terms }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const { socket } = response;
      const version =
        "getProtocol" in socket ? (socket as { getProtocol(): string | null }).getProtocol() : null;
      const wallEnd = wallTime();
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size <= maxBodyBytes) chunks.push(chunk);
        else sent.destroy(new Error("the answer has more than 1 MiB; is this a hub?"));
      });
      response.once("error", reject);
      response.once("end", () => {
        cancel();
        resolve({
          url: origin,
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks),
          tookMs: systemClock.now() - startedAt,
          tls: version ?? "TLS",
          aheadMs: aheadOf(response.headers.date, (wallStart + wallEnd) / 2),
          quicPort: parsePort(response.headers[quicPortHeader]),
        });
        sent.destroy();
      });
    });
    const cancel = systemClock.after(timeoutMs, () =>
      sent.destroy(new HubError("E_TIMEOUT", `${origin}: no answer within ${timeoutMs} ms`)),
    );
    sent.once("error", (error) => {
      cancel();
      reject(error);
    });
    sent.end();
  });
}

/** The header has whole seconds, cut off. */
function aheadOf(date: string | undefined, wallTime: number): number | undefined {
  const said = Date.parse(date ?? "");
  return Number.isNaN(said) ? undefined : said + 500 - wallTime;
}
