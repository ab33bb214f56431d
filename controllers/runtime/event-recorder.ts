import { createHash } from "node:crypto";
import { ApiError, isReason, type KubeObject, type ObjectsApi } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import { type Logger, OncePer } from "../../platform/logger.ts";
import { events } from "./kinds.ts";

export interface EventRecorderParts {
  readonly objects: Pick<ObjectsApi, "create" | "patch">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The same event of the same object is not written more often. */
const periodMs = 60_000;
const maxMessage = 1024;

/** Tells people what a controller has found about an object: `kubectl describe` shows it, the log too. */
export class EventRecorder {
  readonly #parts: EventRecorderParts;
  readonly #component: string;
  readonly #once: OncePer;

  constructor(parts: EventRecorderParts, component: string) {
    this.#parts = parts;
    this.#component = component;
    this.#once = new OncePer(parts.clock, periodMs);
  }

  /** @param reason One word in PascalCase. */
  warn(object: KubeObject, reason: string, message: string): void {
    const { uid = "", name = "", namespace } = object.metadata;
    if (this.#once.pass(`${uid} ${reason} ${message}`) === undefined) return;
    this.#parts.log.warn(message, { reason, kind: object.kind, object: `${namespace ?? ""}/${name}` });
    void this.#write(object, reason, message.slice(0, maxMessage)).catch((error: unknown) =>
      this.#parts.log.debug("an event could not be written", { error }),
    );
  }

  /** One Event for all times that the same is found. */
  async #write({ apiVersion, kind, metadata }: KubeObject, reason: string, message: string): Promise<void> {
    const { name = "", namespace = "default", uid = "", resourceVersion = "" } = metadata;
    const now = new Date(this.#parts.clock.wallTime()).toISOString().replace(/\.\d+Z$/, "Z");
    const mark = createHash("sha256").update(`${uid} ${reason} ${message}`).digest("hex").slice(0, 16);
    const event: KubeObject = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: `${name.slice(0, 200)}.${mark}`, namespace },
      involvedObject: {
        apiVersion,
        kind,
        name,
        uid,
        resourceVersion,
        ...(metadata.namespace && { namespace }),
      },
      reason,
      message,
      type: "Warning",
      source: { component: this.#component },
      reportingComponent: this.#component,
      reportingInstance: "",
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    };
    try {
      await this.#parts.objects.create(events, event);
    } catch (error) {
      if (!(error instanceof ApiError && isReason(error, "AlreadyExists"))) throw error;
      const again = { lastTimestamp: now };
      await this.#parts.objects.patch(events, { namespace, name: event.metadata.name ?? "" }, "merge", again);
    }
  }
}
