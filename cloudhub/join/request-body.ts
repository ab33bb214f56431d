import type { IncomingMessage } from "node:http";
import { HubError } from "../../protocol/index.ts";

/**
 * Reads a request's body, whatever its method, sent with `Content-Length` or chunked.
 *
 * A body that is too large is refused at its first byte too many; what still comes is thrown away, so that the
 * client gets to read the answer.
 *
 * @param maxBytes The largest body.
 * Rejects with `E_TOO_LARGE`, or with `E_LINK_LOST` if the client goes away in the middle.
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (settle: () => void): void => {
      request.off("data", take).off("end", end).off("error", lost).off("close", lost);
      settle();
    };
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > maxBytes) refuse();
      else chunks.push(chunk);
    };
    const refuse = (): void => {
      // What is thrown away may end in an error too.
      request.on("error", () => undefined).resume();
      finish(() =>
        reject(new HubError("E_TOO_LARGE", `a certificate request has at most ${maxBytes} bytes`)),
      );
    };
    const end = (): void => finish(() => resolve(Buffer.concat(chunks)));
    const lost = (): void =>
      finish(() => reject(new HubError("E_LINK_LOST", "the client went away in the middle of its request")));
    if (Number(request.headers["content-length"] ?? 0) > maxBytes) refuse();
    else if (request.destroyed) lost();
    else request.on("data", take).on("end", end).on("error", lost).on("close", lost);
  });
}
