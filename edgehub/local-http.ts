import type { IncomingMessage, ServerResponse } from "node:http";
import { type AddressInfo, isIP } from "node:net";
import { hostname } from "node:os";
import { http } from "../platform/http.ts";
import { HubError } from "../protocol/index.ts";

/** An HTTP server for the programs of this node. */
export interface LocalServer {
  readonly port: number;
  /** Ends it, and every connection with it. */
  close(): Promise<void>;
}

export interface LocalServerOptions {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  readonly maxConnections: number;
}

/** What a client sends before its body has to come within this time. */
const headersTimeoutMs = 30_000;

/**
 * Listens. Rejects with `E_PORT_TAKEN`, or `E_BAD_OPTION` for an address that is not this machine's.
 *
 * @param answer Answers a request; must not reject.
 * @param failed The server cannot go on.
 */
export async function listenLocally(
  { host, port, maxConnections }: LocalServerOptions,
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  failed: (error: unknown) => void,
): Promise<LocalServer> {
  const server = http.createServer(
    { headersTimeout: headersTimeoutMs, requestTimeout: 0 },
    (request, response) => {
      response.on("error", () => undefined);
      const fault = strangeCaller(request.headers, [host, hostname()]);
      if (fault === undefined) void answer(request, response);
      else refuse(request, response, fault);
    },
  );
  server.maxConnections = maxConnections;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenError(error, host, port)));
    server.listen({ host, port }, resolve);
  });
  server.removeAllListeners("error").on("error", failed);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * A page in a browser on this machine can send requests here, and read the answers if the name it came from is made to
 * point here: such a request has the header `Origin` of another place, or a foreign name in `Host`. Programs name the
 * address, or this machine.
 *
 * @param names What this machine may be called, beside its addresses and names without a dot, which nobody can register.
 * @returns Why the request is refused; `undefined`: it is not.
 */
export function strangeCaller(
  { host = "", origin }: { readonly host?: string | undefined; readonly origin?: string | undefined },
  names: readonly string[],
): string | undefined {
  if (origin !== undefined && originOf(origin) !== originOf(`http://${host}`))
    return "requests of pages from elsewhere are not answered";
  const name = host
    .replace(/:\d*$/, "")
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "")
    .toLowerCase();
  if (isIP(name) !== 0 || !name.includes(".") || name.endsWith(".localhost")) return undefined;
  if (names.some((one) => one.toLowerCase() === name)) return undefined;
  return "the header Host must be an address or a name of this machine";
}

/** Scheme, host and port of a URL; `undefined`: it is none. */
function originOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).origin : undefined;
}

function refuse(request: IncomingMessage, response: ServerResponse, why: string): void {
  request.resume();
  response.writeHead(403, { "content-type": "text/plain", connection: "close" }).end(`${why}\n`);
}

/**
 * Reads a request's body. Too large a one is refused at its first byte too many; what still comes is thrown away,
 * so that the client gets to read the answer.
 *
 * Rejects with `E_TOO_LARGE`, with `E_TIMEOUT` at the signal, or with `E_LINK_LOST` if the client goes away.
 */
export function readBody(request: IncomingMessage, maxBytes: number, signal?: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (settle: () => void): void => {
      request.off("data", take).off("end", end).off("error", lost).off("close", lost);
      signal?.removeEventListener("abort", late);
      settle();
    };
    const refuse = (error: HubError): void => {
      // What is thrown away may end in an error too.
      request.on("error", () => undefined).resume();
      finish(() => reject(error));
    };
    const tooLarge = (): void =>
      refuse(new HubError("E_TOO_LARGE", `a request's body has at most ${maxBytes} bytes`));
    const late = (): void => refuse(new HubError("E_TIMEOUT", "the request's body did not come in time"));
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > maxBytes) tooLarge();
      else chunks.push(chunk);
    };
    const end = (): void => finish(() => resolve(Buffer.concat(chunks)));
    const lost = (): void =>
      finish(() => reject(new HubError("E_LINK_LOST", "the client went away in the middle of its request")));
    signal?.addEventListener("abort", late, { once: true });
    if (Number(request.headers["content-length"] ?? 0) > maxBytes) tooLarge();
    else if (request.destroyed) lost();
    else request.on("data", take).on("end", end).on("error", lost).on("close", lost);
  });
}

/** A signal that fires when the client has gone before it got its answer. */
export function clientGone(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): HubError {
  if (error.code === "EADDRINUSE") {
    return new HubError(
      "E_PORT_TAKEN",
      `${host}:${port} is taken by another process; stop it or configure another port`,
      { cause: error, retryable: true },
    );
  }
  return new HubError("E_BAD_OPTION", `cannot listen on ${host}:${port}: ${error.message}`, { cause: error });
}
