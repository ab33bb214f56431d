import { HubError, shown, topicMatches } from "../../protocol/index.ts";
import type { EdgeStore } from "../store/edge-store.ts";
import { hasWildcard, isTopicFilter } from "./topics.ts";

const maxTopics = 10_000;

/** The topics that the cloud has subscribed to. They outlive the agent, even if the cloud forgets them. */
export class SubTopics {
  readonly #store: EdgeStore;
  readonly #wildcards: boolean;
  readonly #topics = new Set<string>();
  /** Those of them with wildcards, if these count. */
  readonly #patterns = new Set<string>();

  /** @param wildcards False: a topic matches itself only. */
  constructor(store: EdgeStore, wildcards: boolean) {
    this.#store = store;
    this.#wildcards = wildcards;
    const rows = store.database.prepare("SELECT topic FROM sub_topics ORDER BY topic").pluck().all();
    for (const topic of rows as string[]) this.#remember(topic);
  }

  /** Filters to subscribe to at a broker that does not ask us about each message. */
  get filters(): string[] {
    return [...this.#topics].filter((topic) => this.#wildcards || !hasWildcard(topic));
  }

  has(topic: string): boolean {
    if (this.#topics.has(topic)) return true;
    for (const pattern of this.#patterns) if (topicMatches(pattern, topic)) return true;
    return false;
  }

  /** Resolves once that is on the disk. Rejects with `E_BAD_RESOURCE` or `E_REFUSED`. */
  async add(topic: string): Promise<void> {
    if (!isTopicFilter(topic))
      throw new HubError("E_BAD_RESOURCE", `nobody can subscribe to the topic ${shown(topic)}`);
    if (this.#topics.size >= maxTopics && !this.#topics.has(topic))
      throw new HubError("E_REFUSED", `the cloud has subscribed to ${maxTopics} topics of this node already`);
    const sql = "INSERT INTO sub_topics (topic) VALUES (?) ON CONFLICT DO NOTHING";
    await this.#store.write(() => this.#store.database.prepare(sql).run(topic));
    this.#remember(topic);
  }

  /** Resolves once that is on the disk. */
  async remove(topic: string): Promise<void> {
    const sql = "DELETE FROM sub_topics WHERE topic = ?";
    await this.#store.write(() => this.#store.database.prepare(sql).run(topic));
    this.#topics.delete(topic);
    this.#patterns.delete(topic);
  }

  #remember(topic: string): void {
    this.#topics.add(topic);
    if (this.#wildcards && hasWildcard(topic)) this.#patterns.add(topic);
  }
}
