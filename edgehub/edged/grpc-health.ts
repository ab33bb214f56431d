import type { Clock } from "../../platform/clock.ts";
import { GrpcClient } from "./cri/grpc-client.ts";
import { choice, message, string } from "./cri/protobuf.ts";

/** The question of gRPC's health checks. Source: grpc/grpc, doc/health-checking.md. */
const healthCheckRequest = message({ service: string(1) });
const healthCheckResponse = message({
  status: choice(1, ["unknown", "serving", "notServing", "serviceUnknown"]),
});

/** Asks a gRPC server whether a service of it is well. @param service Empty: the server itself. Rejects if it cannot say. */
export async function isServing(
  clock: Clock,
  { host, port, service, timeoutMs }: { host: string; port: number; service: string; timeoutMs: number },
): Promise<boolean> {
  const client = new GrpcClient({ host, port }, clock);
  try {
    const request = healthCheckRequest.encode({ service });
    const answer = await client.unary("/grpc.health.v1.Health/Check", request, timeoutMs);
    return healthCheckResponse.decode(answer).status === "serving";
  } finally {
    await client.close();
  }
}
