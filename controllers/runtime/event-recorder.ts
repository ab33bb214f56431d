import { createHash } from "node:crypto";
import { isReason, type KubeObject, type ObjectsApi } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import { type Logger, OncePer } from "../../platform/logger.ts";
import { events } from "./kinds.ts";

export interface EventRecorderParts {
  readonly objects: Pick<ObjectsApi, "create" | "get" | "patch">;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Told {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
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

  /** Something that should not be; the log has it, too. @param reason One word in PascalCase. */
  warn(object: KubeObject, reason: string, message: string): void {
    const { name = "", namespace } = object.metadata;
    if (!this.#add(object, { type: "Warning", reason, message })) return;
    this.#parts.log.warn(message, { reason, kind: object.kind, object: `${namespace ?? ""}/${name}` });
  }

  /** Something that was done, as it should be. @param reason One word in PascalCase. */
  normal(object: KubeObject, reason: string, message: string): void {
    this.#add(object, { type: "Normal", reason, message });
  }

  /** @returns False: it was told a moment ago. */
  #add(object: KubeObject, told: Told): boolean {
    const { uid = "" } = object.metadata;
    if (this.#once.pass(`${uid} ${told.reason} ${told.message}`) === undefined) return false;
    const message = told.message.slice(0, maxMessage);
    void this.#write(object, { ...told, message }).catch((error: unknown) =>
      this.#parts.log.debug("an event could not be written", { error }),
    );
    return true;
  }

  /** One Event for all times that the same is found. */
  async #write({ apiVersion, kind, metadata }: KubeObject, { type, reason, message }: Told): Promise<void> {
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
      type,
      source: { component: this.#component },
      reportingComponent: this.#component,
      reportingInstance: "",
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    };
    const { objects } = this.#parts;
    try {
      await objects.create(events, event);
    } catch (error) {
      if (!isReason(error, "AlreadyExists")) throw error;
      const found = { namespace, name: event.metadata.name ?? "" };
      const { count } = await objects.get(events, found);
      const again = { lastTimestamp: now, count: (typeof count === "number" ? count : 1) + 1 };
      await objects.patch(events, found, "merge", again);
    }
  }
}
