import type { Clock } from "../../platform/clock.ts";
import type { HubApi } from "../../sdk/index.ts";

type Labels = Readonly<Record<string, string>>;

/** All nodes of a fleet may come at the same time: they are not listed for each of them. */
const goodMs = 5_000;

/** The labels that nodes got with their join token, or from an operator. */
export class HubLabels {
  readonly #hub: Pick<HubApi, "nodes">;
  readonly #clock: Clock;
  #listed: { readonly at: number; readonly labels: Promise<ReadonlyMap<string, Labels>> } | undefined;

  constructor({ hub, clock }: { hub: Pick<HubApi, "nodes">; clock: Clock }) {
    this.#hub = hub;
    this.#clock = clock;
  }

  /** @returns `undefined`: the hub does not know the node, or has not for long. */
  async of(node: string): Promise<Labels | undefined> {
    const now = this.#clock.now();
    if (this.#listed === undefined || now - this.#listed.at >= goodMs)
      this.#listed = { at: now, labels: this.#list() };
    const { labels } = this.#listed;
    try {
      return (await labels).get(node);
    } catch (error) {
      if (this.#listed?.labels === labels) this.#listed = undefined;
      throw error;
    }
  }

  async #list(): Promise<ReadonlyMap<string, Labels>> {
    return new Map((await this.#hub.nodes()).map((view) => [view.node, view.labels]));
  }
}
