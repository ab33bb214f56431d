import { createServer, type Http2Server, type Http2Session, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { temporaryDirectory } from "../../support/processes.ts";

/** Answers one call; its request has come in whole, and is of interest to few. */
export type Answer = (stream: ServerHttp2Stream, method: string, request: Buffer) => void;

/** A message behind its prefix. */
export function frame(message: string | Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  const bytes = Buffer.from(message);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

/** Answers with these bytes in this many pieces, then with this status. */
export function respond(body: Buffer, pieces: number, trailers: Record<string, string>): Answer {
  return (stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    const size = Math.max(1, Math.ceil(body.length / pieces));
    for (let at = 0; at < body.length; at += size) stream.write(body.subarray(at, at + size));
    stream.end();
  };
}

/** A server at a Unix socket. @returns Ends it with all its connections. */
export async function listen(path: string, answer: Answer): Promise<() => Promise<void>> {
  const { server, close } = serverOf(answer);
  await new Promise<void>((done) => server.listen(path, done));
  return close;
}

/** A server at a free port of this machine. @returns The port. */
export async function listenOnPort(answer: Answer): Promise<number> {
  const { server } = serverOf(answer);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return (server.address() as AddressInfo).port;
}

function serverOf(answer: Answer): { server: Http2Server; close: () => Promise<void> } {
  const server = createServer();
  const sessions = new Set<Http2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.once("end", () => answer(stream, String(headers[":path"]), Buffer.concat(chunks).subarray(5)));
  });
  const close = async (): Promise<void> => {
    for (const session of sessions) session.destroy();
    await new Promise((done) => server.close(done));
  };
  onTestFinished(close);
  return { server, close };
}

export function socketPath(): string {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  return join(path, "socket");
}
