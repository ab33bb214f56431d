import { type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { contentOf, event, type HubApi, HubError } from "../../protocol/index.ts";
import { matchRest, type RestMatch } from "./rest-path.ts";
import type { RestRoute } from "./rule.ts";
import type { RuleCounts } from "./rule-counts.ts";

export interface RestServerOptions {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** How long a service on a node may take to answer, ms. */
  readonly timeoutMs: number;
}

export interface RestServerParts {
  readonly hub: Pick<HubApi, "publish" | "request">;
  readonly counts: RuleCounts;
  readonly routes: () => Iterable<RestRoute>;
}

/** KubeEdge's own limit of what a request may carry. */
const maxBodyBytes = 12 << 20;
/** Headers that belong to one connection, and those that Node.js writes itself. */
const ownHeaders = /^(connection|keep-alive|transfer-encoding|te|trailer|upgrade|proxy-.*|content-length)$/i;

/**
 * Takes requests for rules that begin at REST. Plain HTTP that asks nobody who he is, as KubeEdge's.
 *
 * Rejects with `E_PORT_TAKEN`.
 */
export async function listenForRest(
  { host, port, timeoutMs }: RestServerOptions,
  parts: RestServerParts,
): Promise<{ port: number; close(): Promise<void> }> {
  const app = fastify({ bodyLimit: maxBodyBytes, forceCloseConnections: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.all("/*", async (request, reply) => {
    const found = matchRest(parts.routes(), request.url);
    if (found === undefined) return reply.code(404).send("Request error\n");
    try {
      const answer = await forward(found, request, reply, parts, timeoutMs);
      parts.counts.succeeded(found.route.rule);
      return answer;
    } catch (error) {
      const known = error instanceof HubError ? error : new HubError("E_INTERNAL", String(error));
      parts.counts.failed(found.route.rule, known.message);
      return reply.code(httpStatusOf(known)).send(`${known.message}\n`);
    }
  });
  try {
    await app.listen({ host, port });
  } catch (cause) {
    throw new HubError(
      "E_PORT_TAKEN",
      `router: cannot listen on ${host}:${port}: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
  const address = app.server.address();
  return { port: typeof address === "object" ? (address?.port ?? port) : port, close: () => app.close() };
}

async function forward(
  { route, node, rest }: RestMatch,
  request: FastifyRequest,
  reply: FastifyReply,
  { hub }: RestServerParts,
  timeoutMs: number,
): Promise<FastifyReply> {
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  if (route.kind === "rest-eventbus") {
    const topic = rest === "" ? route.topic : `${route.topic}/${rest.replace(/^\//, "")}`;
    if (/[+#\0]/.test(topic))
      throw new HubError("E_BAD_RESOURCE", `nothing can be published to topic ${topic}`);
    const common = { node, source: "router_eventbus", group: "user", operation: "publish", resource: topic };
    await hub.publish({ ...common, content: body.toString(), delivery: event() });
    return reply.send("message delivered");
  }
  // A second colon would end the port a second time at the edge.
  const path = `/${route.servicePath}${rest}`.replaceAll(":", "%3A");
  const call = { header: headersOf(request), body: body.toString("base64"), method: request.method, url: "" };
  const gone = new AbortController();
  reply.raw.once("close", () => gone.abort());
  const answer = await hub.request(
    {
      node,
      source: "router_servicebus",
      group: "user",
      operation: request.method,
      resource: `${route.port}:${path}`,
      content: call,
      // Nobody waits for it afterwards.
      delivery: event({ ttlMs: timeoutMs }),
    },
    { timeoutMs, signal: gone.signal },
  );
  return passOn(reply, contentOf(answer));
}

/** Header lines as Go's net/http has them: names in canonical form, each with all its values. */
function headersOf({ raw }: FastifyRequest): Record<string, string[]> {
  const headers: Record<string, string[]> = {};
  for (let i = 0; i + 1 < raw.rawHeaders.length; i += 2) {
    const name = (raw.rawHeaders[i] as string).replace(/\b[a-z]/g, (letter) => letter.toUpperCase());
    if (name === "Host") continue;
    headers[name] = [...(headers[name] ?? []), raw.rawHeaders[i + 1] as string];
  }
  return headers;
}

function passOn(reply: FastifyReply, answer: unknown): FastifyReply {
  const { header, status_code, body } = (answer ?? {}) as Record<string, unknown>;
  if (typeof status_code !== "number" || status_code < 200 || status_code > 599 || typeof body !== "string")
    throw new HubError("E_BAD_MESSAGE", "the node sent an answer that is no HTTP answer");
  for (const [name, values] of Object.entries((header ?? {}) as Record<string, unknown>)) {
    if (ownHeaders.test(name) || !Array.isArray(values)) continue;
    reply.header(name, values.length === 1 ? String(values[0]) : values.map(String));
  }
  return reply.code(status_code).send(Buffer.from(body, "base64"));
}

function httpStatusOf({ code }: HubError): number {
  switch (code) {
    case "E_UNKNOWN_NODE":
      return 404;
    case "E_TIMEOUT":
    case "E_EXPIRED":
      return 408;
    case "E_TOO_LARGE":
      return 413;
    case "E_BAD_RESOURCE":
    case "E_BAD_MESSAGE":
    case "E_BAD_OPERATION":
    case "E_NO_NODE":
      return 400;
    case "E_BACKLOG_FULL":
      return 503;
    default:
      return 500;
  }
}
