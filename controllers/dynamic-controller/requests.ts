import { ApiError } from "../../kubernetes/index.ts";
import { pause } from "../../platform/clock.ts";
import type { KeyedLanes } from "../../platform/keyed-lanes.ts";
import { OncePer } from "../../platform/logger.ts";
import { contentOf, HubError, type Incoming, type Message, volatile } from "../../sdk/index.ts";
import { type Json, objectOf } from "../runtime/fields.ts";
import type { ControllerParts } from "../runtime/parts.ts";
import { requireAccess } from "./access.ts";
import { approved, readApplication, rejected } from "./application.ts";
import { execute } from "./execute.ts";
import type { Feeds } from "./feeds.ts";
import { recordOf } from "./watch.ts";

/** Requests of one node that are under way; one more is refused. */
const maxAtOnce = 64;
const retryMs = 5_000;
const answersTo = "ignore/Application/ignore";
const listOfWatches = "watchapp/sync";

/** Takes what programs on nodes ask, and answers each message once: what was not done is told, and asked again by them. */
export class Requests {
  readonly #parts: ControllerParts;
  readonly #feeds: Feeds;
  /** A node's watches are opened and ended in the order in which it says so. */
  readonly #lanes: KeyedLanes;
  readonly #underWay = new Map<string, number>();
  readonly #complaints: OncePer;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(parts: ControllerParts, feeds: Feeds, lanes: KeyedLanes) {
    this.#parts = parts;
    this.#feeds = feeds;
    this.#lanes = lanes;
    this.#complaints = new OncePer(parts.clock, 60_000);
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Takes nothing more; what was taken is answered. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#lanes.idle();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { hub, log } = this.#parts;
    await this.#restore(signal);
    if (signal.aborted) return;
    try {
      const filter = { groups: ["dynamiccontroller"], presence: true };
      for await (const incoming of hub.subscribe(filter, { signal })) this.#take(incoming);
    } catch (error) {
      if (!signal.aborted) log.error("nodes' programs are not listened to any more", { error });
    }
  }

  async #restore(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    while (!signal.aborted) {
      try {
        return await this.#feeds.start();
      } catch (error) {
        log.warn("the watches of nodes could not be read", { error, againMs: retryMs });
        await pause(clock, retryMs, signal);
      }
    }
  }

  #take({ message, ack }: Incoming): void {
    const { node, group, operation, resource, id } = message;
    if (group !== "dynamiccontroller") {
      if (operation === "connected") this.#feeds.connected(node);
      ack();
      return;
    }
    const isList = resource.path === listOfWatches;
    const verb = isList ? "watch" : (contentIn(message).Verb ?? "");
    const lane = verb === "watch" ? node : id;
    void this.#lanes.run(`${node} ${lane}`, async () => {
      await this.#answer(message, isList ? listOfWatches : answersTo, () =>
        isList ? this.#syncWatches(message) : this.#apply(message),
      );
      ack();
    });
  }

  /** Never rejects. */
  async #answer(message: Message, resource: string, work: () => Promise<Json>): Promise<void> {
    const { node } = message;
    const atOnce = (this.#underWay.get(node) ?? 0) + 1;
    this.#underWay.set(node, atOnce);
    const sent = contentIn(message);
    try {
      if (atOnce > maxAtOnce)
        throw new ApiError("TooManyRequests", `node ${node} has ${maxAtOnce} requests under way`);
      await this.#send(message, resource, await work());
    } catch (error) {
      const told = this.#apiErrorOf(error, message);
      // What was asked may be why the answer is too long.
      const { ReqBody: _body, Option: _option, ...rest } = sent;
      const refusal = resource === listOfWatches ? {} : rejected(rest, told);
      await this.#send(message, resource, refusal).catch((failure: unknown) =>
        this.#complain("an answer could not be sent", message, failure),
      );
    } finally {
      const left = (this.#underWay.get(node) ?? 1) - 1;
      if (left === 0) this.#underWay.delete(node);
      else this.#underWay.set(node, left);
    }
  }

  async #apply(message: Message): Promise<Json> {
    const { node } = message;
    const application = readApplication(contentIn(message), node);
    const { sent, verb } = application;
    try {
      if (verb === "watch") {
        await this.#feeds.open(node, recordOf(application));
        return approved(sent);
      }
      const { objects } = this.#parts;
      await requireAccess(objects, node, application);
      return approved(sent, await execute(objects, application));
    } catch (error) {
      return rejected(sent, this.#apiErrorOf(error, message));
    }
  }

  /** @returns The watches among them that are not fed. */
  async #syncWatches(message: Message): Promise<Json> {
    const { node } = message;
    const failed: Record<string, Json> = {};
    const applications = Object.entries(contentIn(message)).flatMap(([id, content]) => {
      try {
        return [readApplication(content, node)];
      } catch (error) {
        failed[id] = rejected(objectOf(content), this.#apiErrorOf(error, message));
        return [];
      }
    });
    const refused = await this.#feeds.sync(node, applications.map(recordOf));
    for (const application of applications) {
      const { id, sent } = application;
      const error = refused.get(recordOf(application).id);
      if (error !== undefined) failed[id] = rejected(sent, error);
    }
    return failed;
  }

  async #send({ node, id }: Message, resource: string, content: Json): Promise<void> {
    const route = { source: "dynamiccontroller", operation: "applicationResponse", delivery: volatile };
    try {
      await this.#parts.hub.publish({ ...route, node, resource, parentId: id, content });
    } catch (error) {
      // A node whose link is gone asks again.
      if (!(error instanceof HubError && error.code === "E_LINK_LOST")) throw error;
    }
  }

  #apiErrorOf(error: unknown, message: Message): ApiError {
    if (error instanceof ApiError) return error;
    if (error instanceof HubError && error.code === "E_TOO_LARGE")
      return new ApiError(
        "RequestEntityTooLarge",
        `the answer is too long, ask with limit: ${error.message}`,
      );
    this.#complain("a request of a node's program failed", message, error);
    if (error instanceof HubError && error.retryable)
      return new ApiError("ServiceUnavailable", error.message);
    return new ApiError("InternalError", "the request failed");
  }

  #complain(what: string, { node }: Message, error: unknown): void {
    if (this.#complaints.pass(`${what} ${node} ${error}`) !== undefined)
      this.#parts.log.warn(what, { node, error });
  }
}

/** Empty if it is no object: then it is no application either. */
function contentIn(message: Message): Json {
  try {
    return objectOf(contentOf(message));
  } catch {
    return {};
  }
}
