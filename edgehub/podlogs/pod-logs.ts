import { join } from "node:path";
import { pause } from "../../platform/clock.ts";
import {
  asHubError,
  contentOf,
  HubError,
  type Message,
  type PodLogPage,
  type PodLogQuery,
  podLogsGroup,
  requirePodLogQuery,
  volatile,
} from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import type { EdgeModule } from "../dispatcher.ts";
import type { ModuleFactory } from "../supervisor.ts";
import { readPage } from "./log-page.ts";
import { lookEveryMs } from "./open-log.ts";

/** Questions that may wait for lines at once. */
const maxWaiting = 64;

/** Answers the cloud what containers of this node have written, from the files, so that it needs no runtime. */
export class PodLogs implements EdgeModule {
  readonly name = "podlogs";
  readonly groups = [podLogsGroup];
  readonly #agent: Agent;
  readonly #root: string;
  readonly #stop = new AbortController();
  #waiting = 0;

  /** @param root Directory of all logs. */
  constructor(agent: Agent, root: string) {
    this.#agent = agent;
    this.#root = root;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  /** Resolves at once; the answer comes when there is something to tell. */
  handle(message: Message): Promise<void> {
    if (this.#waiting >= maxWaiting) {
      const text = `${maxWaiting} readers of logs wait already`;
      return this.#answer(message, { error: new HubError("E_BACKLOG_FULL", text) });
    }
    this.#waiting++;
    void this.#read(message)
      .then(
        (page) => this.#answer(message, { page }),
        (error: unknown) => this.#answer(message, { error: asHubError(error) }),
      )
      // An answer that is lost is asked for again.
      .catch((error: unknown) =>
        this.#agent.log.debug("lines of a log were not sent", { error: asHubError(error) }),
      )
      .finally(() => this.#waiting--);
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#stop.abort();
    return Promise.resolve();
  }

  async #read(message: Message): Promise<PodLogPage> {
    const query = requirePodLogQuery(contentOf(message));
    const { clock } = this.#agent;
    const giveUpAt = clock.now() + query.waitMs;
    for (let asked: PodLogQuery = query; ; ) {
      const page = readPage(this.#root, asked);
      if (page.bytes !== "" || page.ended) return page;
      // A piece older than what is wanted is followed by the next one at once, others have their turn in between.
      const goesOn = page.position !== asked.position;
      asked = { ...asked, position: page.position };
      if (!goesOn && clock.now() >= giveUpAt) return page;
      if (!(await pause(clock, goesOn ? 0 : lookEveryMs, this.#stop.signal))) return page;
    }
  }

  async #answer(
    { id, resource }: Message,
    outcome: { readonly page: PodLogPage } | { readonly error: HubError },
  ): Promise<void> {
    const content =
      "page" in outcome
        ? outcome.page
        : { code: outcome.error.code, text: outcome.error.message.slice(0, 500) };
    await this.#agent.publish({
      source: this.name,
      group: podLogsGroup,
      operation: "page" in outcome ? "response" : "error",
      resource: resource.path,
      parentId: id,
      content,
      delivery: volatile,
    });
  }
}

/** The logs of pods, for the agent's modules. @param rootDirectory Of Edged, absolute. */
export function podLogsModule(rootDirectory: string): ModuleFactory {
  return (agent) => new PodLogs(agent, join(rootDirectory, "logs"));
}
