import { connect as connectTcp, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";

/** A TLS connection and the TCP connection under it. */
export interface Pipe {
  readonly tcp: Socket;
  readonly tls: TLSSocket;
}

export interface RawAnswer {
  /** Status line and headers, as they came. */
  readonly lines: readonly string[];
  readonly status: number;
  readonly body: Buffer;
  /** What came behind an answer that opens a WebSocket. */
  readonly rest: Buffer;
}

/** Connects to a port of this machine. The server is not checked. Rejects if the handshake fails. */
export function openPipe(port: number, options: ConnectionOptions = {}): Promise<Pipe> {
  return new Promise((resolve, reject) => {
    const tcp = connectTcp({ port, host: "127.0.0.1", noDelay: true });
    const tls = connectTls({ socket: tcp, rejectUnauthorized: false, ...options });
    tcp.once("error", reject);
    tls.once("error", reject);
    tls.once("secureConnect", () => resolve({ tcp, tls }));
  });
}

/** Writes one request and reads its answer. Rejects with what befell the connection if there is none. */
export function ask({ tls }: Pipe, request: string | Uint8Array): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const read = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      const answer = answerIn(bytes);
      if (answer === undefined) return;
      tls.off("data", read);
      resolve(answer);
    };
    tls.on("data", read);
    tls.once("error", reject);
    tls.once("close", () => reject(new Error("the connection ended without an answer")));
    if (request.length > 0) tls.write(request);
  });
}

/** Head of a request from its lines, with the empty line at its end. */
export function headOf(lines: readonly string[]): string {
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function answerIn(bytes: Buffer): RawAnswer | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const lines = bytes.toString("latin1", 0, end).split("\r\n");
  const status = Number(lines[0]?.split(" ")[1]);
  const rest = bytes.subarray(end + 4);
  if (status === 101) return { lines, status, body: Buffer.alloc(0), rest };
  const length = Number(/^content-length: (\d+)$/im.exec(lines.join("\n"))?.[1] ?? 0);
  if (rest.length < length) return undefined;
  return { lines, status, body: rest.subarray(0, length), rest: rest.subarray(length) };
}
