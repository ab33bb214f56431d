import type { RequestListener } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import type { Clock } from "../../platform/clock.ts";
import { type Logger, OncePer } from "../../platform/logger.ts";
import { HubError, parseNodeId } from "../../protocol/index.ts";
import { formatReason, type Listener } from "../../transport/index.ts";
import type { HubStore } from "../store/hub-store.ts";
import type { Authority } from "./authority.ts";
import type { Enrolled, Enrolment } from "./enrolment.ts";
import {
  badRequest,
  clientRefusal,
  listenError,
  maxHeaderBytes,
  refusalOf,
  statusOf,
} from "./join-answers.ts";
import { readBody } from "./request-body.ts";

export interface JoinApiOptions {
  readonly host: string;
  /** 0 picks a free one. KubeEdge: 10002. */
  readonly port: number;
  /** A client may take so long for its TLS handshake, and again for each request; ms, default 10 000. */
  readonly requestTimeoutMs?: number;
  /** Connections at once; more are dropped. Default 1000. */
  readonly maxConnections?: number;
}

export interface JoinApiParts {
  readonly authority: Pick<Authority, "caCertificateDer" | "serverTls">;
  readonly enrolment: Pick<Enrolment, "enrol">;
  readonly store: Pick<HubStore, "node">;
  readonly clock: Clock;
  readonly log: Logger;
  /** Somebody was turned away; `address` is the other end's IP address. */
  refused(error: HubError, address: string): void;
  /** A node got a certificate, and everything about it is durable. */
  admitted(enrolled: Enrolled): void;
}

export interface JoinApi extends Listener {
  /** Uses another certificate for connections from now on; both PEM. */
  setTls(tls: { key: string; cert: string }): void;
}

const maxRequestBytes = 1 << 20;
const logEveryMs = 60_000;
/** Requests that are being answered get so long when the API closes. */
const closeGraceMs = 1_000;
const binary = "application/octet-stream";

/**
 * Serves the join protocol over HTTPS: `GET /ca.crt`, `GET /edge.crt` with a certificate request as its body, and
 * `GET /node/<name>`. Refusals are plain text, `E_CODE: what to do`.
 *
 * Rejects with `E_PORT_TAKEN`, or `E_BAD_OPTION` for an address that is not this machine's.
 * Source: KubeEdge wire protocol §6.
 */
export async function startJoinApi(options: JoinApiOptions, parts: JoinApiParts): Promise<JoinApi> {
  const api = new Serving(options, parts);
  await api.listen(options);
  return api;
}

class Serving implements JoinApi {
  readonly #parts: JoinApiParts;
  readonly #server: Server;
  readonly #app: FastifyInstance;
  /** Every TCP connection, those in the middle of a TLS handshake too. */
  readonly #sockets = new Set<Socket>();
  /** Connections whose TLS handshake is over. */
  readonly #secured = new WeakSet<Socket>();
  readonly #refusals: OncePer;
  #closing: Promise<void> | undefined;

