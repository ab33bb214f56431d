import { createSecureContext, type SecureContext } from "node:tls";
import { Backoff } from "../../protocol/index.ts";
import { Histogram, type HistogramCounts } from "../histogram.ts";
import { Refused } from "./dial.ts";
import { connectRawNode, type RawNode, type RawNodeMode } from "./raw-node.ts";

/** What simulated nodes need to connect; all PEM. They share one key, which a real fleet must not. */
export interface FleetIdentities {
  readonly ca: string;
  readonly key: string;
  readonly nodes: readonly { readonly node: string; readonly cert: string }[];
}

export interface FleetOrder {
  readonly mode: RawNodeMode;
  /** Default: this machine. */
  readonly host?: string;
  readonly port: number;
  readonly identities: FleetIdentities;
  readonly window: number;
  readonly bytes: number;
  /** So many connect at once; default 50. */
  readonly atOnce?: number;
  /** Of each this many nodes, the last one acks late; default: none. */
  readonly slowEvery?: number;
  readonly slowAckMs?: number;
  /** A node whose connection ends connects again; each begins as soon as it is connected, without `start`. */
  readonly reconnect?: boolean;
}

/** What nodes have seen so far. */
export interface FleetCount {
  /** Messages that have arrived. */
  readonly count: number;
  readonly connected: number;
  /** Connections made. */
  readonly connects: number;
  /** Attempts that failed, and what was said last. */
  readonly failures: number;
  readonly failure: string | undefined;
  /** How long attempts that succeeded took, ms. */
  readonly connectMs: HistogramCounts;
}

const dialTimeoutMs = 60_000;
const backoff = { minMs: 200, maxMs: 10_000 };

/** Simulated nodes of one process. */
export class FleetNodes {
  readonly #order: FleetOrder;
  readonly #places: Place[];
  readonly #connectMs = new Histogram();
  #count = 0;
  #connects = 0;
  #failures = 0;
  #failure: string | undefined;
  #started: boolean;
  #closed = false;

  constructor(order: FleetOrder) {
    this.#order = order;
    // Who has a place at the door and says nothing keeps others out.
    this.#started = order.reconnect ?? false;
    const { slowEvery = 0, slowAckMs = 0 } = order;
    this.#places = order.identities.nodes.map((identity, at) => ({
      identity,
      ackDelayMs: slowEvery > 0 && at % slowEvery === slowEvery - 1 ? slowAckMs : 0,
      backoff: new Backoff(backoff, Math.random),
      context: undefined,
      node: undefined,
      lost: undefined,
      session: undefined,
      retry: undefined,
    }));
  }

  /** Connects all. Rejects with the first failure, unless nodes connect again. */
  async connect(): Promise<number> {
    const { atOnce = 50 } = this.#order;
    for (let at = 0; at < this.#places.length && !this.#closed; at += atOnce)
      await Promise.all(this.#places.slice(at, at + atOnce).map((place) => this.#enter(place)));
    return this.#places.filter(({ node }) => node !== undefined).length;
  }

  /** Begins: hellos are sent, or the window's messages. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    for (const { node } of this.#places) node?.start();
  }

  counts(): FleetCount {
    return {
      count: this.#count,
      connected: this.#places.filter(({ node }) => node !== undefined).length,
      connects: this.#connects,
      failures: this.#failures,
      failure: this.#failure,
      connectMs: this.#connectMs.counts(),
    };
  }

  /** Ends the connections of so many nodes, of all by default; with `reconnect` they come back. */
  cut(count?: number): void {
    for (const place of this.#some(count)) place.node?.close();
  }

  /** As {@link cut}, but nobody hears of the end of the old connections, as where a network fails. */
  lose(count?: number): void {
    for (const place of this.#some(count)) {
      const { node } = place;
      if (node === undefined) continue;
      node.lose();
      place.lost = node;
      this.#left(place, node);
    }
  }

  /** Others each time, without a list of who had a turn. */
  #some(count = this.#places.length): Place[] {
    const connected = this.#places.filter(({ node }) => node !== undefined);
    const from = Math.floor(Math.random() * connected.length);
    return [...connected.slice(from), ...connected.slice(0, from)].slice(0, count);
  }

  close(): void {
    this.#closed = true;
    for (const { node, lost, retry } of this.#places) {
      clearTimeout(retry);
      lost?.close();
      node?.close();
    }
  }

  async #enter(place: Place): Promise<void> {
    const order = this.#order;
    const { identity, ackDelayMs, session } = place;
    const startedAt = performance.now();
    try {
      const node = await connectRawNode(
        {
          host: order.host ?? "127.0.0.1",
          port: order.port,
          node: identity.node,
          secureContext: this.#contextOf(place),
          session,
          timeoutMs: dialTimeoutMs,
          mode: order.mode,
          window: order.window,
          bytes: order.bytes,
          ackDelayMs,
        },
        {
          arrived: (count) => {
            this.#count += count;
          },
          ended: (ended) => this.#left(place, ended),
        },
      );
      this.#entered(place, node, performance.now() - startedAt);
    } catch (error) {
      this.#failures++;
      this.#failure = (error as Error).message;
      if (!order.reconnect) throw error;
      const told = error instanceof Refused ? error.retryAfterMs : undefined;
      this.#again(place, told === undefined ? place.backoff.next() : told * (1 + Math.random() / 2));
    }
  }

  /** Kept only by those that connect again: 34 KiB each. */
  #contextOf(place: Place): SecureContext {
    const { identities, reconnect } = this.#order;
    const { ca, key } = identities;
    const { cert } = place.identity;
    const context = place.context ?? createSecureContext({ ca, cert, key, ecdhCurve: "X25519" });
    if (reconnect) place.context = context;
    return context;
  }

  #entered(place: Place, node: RawNode, tookMs: number): void {
    if (this.#closed) {
      node.close();
      return;
    }
    place.lost?.close();
    place.lost = undefined;
    place.node = node;
    place.backoff.reset();
    this.#connects++;
    this.#connectMs.record(tookMs);
    if (this.#started) node.start();
  }

  #left(place: Place, node: RawNode): void {
    if (place.node !== node) return;
    place.node = undefined;
    place.session = node.session;
    if (this.#order.reconnect) this.#again(place, place.backoff.next());
  }

  #again(place: Place, afterMs: number): void {
    if (this.#closed) return;
    place.retry = setTimeout(() => {
      // Rejects only where nobody connects again.
      this.#enter(place).catch(() => undefined);
    }, afterMs);
  }
}

interface Place {
  readonly identity: FleetIdentities["nodes"][number];
  readonly ackDelayMs: number;
  readonly backoff: Backoff;
  context: SecureContext | undefined;
  node: RawNode | undefined;
  /** What the network has taken from it, until it is connected again. */
  lost: RawNode | undefined;
  session: Buffer | undefined;
  retry: NodeJS.Timeout | undefined;
}
