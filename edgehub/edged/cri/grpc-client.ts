import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { connect as connectSocket, type NetConnectOpts, type Socket } from "node:net";
import type { Clock } from "../../../platform/clock.ts";
import { CallFailure, failureOf, framed, grpcStatus, requestHeaders, unframed } from "./grpc.ts";

/** As the kubelet: room for a list of all containers, or the output of a command. */
const maxAnswerBytes = 16 << 20;
/** So much may be under way before the receiver must say that it follows. */
const windowBytes = 1 << 20;

/**
 * Unary gRPC calls, without TLS. Connects with the first call, and with the next one after the connection has
 * ended: a server that was restarted is found again.
 */
export class GrpcClient {
  readonly #place: NetConnectOpts;
  readonly #clock: Clock;
  #socket: Socket | undefined;
  #session: Promise<ClientHttp2Session> | undefined;
  #closed = false;

  /** @param place Path of a Unix socket, or address and port. */
  constructor(place: NetConnectOpts, clock: Clock) {
    this.#place = place;
    this.#clock = clock;
  }

  /** @param method `/package.Service/Method`. Rejects with a {@link CallFailure}. */
  async unary(method: string, message: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const timeout = Promise.withResolvers<never>();
    let stream: ClientHttp2Stream | undefined;
    const cancel = this.#clock.after(timeoutMs, () => {
      timeout.reject(new CallFailure(grpcStatus.deadlineExceeded, `no answer within ${timeoutMs} ms`));
      stream?.close(constants.NGHTTP2_CANCEL);
    });
    const answer = this.#connected().then((session) => {
      stream = opened(session, method, timeoutMs);
      stream.end(framed(message));
      return answerOf(stream);
    });
    answer.catch(() => {});
    try {
      return await Promise.race([answer, timeout.promise]);
    } finally {
      cancel();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#socket?.connecting) this.#socket.destroy();
    const session = await this.#session?.catch(() => undefined);
    session?.destroy();
  }

  /** Async, so that no failure leaves the timer of a call behind. */
  async #connected(): Promise<ClientHttp2Session> {
    if (this.#closed) throw new CallFailure(grpcStatus.cancelled, "the client is closed");
    if (this.#session !== undefined) return await this.#session;
    const socket = socketTo(this.#place);
    this.#socket = socket;
    const session = isOpen(socket).then(() => this.#sessionOver(socket));
    const forget = (): void => {
      if (this.#session === session) this.#session = undefined;
    };
    session.then((open) => open.once("goaway", forget).once("close", forget), forget);
    this.#session = session;
    return await session;
  }

  #sessionOver(socket: Socket): ClientHttp2Session {
    const session = connect("http://localhost", {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: windowBytes },
    });
    // Its calls are told on their own.
    session.on("error", () => {});
    session.once("connect", () => session.setLocalWindowSize(windowBytes));
    return session;
  }
}

/** Throws for a place that cannot be, such as a port beyond 65535. */
function socketTo(place: NetConnectOpts): Socket {
  try {
    return connectSocket(place);
  } catch (error) {
    throw unavailable(error as Error);
  }
}

function isOpen(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const refused = (error: Error): void => reject(unavailable(error));
    const closed = (): void => refused(new Error("the client is closed"));
    socket.once("error", refused).once("close", closed);
    socket.once("connect", () => {
      socket.off("error", refused).off("close", closed);
      resolve();
    });
  });
}

function opened(session: ClientHttp2Session, method: string, timeoutMs: number): ClientHttp2Stream {
  try {
    return session.request(requestHeaders(method, timeoutMs));
  } catch (error) {
    throw unavailable(error as Error);
  }
}

function answerOf(stream: ClientHttp2Stream): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    let ended: { failure: CallFailure | undefined } | undefined;
    stream.on("response", (headers) => {
      if (headers["grpc-status"] !== undefined) ended = { failure: failureOf(headers) };
      else if (headers[":status"] !== 200) fail(unavailable(new Error(`HTTP ${headers[":status"]}`)));
    });
    stream.on("data", (chunk: Buffer) => {
      length += chunk.length;
      chunks.push(chunk);
      if (length > maxAnswerBytes) fail(tooLarge());
    });
    stream.on("trailers", (headers) => {
      ended = { failure: failureOf(headers) };
    });
    stream.on("error", (error) => reject(unavailable(error)));
    stream.on("close", () => {
      if (ended === undefined) reject(unavailable(new Error("the connection ended")));
      else if (ended.failure !== undefined) reject(ended.failure);
      else settle();
    });
    function settle(): void {
      try {
        resolve(unframed(Buffer.concat(chunks)));
      } catch (error) {
        reject(error);
      }
    }
    function fail(failure: CallFailure): void {
      reject(failure);
      stream.close(constants.NGHTTP2_CANCEL);
    }
  });
}

function tooLarge(): CallFailure {
  return new CallFailure(grpcStatus.resourceExhausted, `the answer is larger than ${maxAnswerBytes} bytes`);
}

function unavailable(error: Error): CallFailure {
  return new CallFailure(grpcStatus.unavailable, error.message);
}
