import { type Clock, pause, systemClock } from "../../platform/clock.ts";
import { asHubError } from "../../protocol/index.ts";
import { type HubClient, HubError } from "../../sdk/index.ts";
import { Histogram } from "../histogram.ts";
import type { FleetIdentities, FleetOrder } from "./fleet-nodes.ts";
import { FleetProcesses, type FleetSum } from "./fleet-processes.ts";
import { joinNodes } from "./join-nodes.ts";
import { benchLabel, removeFleet, requireFreePrefix } from "./ownership.ts";
import { type Pattern, Schedule } from "./pattern.ts";

export const benchDialects = ["native", "kubeedge", "mixed"] as const;

export interface BenchOptions {
  readonly hub: HubClient;
  /** Where nodes connect, `wss://host:port`, and where they join. */
  readonly server: string;
  readonly join: string;
  readonly prefix: string;
  readonly nodes: number;
  readonly dialect: (typeof benchDialects)[number];
  readonly pattern: Pattern;
  /** Padding of a message. */
  readonly bytes: number;
  /** Messages in flight to a node. */
  readonly window: number;
  /** Nodes that lose their connection and connect again, a minute. */
  readonly churnPerMinute: number;
  /** Of this many nodes, one acks late; 0: none. */
  readonly slowEvery: number;
  readonly slowAckMs: number;
  readonly durationMs: number;
  readonly processes: number;
  readonly signal: AbortSignal;
  readonly progress: (state: BenchProgress) => void;
}

export interface BenchProgress {
  readonly phase: "joining" | "connecting" | "running" | "cleaning up";
  /** Of the phase: so many are done. */
  readonly done: number;
  readonly published: number;
  readonly connected: number;
}

/** Milliseconds; `null`: there was nothing to measure. */
export type Quantiles = Readonly<Record<"p50" | "p90" | "p99" | "p999" | "max", number>> | null;

export interface BenchReport {
  readonly nodes: number;
  readonly dialect: string;
  readonly ranMs: number;
  /** True: it was ended early, by Ctrl-C. */
  readonly interrupted: boolean;
  readonly connected: number;
  readonly connects: number;
  readonly connectFailures: number;
  readonly lastFailure: string | undefined;
  readonly connectMs: Quantiles;
  readonly published: number;
  readonly refused: number;
  readonly lastRefusal: string | undefined;
  readonly publishedPerSecond: number;
  /** At the nodes; more than published: some came again. */
  readonly arrived: number;
  /** From `publish` until the hub has accepted a message, and until it has the node's ack and the checkpoint. */
  readonly acceptedMs: Quantiles;
  readonly ackedMs: Quantiles;
}

const tickMs = 10;
const looksEveryMs = 500;
/** So many messages a second are followed to their ack; each costs the hub a question. */
const followedPerSecond = 200;
/** What is not acked so long after the end is not waited for. */
const lastAcksMs = 10_000;
/** A hub that removes no node for so long does not keep the run from ending. */
const patienceMs = 15_000;
/** Different resources of a node that are updated in turn. */
const resources = 100;

/**
 * Puts load on a hub: simulated nodes join under names of their own, connect, and get what the pattern says. They are removed
 * from the hub again, whatever happens; no other node is touched.
 *
 * Rejects with `E_BAD_OPTION` if the prefix is taken, or with what the hub refuses. `signal` ends it early: with `E_ABORTED` as
 * long as nodes join, with a report once they connect.
 */
export async function benchHub(options: BenchOptions, clock: Clock = systemClock): Promise<BenchReport> {
  await requireFreePrefix(options.hub, options.prefix);
  const run = new BenchRun(options, clock);
  try {
    return await run.run();
  } finally {
    await run.end();
  }
}

class BenchRun {
  readonly #options: BenchOptions;
  readonly #clock: Clock;
  readonly #processes: FleetProcesses;
  readonly #accepted = new Histogram();
  readonly #acked = new Histogram();
  readonly #following = new Set<Promise<unknown>>();
  readonly #giveUp = new AbortController();
  #phase: BenchProgress["phase"] = "joining";
  #done = 0;
  #published = 0;
  #refused = 0;
  #refusal: string | undefined;
  #followed = 0;
  #connected = 0;
  #token: string | undefined;
  #startedAt = 0;

  constructor(options: BenchOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#processes = new FleetProcesses(options.processes);
  }

