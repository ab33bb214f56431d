import type { Clock } from "../../platform/clock.ts";
import type { Logger, OncePer } from "../../platform/logger.ts";
import { ApiHandler } from "./api-handler.ts";
import { AuditLog, type AuditOptions } from "./audit-log.ts";
import { Authentication, type AuthenticationParts } from "./authentication.ts";
import { Authorizer } from "./authorizer.ts";
import { DiscoveryRequests } from "./discovery-requests.ts";
import type { HubObjects } from "./hub-objects.ts";
import { ObjectRequests } from "./object-requests.ts";
import type { PodLogs } from "./pod-logs.ts";
import { Reviews } from "./reviews.ts";
import { WatchResponses } from "./watch-response.ts";

export interface HttpApiParts extends Omit<AuthenticationParts, "tokens"> {
  readonly objects: HubObjects;
  readonly clock: Clock;
  readonly log: Logger;
  readonly once: OncePer;
  readonly podLogs?: PodLogs | undefined;
  readonly answered: (verb: string, code: number) => void;
  /** A watcher was cut off because it did not read. */
  readonly stalled: () => void;
}

export interface HttpApiOptions {
  readonly watchStallMs: number;
  /** Absent: nothing is recorded. */
  readonly audit: AuditOptions | undefined;
}

/** The Kubernetes API, ready to be put on a port. */
export interface HttpApi {
  readonly handler: ApiHandler;
  /** Watches that are open. */
  readonly watches: () => number;
  close(): Promise<void>;
}

/** Rejects if the audit log cannot be written. */
export async function openHttpApi(parts: HttpApiParts, options: HttpApiOptions): Promise<HttpApi> {
  const { registry, tokens, store } = parts.objects;
  const { clock, log, once, podLogs, answered, stalled } = parts;
  const audit = options.audit && (await AuditLog.open(options.audit, log));
  const authentication = new Authentication({ ...parts, tokens });
  const authorizer = new Authorizer(store);
  const watches = new WatchResponses({ registry, clock, stalled }, { stallMs: options.watchStallMs });
  const reviews = new Reviews(authorizer, authentication);
  const objects = new ObjectRequests({ registry, authorizer, reviews, watches, clock, podLogs });
  const discovery = new DiscoveryRequests(registry.kinds);
  const handler = new ApiHandler({
    registry,
    authentication,
    authorizer,
    objects,
    discovery,
    audit,
    clock,
    log,
    once,
    answered,
  });
  return {
    handler,
    watches: () => watches.open,
    async close() {
      watches.close();
      await audit?.close();
    },
  };
}
