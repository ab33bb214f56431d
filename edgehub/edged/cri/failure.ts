import { HubError } from "../../../protocol/index.ts";
import { type CallFailure, grpcStatus } from "./grpc.ts";

const maxWords = 1_000;

/** A failed call as Edged knows failures; see `Runtime`. @param call The name of the call. */
export function callError(call: string, failure: CallFailure, endpoint: string): HubError {
  const words = failure.message.slice(0, maxWords).toWellFormed();
  const text = `${call}: ${words}`;
  const cause = failure;
  switch (failure.status) {
    case grpcStatus.cancelled:
      return new HubError("E_ABORTED", text, { cause });
    case grpcStatus.unavailable:
      return new HubError("E_NO_MODULE", `no container runtime at ${endpoint}: ${words}`, {
        cause,
        retryable: true,
      });
    case grpcStatus.deadlineExceeded:
      return new HubError("E_TIMEOUT", text, { cause });
    case grpcStatus.notFound:
      return new HubError("E_NOT_FOUND", text, { cause });
    case grpcStatus.unimplemented:
      return new HubError("E_REFUSED", `${text} (CRI v1 is needed: containerd 1.6, CRI-O 1.23, or newer)`, {
        cause,
      });
    case grpcStatus.invalidArgument:
    case grpcStatus.permissionDenied:
    case grpcStatus.unauthenticated:
      return new HubError("E_REFUSED", text, { cause });
    default:
      // Most failures of a runtime carry no code of their own: a full disk, a registry out of reach, a bad command.
      return new HubError("E_REFUSED", text, { cause, retryable: true });
  }
}