  constructor(options: JoinApiOptions, parts: JoinApiParts) {
    this.#parts = parts;
    this.#refusals = new OncePer(parts.clock, logEveryMs);
    this.#server = createJoinServer(options, parts.authority.serverTls());
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("secureConnection", (socket) => this.#secured.add(socket));
    this.#app = this.#routes();
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen({ host, port }: JoinApiOptions): Promise<void> {
    try {
      await this.#app.listen({ host, port });
    } catch (error) {
      throw listenError(error as NodeJS.ErrnoException, host, port);
    }
  }

  setTls(tls: { key: string; cert: string }): void {
    this.#server.setSecureContext({ ...tls, ...contextOptions });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const cancel = this.#parts.clock.after(closeGraceMs, () => {
      for (const socket of this.#sockets) socket.destroy();
    });
    await this.#app.close();
    cancel();
  }

  #routes(): FastifyInstance {
    const app = fastify({
      serverFactory: (handler: RequestListener) => this.#server.on("request", handler),
      routerOptions: { ignoreTrailingSlash: true, maxParamLength: 300 },
      exposeHeadRoutes: false,
      frameworkErrors: (error, request, reply) => this.#refuse(badRequest(error.message), request, reply),
      clientErrorHandler: (error, socket) => this.#turnAway(error, socket),
    });
    // Nobody parses bodies here: /edge.crt reads its own.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", (_request, _payload, done) => done(null));
    app.addHook("onRequest", (request, reply, next) => {
      if (request.is404) this.#unrouted(request, reply);
      else next();
    });
    app.get("/ca.crt", (_request, reply) =>
      reply.type(binary).send(Buffer.from(this.#parts.authority.caCertificateDer)),
    );
    app.get("/edge.crt", (request, reply) => this.#enrol(request, reply));
    app.get<{ Params: { name: string } }>("/node/:name", (request, reply) => {
      const node = parseNodeId(request.params.name);
      const hasJoined = node !== undefined && this.#parts.store.node(node)?.joinedAt !== undefined;
      return reply
        .code(hasJoined ? 200 : 404)
        .type("text/plain")
        .send(hasJoined ? "Node found" : "Node not found");
    });
    app.setErrorHandler((error, request, reply) => this.#refuse(refusalOf(error), request, reply));
    return app;
  }

  async #enrol(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { headers } = request;
    const enrolled = await this.#parts.enrolment.enrol({
      nodeName: headers.nodename?.toString(),
      authorization: headers.authorization,
      extKeyUsages: headers.extkeyusages?.toString(),
      certificate: (request.raw.socket as TLSSocket).getPeerX509Certificate()?.raw,
      body: () => readBody(request.raw, maxRequestBytes),
    });
    const { node, serial, isRenewal } = enrolled;
    const address = addressOf(request.raw.socket);
    this.#parts.log.info(isRenewal ? "certificate renewed" : "node joined", { node, serial, address });
    this.#parts.admitted(enrolled);
    return reply.type(binary).send(Buffer.from(enrolled.certificate));
  }

  /** Answers a request for which there is no route, before anything looks at its body. */
  #unrouted(request: FastifyRequest, reply: FastifyReply): void {
    if (/^\/(ca\.crt|edge\.crt|node\/[^/?]+)\/?(\?|$)/.test(request.url)) {
      reply.header("Allow", "GET");
      this.#refuse(new HubError("E_UNSUPPORTED", "this path takes the method GET only"), request, reply);
    } else {
      const text = "there is nothing here; this port has /ca.crt, /edge.crt and /node/<name>";
      this.#refuse(new HubError("E_NOT_FOUND", text), request, reply);
    }
  }

  #refuse(error: HubError, request: FastifyRequest, reply: FastifyReply): void {
    // Nobody is refused who went away.
    if (error.code !== "E_LINK_LOST") this.#count(error, addressOf(request.raw.socket));
    const text = formatReason({ code: error.code, text: error.message });
    reply.code(statusOf(error.code)).type("text/plain; charset=utf-8").send(`${text}\n`);
  }

  /** A client that did not finish its TLS handshake, or sent no HTTP request, or not in time. */
  #turnAway(error: NodeJS.ErrnoException, socket: Socket): void {
    if (error.code === "ECONNRESET" || socket.destroyed) return;
    if (!this.#secured.has(socket)) {
      this.#count(new HubError("E_IDENTITY", `TLS handshake failed: ${error.message}`), addressOf(socket));
      socket.destroy();
      return;
    }
    const { status, refusal } = clientRefusal(error);
    this.#count(refusal, addressOf(socket));
    const body = `${formatReason({ code: refusal.code, text: refusal.message })}\n`;
    const head = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8`;
    if (socket.writable) socket.write(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    socket.destroySoon();
  }

  #count(error: HubError, address: string): void {
    this.#parts.refused(error, address);
    const held = this.#refusals.pass(`${address} ${error.code}`);
    if (held !== undefined) this.#parts.log.warn("join refused", { error, address, held });
  }
}

const contextOptions = { minVersion: "TLSv1.2" } as const;

function createJoinServer(options: JoinApiOptions, tls: { key: string; cert: string }): Server {
  const { requestTimeoutMs = 10_000, maxConnections = 1_000 } = options;
  const server = createServer({
    ...tls,
    ...contextOptions,
    requestCert: true,
    // Who the client is decides the one request that wants to know.
    rejectUnauthorized: false,
    handshakeTimeout: requestTimeoutMs,
    headersTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.min(requestTimeoutMs / 4, 1_000),
    keepAliveTimeout: requestTimeoutMs,
    maxHeaderSize: maxHeaderBytes,
  });
  server.maxConnections = maxConnections;
  // One that does not read its answer.
  server.setTimeout(requestTimeoutMs * 3);
  return server;
}

/** The other end's IP address: one machine, whatever its port. */
function addressOf(socket: { readonly remoteAddress?: string | undefined }): string {
  return socket.remoteAddress ?? "?";
}
