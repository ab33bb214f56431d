import type { Clock } from "../../../platform/clock.ts";
import { HubError } from "../../../protocol/index.ts";
import type { CriCall } from "./calls.ts";
import { callError } from "./failure.ts";
import { CallFailure, grpcStatus } from "./grpc.ts";
import { GrpcClient } from "./grpc-client.ts";

/** The calls of a container runtime, with their errors as `Runtime` has them. */
export class CriClient {
  readonly #endpoint: string;
  readonly #grpc: GrpcClient;

  /** @param endpoint `unix:///run/containerd/containerd.sock`; throws `E_BAD_OPTION` for another kind of address. */
  constructor(endpoint: string, clock: Clock) {
    const [, path] = /^unix:(?:\/\/)?(\/[^/].*)$/.exec(endpoint) ?? [];
    if (path === undefined) {
      throw new HubError("E_BAD_OPTION", `edged.remoteRuntimeEndpoint must be unix:///…, got ${endpoint}`);
    }
    this.#endpoint = endpoint;
    this.#grpc = new GrpcClient({ path }, clock);
  }

  /** @param extraMs Time beside what such a call may take. */
  async call<In, Out>(what: CriCall<In, Out>, request: In, extraMs = 0): Promise<Out> {
    try {
      const answer = await this.#grpc.unary(
        what.path,
        what.request.encode(request),
        what.timeoutMs + extraMs,
      );
      return what.response.decode(answer);
    } catch (error) {
      const failure =
        error instanceof CallFailure ? error : new CallFailure(grpcStatus.internal, (error as Error).message);
      throw callError(what.path.slice(what.path.lastIndexOf("/") + 1), failure, this.#endpoint);
    }
  }

  close(): Promise<void> {
    return this.#grpc.close();
  }
}
