import type { Sequence } from "../../platform/sqlite.ts";
import type { Agent } from "../agent.ts";

/** What a broker of this node can do for EventBus. */
export interface Broker {
  readonly name: "internal" | "external";
  /** Resolves when it works, or works on coming up; rejects if it cannot. */
  start(): Promise<void>;
  /** Resolves when the broker has it. Rejects with `E_LINK_LOST` while there is none, or `E_REFUSED`. */
  publish(topic: string, payload: Uint8Array | string): Promise<void>;
  /**
   * Publishes for a module of the agent, which does not ask again: a broker that is away gets it when it is back.
   * Resolves when the broker has it, or it is kept for that. Rejects if it is neither.
   */
  tell(topic: string, payload: Uint8Array | string): Promise<void>;
  /** What {@link BrokerParts.filters} returns has changed. Resolves when the broker knows, if it is there. */
  filtersChanged(): Promise<void>;
  stop(): Promise<void>;
}

export interface BrokerParts {
  readonly agent: Pick<Agent, "node" | "clock" | "log" | "random">;
  /**
   * A client has published. Of one client, and of one device, in the order of its messages: the caller does not
   * wait for one before it hands over the next.
   *
   * @param sequence Of its sender: behind a message that could not be taken for now, none of it is taken. `undefined`:
   *   nobody sends that message again.
   * @returns `undefined` if it stays with the broker. Else resolves when it is durable, which lets the broker
   *   confirm it; rejects with a HubError.
   */
  take(topic: string, payload: Uint8Array, sequence: Sequence | undefined): Promise<void> | undefined;
  /** Would `take` want messages of this topic? */
  takes(topic: string): boolean;
  /** Filters of all topics that `take` wants. */
  filters(): readonly string[];
  /** It cannot go on. */
  failed(error: unknown): void;
}
