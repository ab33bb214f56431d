import type { RequestListener } from "node:http";
import { join } from "node:path";
import type { Clock } from "../platform/clock.ts";
import type { Logger, OncePer } from "../platform/logger.ts";
import type { NodeId } from "../protocol/index.ts";
import type { Identify, Revocations } from "./admission.ts";
import { openHttpApi } from "./api/http-api.ts";
import { type HubObjects, openObjects } from "./api/hub-objects.ts";
import { NodeLogs } from "./api/node-logs.ts";
import type { Credentials } from "./credentials.ts";
import { apiRequests } from "./http/api-server.ts";
import type { Hub } from "./hub.ts";
import type { Authority } from "./join/authority.ts";
import { Enrolment } from "./join/enrolment.ts";
import { type JoinApi, startJoinApi } from "./join/join-api.ts";
import type { JoinTokens } from "./join/tokens.ts";
import type { Controllers } from "./listeners.ts";
import type { HubMetrics } from "./metrics.ts";
import type { HubOptions } from "./options.ts";
import type { HubStore } from "./store/hub-store.ts";
import type { SqliteResourceStore } from "./store/sqlite-resource-store.ts";

export interface ApisParts {
  readonly hub: Hub;
  readonly store: HubStore;
  readonly resources: SqliteResourceStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly once: OncePer;
  readonly metrics: HubMetrics;
  readonly authority: Authority;
  readonly tokens: JoinTokens;
  readonly credentials: Credentials;
  readonly revocations: Revocations;
  readonly identify: Identify;
  readonly controllers: Controllers;
}

/** What of a hub connected nodes do without: the objects with their API, and the port where machines join. */
export interface Apis {
  readonly objects: HubObjects;
  readonly enrolment: Enrolment;
  readonly joinApi: JoinApi;
  /** Watches that are open. */
  readonly watches: () => number;
  /** Answers requests on the API port. @param trouble Why the hub cannot serve now. */
  requests(trouble: () => string | undefined): Promise<RequestListener>;
}

/** @param opened Gets what closes each part as soon as it is open. */
export async function openApis(
  parts: ApisParts,
  options: HubOptions,
  opened: (() => unknown)[],
): Promise<Apis> {
  const { hub, store, resources, clock, log, once, metrics, authority, controllers } = parts;
  const { credentials, identify, revocations } = parts;
  const objects = await openObjects({
    store: resources,
    hub,
    clock,
    log,
    dataDir: join(options.dataDir, "pki"),
    caPem: authority.caCertificatePem,
  });
  opened.push(() => objects.close());
  const enrolment = enrolmentOf(parts, options);
  const joinApi = await startJoinApi(
    { host: options.join.host, port: options.join.port, requestTimeoutMs: options.nodes.handshakeTimeoutMs },
    {
      authority,
      enrolment,
      store,
      clock,
      log,
      refused: (error) => metrics.refused("join", error.code),
      admitted: () => undefined,
    },
  );
  opened.push(() => joinApi.close());
  const httpApi = await openHttpApi(
    {
      objects,
      credentials,
      identify,
      revocations,
      byCertificate: (certificate) => controllers.byCertificate(certificate),
      clock,
      log,
      once,
      podLogs: new NodeLogs({
        hub,
        clock,
        dialectOf: (node) => hub.links.get(node as NodeId)?.dialect,
        podNow: (namespace, name) => resources.get({ type: "pods", namespace, name })?.object,
      }),
      answered: (verb, code) => metrics.apiRequest(verb, code),
      stalled: () => metrics.watchStalled(),
    },
    httpApiOptions(options),
  );
  opened.push(() => httpApi.close());
  const handle = httpApi.handler.handle.bind(httpApi.handler);
  return {
    objects,
    enrolment,
    joinApi,
    watches: httpApi.watches,
    requests: (trouble) => apiRequests({ registry: metrics.registry, trouble, objects: handle }),
  };
}

function enrolmentOf(parts: ApisParts, { join: joining, nodes }: HubOptions): Enrolment {
  const { authority, tokens, store, clock, revocations } = parts;
  return new Enrolment(
    { authority, tokens, store, clock, isRevoked: (serial: string) => revocations.isRevoked(serial) },
    {
      certificateDays: joining.certificateDays,
      allowRejoin: joining.allowRejoin,
      allowUnboundCertificates: nodes.allowUnboundCertificates,
    },
  );
}

function httpApiOptions({ api }: HubOptions): Parameters<typeof openHttpApi>[1] {
  const { watchStallMs, auditFile: file, auditMaxBytes: maxBytes, auditFiles: keepFiles } = api;
  return { watchStallMs, audit: file === "" ? undefined : { file, maxBytes, keepFiles } };
}
