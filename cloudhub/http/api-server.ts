import type { IncomingMessage, ServerResponse } from "node:http";
import { fastify } from "fastify";
import type { Registry } from "prom-client";

export interface ApiServerParts {
  readonly registry: Registry;
  /** Why the hub cannot serve now; `undefined`: it can. */
  readonly trouble: () => string | undefined;
  /** Answers what is for the Kubernetes API. @returns False for what is not. */
  readonly objects: (request: IncomingMessage, response: ServerResponse) => boolean;
}

/** Answers plain HTTPS requests on the API port: health, readiness, metrics, and the Kubernetes API. */
export async function apiRequests(
  parts: ApiServerParts,
): Promise<(request: IncomingMessage, response: ServerResponse) => void> {
  const app = fastify({ bodyLimit: 1 << 20 });
  for (const path of ["/healthz", "/livez"]) app.get(path, () => "ok\n");
  app.get("/readyz", (_request, reply) => {
    const trouble = parts.trouble();
    return trouble === undefined ? "ok\n" : reply.code(503).send(`${trouble}\n`);
  });
  app.get("/metrics", async (_request, reply) =>
    reply.type(parts.registry.contentType).send(await parts.registry.metrics()),
  );
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send(`E_NOT_FOUND: there is nothing at ${request.url.slice(0, 200)}\n`),
  );
  await app.ready();
  return (request, response) => {
    if (!parts.objects(request, response)) app.routing(request, response);
  };
}
