import { randomBytes } from "node:crypto";
import { connect, type SecureContext, type TLSSocket } from "node:tls";

/** A server, and who one is there. */
export interface DialOptions {
  readonly host: string;
  readonly port: number;
  readonly node: string;
  /** CA, certificate and key, read before: to read them is a third of what a dial costs. */
  readonly secureContext: SecureContext;
  /** Offer our dialect. */
  readonly offersNative: boolean;
  /** Of the last connection: makes the TLS handshake shorter. */
  readonly session?: Buffer | undefined;
  readonly timeoutMs: number;
}

export interface Dialled {
  readonly socket: TLSSocket;
  /** What the server has sent behind its answer. */
  readonly rest: Buffer;
}

/** The server has answered with something else than a WebSocket. */
export class Refused extends Error {
  /** When it wants to be asked again, ms; `undefined`: it does not say. */
  readonly retryAfterMs: number | undefined;

  constructor(answer: string) {
    const [status = ""] = answer.split("\r\n", 1);
    const seconds = Number(/^retry-after: *(\d+)/im.exec(answer)?.[1] ?? Number.NaN);
    const [, body = ""] = answer.split("\r\n\r\n", 2);
    super(`${status.replace("HTTP/1.1 ", "")} ${body.trim()}`.trim());
    this.retryAfterMs = Number.isNaN(seconds) ? undefined : seconds * 1_000;
  }
}

const maxAnswerBytes = 16_384;

/** Connects and upgrades, as a node does. Rejects with {@link Refused}, or with what the socket says. */
export function dial(options: DialOptions): Promise<Dialled> {
  const { host, port, node, secureContext, session, timeoutMs } = options;
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, secureContext, ...(session ? { session } : {}) });
    socket.setNoDelay(true);
    let answer = Buffer.alloc(0);
    const settled = (): void => {
      clearTimeout(timer);
      socket.off("data", onData).off("error", failed).off("close", ended);
    };
    const failed = (error: Error): void => {
      settled();
      socket.on("error", () => undefined).destroy();
      reject(error);
    };
    const ended = (): void => failed(answer.length > 0 ? new Refused(String(answer)) : new Error("cut off"));
    const onData = (chunk: Buffer): void => {
      answer = Buffer.concat([answer, chunk]);
      const end = answer.indexOf("\r\n\r\n");
      // A refusal ends with the connection.
      const isUpgrade = end >= 0 && answer.toString("latin1", 0, 12).endsWith(" 101");
      if (!isUpgrade && answer.length > maxAnswerBytes) failed(new Error("the server's answer does not end"));
      if (!isUpgrade) return;
      settled();
      socket.on("error", () => undefined);
      resolve({ socket, rest: answer.subarray(end + 4) });
    };
    const timer = setTimeout(() => failed(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs);
    socket.on("error", failed).on("close", ended).on("data", onData);
    socket.once("secureConnect", () => socket.write(requestOf(host, port, node, options.offersNative)));
  });
}

function requestOf(host: string, port: number, node: string, offersNative: boolean): string {
  const lines = [
    `GET /bench/${node}/events HTTP/1.1`,
    `Host: ${host}:${port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Connectionuse: msg",
    `Node_id: ${node}`,
    "Project_id: bench",
    ...(offersNative ? ["Hub-Dialects: native.1"] : []),
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    "Sec-WebSocket-Version: 13",
  ];
  return `${lines.join("\r\n")}\r\n\r\n`;
}
