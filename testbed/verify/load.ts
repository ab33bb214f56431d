import type { Clock } from "../../platform/clock.ts";
import { event, type HubClient } from "../../sdk/index.ts";
import { type Peer, type PeerEars, verifyGroup } from "./peer.ts";
import { Tally } from "./tally.ts";
import { type Stream, type StreamReport, streams } from "./verdict.ts";

/** Updates go to so many resources in turn. */
const resources = 20;
const eventLane = "events";

export interface LoadOptions {
  readonly node: string;
  /** Messages a second of each stream. */
  readonly perSecond: number;
  /** Of a message's padding, bytes. */
  readonly bytes: number;
}

/** Sends numbered messages of every class both ways, evenly in time, and keeps count of them. */
export class VerifyLoad {
  readonly #clock: Clock;
  readonly #options: LoadOptions;
  readonly #padding: string;
  readonly #tallies: Readonly<Record<Stream, Tally>> = {
    "updates down": new Tally("newest"),
    "events down": new Tally("each"),
    "events up": new Tally("each"),
  };
  /** What has not been accepted by its sender's side yet. */
  readonly #accepting = new Set<Promise<void>>();
  #failure: unknown;
  #number = 0;

  constructor(clock: Clock, options: LoadOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#padding = "x".repeat(options.bytes);
  }

  /** What the node is to tell. */
  get ears(): PeerEars {
    return {
      event: (number) => this.#tallies["events down"].arrived(eventLane, number, this.#clock.now()),
      update: (resource, number) =>
        this.#tallies["updates down"].arrived(resource, number, this.#clock.now()),
    };
  }

  /** An event of the node has come to the cloud. */
  heard(number: number): void {
    this.#tallies["events up"].arrived(eventLane, number, this.#clock.now());
  }

  /** Begins to send; what the node's link does to it does not slow it down. @returns Stops. */
  start(hub: HubClient, peer: Peer): () => void {
    const startedAt = this.#clock.now();
    const everyMs = 1_000 / this.#options.perSecond;
    let cancel: () => void = () => {};
    const tick = (): void => {
      const now = this.#clock.now();
      while (startedAt + this.#number * everyMs <= now) this.#sendOne(hub, peer);
      cancel = this.#clock.after(startedAt + this.#number * everyMs - now, tick);
    };
    tick();
    return () => cancel();
  }

  /** Resolves when all that was sent is durable on its sender's side. Rejects with what kept one from it. */
  async accepted(): Promise<void> {
    await Promise.all(this.#accepting);
    if (this.#failure !== undefined) throw this.#failure;
  }

  get isComplete(): boolean {
    return streams.every((stream) => this.#tallies[stream].isComplete);
  }

  reports(): StreamReport[] {
    return streams.map((stream) => {
      const { latency } = this.#tallies[stream];
      const latencyMs =
        latency.count === 0
          ? null
          : { p50: latency.quantile(0.5), p99: latency.quantile(0.99), max: latency.max };
      return { stream, ...this.#tallies[stream].result(), latencyMs };
    });
  }

  #sendOne(hub: HubClient, peer: Peer): void {
    const number = ++this.#number;
    const now = this.#clock.now();
    const { node } = this.#options;
    const name = `verify-${number % resources}`;
    const resource = `default/configmap/${name}`;
    const padding = this.#padding;
    const content = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace: "default" },
      data: { number: `${number}`, padding },
    };
    this.#tallies["updates down"].sent(resource, number, now);
    this.#tallies["events down"].sent(eventLane, number, now);
    this.#tallies["events up"].sent(eventLane, number, now);
    const toNode = {
      node,
      source: verifyGroup,
      group: verifyGroup,
      operation: "update",
      resource: "verify/events",
    };
    this.#watch(hub.publish({ node, resource, operation: "update", resourceVersion: `${number}`, content }));
    this.#watch(hub.publish({ ...toNode, content: { number, padding }, delivery: event() }));
    this.#watch(peer.publish(number, padding));
  }

  #watch(accepted: Promise<unknown>): void {
    const done: Promise<void> = accepted
      .then(
        () => undefined,
        (error: unknown) => {
          this.#failure ??= error;
        },
      )
      .finally(() => this.#accepting.delete(done));
    this.#accepting.add(done);
  }
}