  async run(): Promise<BenchReport> {
    const identities = await this.#join();
    this.#enter("connecting");
    await this.#untilAborted(this.#processes.connect(ordersOf(this.#options, identities)));
    this.#enter("running");
    const startedAt = this.#clock.now();
    await this.#load(identities, startedAt);
    const ranMs = this.#clock.now() - startedAt;
    await Promise.race([Promise.all(this.#following), pause(this.#clock, lastAcksMs, this.#options.signal)]);
    return this.#report(ranMs, await this.#processes.counts());
  }

  /** Nodes and token are gone from the hub afterwards. */
  async end(): Promise<void> {
    this.#enter("cleaning up");
    this.#giveUp.abort();
    await this.#processes.end();
    let goneAt = this.#clock.now();
    const leave = async (): Promise<boolean> => {
      const { hub, prefix } = this.#options;
      if (this.#token !== undefined) await hub.admin.revokeJoinToken(this.#token);
      await removeFleet(hub, prefix, (count) => {
        goneAt = this.#clock.now();
        this.#done = count;
        this.#tell();
      });
      return true;
    };
    const leaving = leave();
    for (;;) {
      const over = new AbortController();
      const later = pause(this.#clock, looksEveryMs, over.signal).then(() => false);
      const isDone = await Promise.race([leaving, later]).finally(() => over.abort());
      if (isDone) return;
      if (this.#clock.now() - goneAt < patienceMs) continue;
      leaving.catch(() => undefined);
      throw this.#leftBehind();
    }
  }

  #leftBehind(): HubError {
    const { prefix } = this.#options;
    const text = `the hub does not answer within ${patienceMs / 1_000} s: it may still know nodes of this run. When it is back, remove those that hubctl nodes list shows with: hubctl nodes remove --force ${prefix}-0 ${prefix}-1 …`;
    return new HubError("E_TIMEOUT", text);
  }

  async #join(): Promise<FleetIdentities> {
    const { hub, join, prefix, nodes, signal } = this.#options;
    const names = Array.from({ length: nodes }, (_, i) => `${prefix}-${i}`);
    const labels = { [benchLabel]: prefix };
    const { id, token } = await hub.admin.createJoinToken({ ttlMs: 3_600_000, uses: nodes, labels });
    this.#token = id;
    const joined = (): void => {
      this.#done++;
      this.#tell();
    };
    return await joinNodes({ join, token, names, signal, joined });
  }

  async #load({ nodes }: FleetIdentities, startedAt: number): Promise<void> {
    const { pattern, durationMs, churnPerMinute, signal } = this.#options;
    const schedule = new Schedule(pattern, nodes.length);
    const churn = new Schedule({ perSecond: churnPerMinute / 60, burst: 1, share: 1 }, 1);
    let lookedAt = 0;
    for (let elapsed = 0; elapsed < durationMs && !signal.aborted; elapsed = this.#clock.now() - startedAt) {
      for (const index of schedule.due(elapsed)) this.#publish((nodes[index] as (typeof nodes)[number]).node);
      const leaving = churn.due(elapsed).length;
      if (leaving > 0) this.#processes.cut(leaving);
      if (elapsed - lookedAt >= looksEveryMs) {
        lookedAt = elapsed;
        this.#connected = (await this.#processes.counts()).connected;
        this.#done = Math.round(elapsed);
        this.#tell();
      }
      await pause(this.#clock, tickMs, signal);
    }
  }

  #publish(node: string): void {
    const { hub, bytes } = this.#options;
    const version = ++this.#published;
    const name = `bench-${version % resources}`;
    const resource = `default/configmap/${name}`;
    const content = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace: "default" },
      data: { padding: "x".repeat(bytes) },
    };
    const at = this.#clock.now();
    const follows = this.#followed < ((at - this.#startedAt) * followedPerSecond) / 1_000 + 1;
    if (follows) this.#followed++;
    const done = hub
      .publish({ node, resource, operation: "update", resourceVersion: `${version}`, content })
      .then(async (published) => {
        this.#accepted.record(this.#clock.now() - at);
        if (!follows) return;
        await hub.acked(published, { signal: this.#giveUp.signal });
        this.#acked.record(this.#clock.now() - at);
      })
      .catch((error: unknown) => {
        if (this.#giveUp.signal.aborted) return;
        this.#refused++;
        this.#refusal = asHubError(error).message;
      })
      .finally(() => this.#following.delete(done));
    this.#following.add(done);
  }

  async #untilAborted(work: Promise<void>): Promise<void> {
    const { signal } = this.#options;
    const { promise: aborted, resolve: abort } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => abort(), { once: true });
    if (signal.aborted) abort();
    await Promise.race([work, aborted]);
  }

  #enter(phase: BenchProgress["phase"]): void {
    this.#phase = phase;
    this.#done = 0;
    if (phase === "running") this.#startedAt = this.#clock.now();
    this.#tell();
  }

  #tell(): void {
    this.#options.progress({
      phase: this.#phase,
      done: this.#done,
      published: this.#published,
      connected: this.#connected,
    });
  }

  #report(ranMs: number, seen: FleetSum): BenchReport {
    const { nodes, dialect, signal } = this.#options;
    return {
      nodes,
      dialect,
      ranMs: Math.round(ranMs),
      interrupted: signal.aborted,
      connected: seen.connected,
      connects: seen.connects,
      connectFailures: seen.failures,
      lastFailure: seen.failure,
      connectMs: quantilesOf(seen.connectMs),
      published: this.#published,
      refused: this.#refused,
      lastRefusal: this.#refusal,
      publishedPerSecond: ranMs === 0 ? 0 : Math.round((this.#published * 1_000) / ranMs),
      arrived: seen.count,
      acceptedMs: quantilesOf(this.#accepted),
      ackedMs: quantilesOf(this.#acked),
    };
  }
}

/** One order a process; of two dialects each has every other process. */
function ordersOf(options: BenchOptions, { nodes, ...rest }: FleetIdentities): FleetOrder[] {
  const { server, dialect, window, bytes, slowEvery, slowAckMs, processes } = options;
  const { hostname, port } = new URL(server);
  return Array.from({ length: processes }, (_, at) => ({
    mode: dialect === "kubeedge" || (dialect === "mixed" && at % 2 === 1) ? "kubeedge" : "ack",
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port || 443),
    identities: { ...rest, nodes: nodes.filter((_node, i) => i % processes === at) },
    window,
    bytes,
    slowEvery,
    slowAckMs,
    reconnect: true,
  }));
}

function quantilesOf(histogram: Histogram): Quantiles {
  if (histogram.count === 0) return null;
  const [p50 = 0, p90 = 0, p99 = 0, p999 = 0] = [0.5, 0.9, 0.99, 0.999].map((share) =>
    histogram.quantile(share),
  );
  return { p50, p90, p99, p999, max: histogram.max };
}
