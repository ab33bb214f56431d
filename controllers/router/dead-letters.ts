import { createHash } from "node:crypto";
import {
  ApiError,
  isReason,
  type KubeObject,
  type ObjectsApi,
  type ResourceName,
} from "../../kubernetes/index.ts";
import { contentOf, type Message } from "../../protocol/index.ts";
import type { UpwardRoute } from "./rule.ts";

export const deadLetters: ResourceName = {
  group: "cloud-edge-hub.io",
  version: "v1",
  resource: "deadletters",
};

/** A DeadLetter with this annotation is delivered again. */
export const requeueAnnotation = "cloud-edge-hub.io/requeue";

/** Messages that no target took. Each is an object, so that `kubectl` shows, requeues and deletes them. */
export class DeadLetters {
  readonly #objects: ObjectsApi;
  readonly #maxPerRule: number;

  constructor(objects: ObjectsApi, maxPerRule: number) {
    this.#objects = objects;
    this.#maxPerRule = maxPerRule;
  }

  /**
   * Resolves when the message is kept. Rejects with `ApiError`: `TooManyRequests` when so many of the rule's wait
   * already, or what the API says.
   */
  async keep(route: UpwardRoute, message: Message, failure: Failure, now: number): Promise<void> {
    const [namespace, rule] = route.rule.split("/") as [string, string];
    const labels = { "cloud-edge-hub.io/rule": rule, "cloud-edge-hub.io/node": message.node };
    const labelSelector = `cloud-edge-hub.io/rule=${rule}`;
    const { items, metadata } = await this.#objects.list(deadLetters, { namespace, labelSelector, limit: 1 });
    if (items.length + (metadata.remainingItemCount ?? 0) >= this.#maxPerRule)
      throw new ApiError("TooManyRequests", `rule ${route.rule} has ${this.#maxPerRule} dead letters`);
    const letter: KubeObject = {
      apiVersion: `${deadLetters.group}/${deadLetters.version}`,
      kind: "DeadLetter",
      metadata: { name: nameOf(rule, message), namespace, labels },
      spec: {
        rule,
        node: message.node,
        messageId: message.id,
        source: message.source,
        resource: message.resource.path,
        sentAt: new Date(Number(message.timestamp)).toISOString(),
        content: contentOf(message),
      },
      status: statusOf(failure, now),
    };
    try {
      await this.#objects.create(deadLetters, letter);
    } catch (error) {
      // The same message came again before its ack got to the node.
      if (!isReason(error, "AlreadyExists")) throw error;
    }
  }

  /** It was delivered after all. */
  async forget({ metadata: { namespace, name, uid } }: KubeObject): Promise<void> {
    const preconditions = uid === undefined ? undefined : { uid };
    try {
      await this.#objects.delete(deadLetters, { namespace, name: name as string }, { preconditions });
    } catch (error) {
      if (!isReason(error, "NotFound") && !isReason(error, "Conflict")) throw error;
    }
  }

  /** It was tried again in vain. */
  async failedAgain({ metadata }: KubeObject, failure: Failure, now: number): Promise<void> {
    const name = { namespace: metadata.namespace, name: metadata.name as string };
    await this.#objects.patch(deadLetters, name, "merge", {
      metadata: { annotations: { [requeueAnnotation]: null } },
      status: statusOf(failure, now),
    });
  }
}

/** The same for the same message, however often it comes. */
function nameOf(rule: string, { node, id }: Message): string {
  const digest = createHash("sha256").update(`${node} ${id}`).digest("hex");
  return `${rule.slice(0, 200)}-${digest.slice(0, 16)}`;
}

export interface Failure {
  readonly attempts: number;
  /** In words. */
  readonly error: string;
}

function statusOf({ attempts, error }: Failure, now: number) {
  return { attempts, lastError: error.slice(0, 1_000), lastAttemptTime: new Date(now).toISOString() };
}
