import { ApiError, isReason } from "../../kubernetes/index.ts";
import { KeyedLanes } from "../../platform/keyed-lanes.ts";
import { type Logger, OncePer } from "../../platform/logger.ts";
import { contentOf, HubError, type Incoming, type Message, type PublishDraft } from "../../sdk/index.ts";
import type { ControllerParts } from "../runtime/parts.ts";
import { isPassing } from "./answers.ts";
import { failureReply, type Handler, type Handlers, type Reply } from "./requests.ts";

type UpstreamParts = Pick<ControllerParts, "hub" | "clock" | "log">;

/**
 * What edges ask and report of Kubernetes objects. A message is acked when it is done and answered. What failed and can
 * succeed later comes again; any other failure is the answer.
 */
export class Upstream {
  readonly #parts: UpstreamParts;
  readonly #handlers: Handlers;
  readonly #log: Logger;
  readonly #complaints: OncePer;
  /** Requests about one name keep their order, as a pod's status and its end; others do not wait for them. */
  readonly #lanes = new KeyedLanes();
  readonly #stop = new AbortController();
  #closing = false;

  constructor(parts: UpstreamParts, handlers: Handlers) {
    this.#parts = parts;
    this.#handlers = handlers;
    this.#log = parts.log;
    this.#complaints = new OncePer(parts.clock, 60_000);
  }

  start(): void {
    void this.#run();
  }

  /** Takes nothing more; what was taken is answered and acked before the subscription ends, and so does not come again. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#lanes.idle();
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const filter = { groups: ["meta"], sources: ["edged", "metamanager"] };
    try {
      for await (const incoming of this.#parts.hub.subscribe(filter, { signal: this.#stop.signal })) {
        const { node, resource } = incoming.message;
        const lane = `${node} ${resource.namespace ?? ""}/${resource.name}`;
        void this.#lanes.run(lane, () => this.#take(incoming));
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#log.error("nodes are not listened to any more", { error });
    }
  }

  async #take({ message, ack, nack }: Incoming): Promise<void> {
    if (this.#closing) return;
    const handler = this.#handlers[`${message.resource.type} ${message.operation}`];
    if (handler === undefined) {
      this.#complain("a node asks what nobody answers", message);
      ack();
      return;
    }
    try {
      const reply = await this.#reply(handler, message);
      if (reply !== undefined) await this.#answer(message, reply);
      ack();
    } catch (error) {
      this.#complain("a node's request could not be done now", message, error);
      nack(error instanceof Error ? error.message.slice(0, 200) : undefined);
    }
  }

  /** Throws what can succeed later. */
  async #reply(handler: Handler, message: Message): Promise<Reply | undefined> {
    const { node, operation, resource } = message;
    try {
      const content = readContent(message);
      return await handler.answer({ node, operation, ...resource, content });
    } catch (error) {
      if (error instanceof ApiError ? isPassing(error) : error instanceof HubError && error.retryable)
        throw error;
      if (!(error instanceof ApiError)) this.#complain("a node's request failed", message, error);
      if (isReason(error, "Forbidden")) this.#complain("a node asks for what it may not", message, error);
      const told = error instanceof ApiError ? error : new ApiError("InternalError", "the request failed");
      return failureReply(handler.failure, told);
    }
  }

  /** An answer that cannot be delivered is no loss: the edge asks again. */
  async #answer(message: Message, reply: Reply): Promise<void> {
    const { node, resource, id } = message;
    const draft: PublishDraft = {
      node,
      operation: "response",
      resource:
        reply.type === undefined
          ? resource.path
          : `${resource.namespace ?? "null"}/${reply.type}/${resource.name}`,
      parentId: id,
      content: reply.content,
      ...(reply.source === undefined ? {} : { source: reply.source }),
      ...(reply.resourceVersion === undefined ? {} : { resourceVersion: reply.resourceVersion }),
    };
    try {
      await this.#parts.hub.publish(draft);
    } catch (error) {
      if (!(error instanceof HubError && error.code === "E_LINK_LOST"))
        this.#complain("an answer could not be sent", message, error);
    }
  }

  #complain(what: string, message: Message, error?: unknown): void {
    const { node, operation, resource } = message;
    const kind = `${operation} ${resource.type}`;
    const held = this.#complaints.pass(`${what} ${node} ${kind}`);
    if (held === undefined) return;
    this.#log.warn(what, {
      node,
      operation,
      resource: resource.path,
      ...(held > 0 ? { heldBack: held } : {}),
      ...(error === undefined ? {} : { error }),
    });
  }
}

function readContent(message: Message): unknown {
  try {
    return contentOf(message);
  } catch {
    throw new ApiError("BadRequest", "the content is no JSON");
  }
}
