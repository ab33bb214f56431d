import { contentOf, type HubClient, type Message } from "../../sdk/index.ts";

/** A program of the cloud that takes all that comes up from the node, and keeps what the demo asks for. */
export class Listener {
  /** Strokes that the press has reported, in the order in which they came. */
  readonly strokes: number[] = [];
  #podPhase: string | undefined;
  readonly #stopped = new AbortController();

  constructor(hub: HubClient, node: string) {
    void this.#listen(hub, node);
  }

  /** What the node said last of the demo's pod. */
  get podPhase(): string | undefined {
    return this.#podPhase;
  }

  close(): void {
    this.#stopped.abort();
  }

  async #listen(hub: HubClient, node: string): Promise<void> {
    try {
      for await (const { message, ack } of hub.subscribe({ nodes: [node] }, this.#stopped)) {
        this.#take(message);
        ack();
      }
    } catch {
      // The connection was closed: the demo is over.
    }
  }

  #take(message: Message): void {
    const { path } = message.resource;
    if (path.endsWith("/twin/edge_updated")) {
      const { twin } = contentOf(message) as { twin: { strokes: { actual: { value: string } } } };
      this.strokes.push(Number(twin.strokes.actual.value));
    }
    if (path !== "factory/podpatch/parts-counter") return;
    const { status } = JSON.parse(String(contentOf(message))) as { status: { phase?: string } };
    this.#podPhase = status.phase ?? this.#podPhase;
  }
}
