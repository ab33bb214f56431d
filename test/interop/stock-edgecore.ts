import type { RawWebSocket } from "./raw-websocket.ts";
import { StockBuses } from "./stock-buses.ts";
import { StockDeviceTwin } from "./stock-devicetwin.ts";
import { connect, type StockEdge } from "./stock-edge.ts";
import { StockMetaManager } from "./stock-metamanager.ts";
import { keepalive, type WireJson } from "./wire-json.ts";

/** What differs between the lines of edgecore. Source: edge modules §16. */
export interface Line {
  /** How messages about nodes name their namespace. */
  readonly nodeNamespace: "default" | "null";
  /** True: nodes are read from the local rows, and the cloud pushes them. */
  readonly readsNodeLocally: boolean;
  /** How devices are named: `sensor-1` or `default/sensor-1`. */
  readonly deviceIds: "name" | "namespaced";
}

export const line115: Line = { nodeNamespace: "default", readsNodeLocally: false, deviceIds: "name" };
export const current: Line = { nodeNamespace: "null", readsNodeLocally: true, deviceIds: "namespaced" };

/** For `describe.each`. */
export const lines: readonly [string, Line][] = [
  ["1.15", line115],
  ["the current line", current],
];

/** What a module of the scripted edgecore has of it. */
export interface EdgeParts {
  readonly node: string;
  readonly line: Line;
  readonly send: (message: WireJson) => void;
  /** The cloud has said something in another shape than a real one. */
  readonly fault: (what: string, message: WireJson) => void;
}

/** The recorded last words of a stopping edgecore. */
const emptyMessage = '{"header":{"msg_id":"","timestamp":0},"route":{},"content":null}\n';

/**
 * A stock edgecore without its kubelet, from the recordings of one: the link, MetaManager, DeviceTwin, EventBus and
 * ServiceBus. What the modules keep is kept over links and restarts, as in edgecore's database.
 */
export class StockEdgecore {
  readonly node: string;
  readonly line: Line;
  /** What was not as a real cloud says it. */
  readonly faults: string[] = [];
  /** Everything that came, in order. */
  readonly received: WireJson[] = [];
  readonly meta: StockMetaManager;
  readonly twin: StockDeviceTwin;
  readonly buses: StockBuses;
  readonly #edge: StockEdge;
  #link: RawWebSocket | undefined;
  #held: (WireJson | string)[] | undefined;

  constructor(edge: StockEdge, line: Line) {
    this.#edge = edge;
    this.node = edge.node;
    this.line = line;
    const parts: EdgeParts = {
      node: edge.node,
      line,
      send: (message) => this.#send(message),
      fault: (what, message) => this.#fault(what, message),
    };
    this.meta = new StockMetaManager(parts);
    this.twin = new StockDeviceTwin(parts);
    this.buses = new StockBuses(parts);
  }

  /** There is a link, as far as the edge knows. */
  get isConnected(): boolean {
    return this.#link !== undefined;
  }

  /** Opens the link and says what an edgecore says on it: first what waited for it. */
  async connect(): Promise<void> {
    const link = await connect(this.#edge);
    this.#link = link;
    void this.#read(link);
    this.release();
    this.beat();
    this.twin.connected();
  }

  /** The heartbeat, which an edgecore sends every 15 s. */
  beat(): void {
    this.#send(keepalive());
  }

  /** The link ends without a word; what is stored stays. */
  cut(): void {
    this.#link?.reset();
    this.#ended();
  }

  /** SIGTERM: an empty message, and the end. What is stored stays, `connect` starts another process on it. */
  stop(): void {
    this.#send(emptyMessage);
    this.#link?.end();
    this.#held = undefined;
    this.#ended();
  }

  /** Resolves when the cloud has ended the link. */
  async ended(): Promise<void> {
    await this.#link?.ended();
    this.#ended();
  }

  /** From now on nothing of what the edge says leaves it, though it hears. */
  hold(): void {
    this.#held ??= [];
  }

  /** What was held goes out in its order, over the link that is there now. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const message of held) this.#send(message);
  }

  /** Nothing passes in either direction, while the link stays open. */
  freeze(): void {
    this.hold();
    this.#link?.freeze();
  }

  /** It hears again; what it has to say waits for `release`, or for the next link. */
  thaw(): void {
    this.#link?.thaw();
  }

  async #read(link: RawWebSocket): Promise<void> {
    for await (const message of link.messages()) {
      if (this.#link !== link) return;
      this.#received(message);
    }
  }

  #received(message: WireJson): void {
    this.received.push(message);
    const { group } = message.route;
    if (group === "resource") this.meta.received(message);
    else if (group === "twin") this.twin.received(message);
    else if (group === "user") this.buses.received(message);
    else this.#fault("nobody takes this", message);
  }

  #ended(): void {
    this.#link = undefined;
    this.meta.disconnected();
  }

  #send(message: WireJson | string): void {
    if (this.#held) this.#held.push(message);
    else this.#link?.send(message);
  }

  #fault(what: string, { route, content }: WireJson): void {
    const said = JSON.stringify(content)?.slice(0, 300);
    this.faults.push(`${what}: ${route.source} ${route.operation} ${route.resource} ${said}`);
  }
}
