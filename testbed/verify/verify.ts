import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { type Clock, pause, systemClock } from "../../platform/clock.ts";
import { type HubClient, HubError, type Subscription } from "../../sdk/index.ts";
import { type Impairer, startImpairer } from "../impairer/index.ts";
import { VerifyLoad } from "./load.ts";
import {
  numberIn,
  type Peer,
  type PeerEars,
  type PeerOptions,
  startPeer,
  verifyGroup,
  verifyWindow,
} from "./peer.ts";
import type { VerifyProfile } from "./profiles.ts";
import { faultsOf, type StreamReport } from "./verdict.ts";

export interface VerifyOptions {
  readonly hub: HubClient;
  /** Where nodes connect, `wss://host:port`, and where they join. */
  readonly server: string;
  readonly join: string;
  readonly profile: VerifyProfile;
  readonly durationMs: number;
  /** What has not arrived so long after the end of it is lost. */
  readonly settleMs: number;
  /** The node must be connected within so long. */
  readonly connectTimeoutMs: number;
  /** Messages a second of each of the three streams, and their padding. */
  readonly perSecond: number;
  readonly bytes: number;
  readonly maxP99Ms: number | undefined;
  /** Of losses and jitter. */
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Told what it is doing. */
  readonly progress?: (phase: VerifyPhase, reports: readonly StreamReport[]) => void;
}

export type VerifyPhase = "joining" | "sending" | "waiting for the rest" | "cleaning up";

/** What a test gives back. */
export interface VerifyReport {
  readonly profile: string;
  readonly node: string;
  readonly durationMs: number;
  /** From the last message sent until nothing was missing, ms; `null`: something is missing for good. */
  readonly settledMs: number | null;
  readonly streams: readonly StreamReport[];
  /** Payload of TCP between node and hub, joining left out; all of TLS counted. */
  readonly bytes: { readonly up: number; readonly down: number; readonly perMessage: number };
  /** Connections of the node, and segments the link lost. */
  readonly links: number;
  readonly segmentsLost: number;
  readonly passed: boolean;
  /** Why it has not passed. */
  readonly faults: readonly string[];
}

export interface VerifyParts {
  readonly clock: Clock;
  readonly startPeer: (options: PeerOptions, ears: PeerEars) => Promise<Peer>;
}

const progressEveryMs = 200;
/** A hub that does not answer for so long does not keep the test from ending. */
const patienceMs = 15_000;

/**
 * Tries out a hub and the way to it: a node of its own joins through a link that is made worse, numbered messages go both
 * ways, and what arrives is compared with what was sent. The node is removed from the hub again, whatever happens.
 *
 * Rejects with `E_LINK_LOST` if nobody listens there, `E_TIMEOUT` if the node does not get a connection, `E_ABORTED`, or with what the hub refuses.
 */
export async function verifyHub(
  options: VerifyOptions,
  parts: Partial<VerifyParts> = {},
): Promise<VerifyReport> {
  const run = new VerifyRun(options, { clock: systemClock, startPeer, ...parts });
  try {
    return await run.run();
  } finally {
    await run.end();
  }
}

class VerifyRun {
  readonly #options: VerifyOptions;
  readonly #parts: VerifyParts;
  readonly #node = `verify-${randomBytes(4).toString("hex")}`;
  readonly #load: VerifyLoad;
  /** What has to be undone, last first. */
  readonly #undo: (() => Promise<unknown> | unknown)[] = [];

  constructor(options: VerifyOptions, parts: VerifyParts) {
    this.#options = options;
    this.#parts = parts;
    this.#load = new VerifyLoad(parts.clock, { node: this.#node, ...options });
  }

  async run(): Promise<VerifyReport> {
    const { hub, profile, durationMs } = this.#options;
    const { clock } = this.#parts;
    const { impairer, peer } = await this.#connect();
    this.#listen(hub.subscribe({ nodes: [this.#node], groups: [verifyGroup] }));
    const before = impairer.stats();
    const striking = this.#strikes(impairer);
    const stop = this.#load.start(hub, peer);
    this.#undo.push(striking, stop);
    await this.#wait("sending", durationMs, () => false);
    stop();
    striking();
    impairer.thaw();
    const stoppedAt = clock.now();
    await this.#wait("waiting for the rest", this.#options.settleMs, () => this.#load.isComplete);
    await this.#inTime(this.#load.accepted(), "the hub has not accepted all messages");
    const settledMs = this.#load.isComplete ? clock.now() - stoppedAt : null;
    const streams = this.#load.reports();
    const after = impairer.stats();
    const linksLost = after.accepted - before.accepted;
    const faults = faultsOf({ streams, linksLost, window: verifyWindow, maxP99Ms: this.#options.maxP99Ms });
    const up = after.up.deliveredBytes - before.up.deliveredBytes;
    const down = after.down.deliveredBytes - before.down.deliveredBytes;
    const arrived = streams.reduce((sum, one) => sum + one.arrived, 0);
    return {
      profile: profile.name,
      node: this.#node,
      durationMs,
      settledMs,
      streams,
      bytes: { up, down, perMessage: arrived === 0 ? 0 : Math.round((up + down) / arrived) },
      links: linksLost + 1,
      segmentsLost: after.up.losses + after.down.losses - before.up.losses - before.down.losses,
      passed: faults.length === 0,
      faults,
    };
  }

  /** Undoes what was done; the first failure is told after all of it was tried. */
  async end(): Promise<void> {
    this.#options.progress?.("cleaning up", []);
    const failures: unknown[] = [];
    for (const undo of this.#undo.reverse()) {
      try {
        await this.#inTime(Promise.resolve(undo()), "the hub does not answer");
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  async #connect(): Promise<{ impairer: Impairer; peer: Peer }> {
    const { hub, server, join, profile, seed, connectTimeoutMs } = this.#options;
    const target = targetOf(server);
    await requireAnswer(server, target);
    const dataDir = mkdtempSync(joinPath(tmpdir(), "hubctl-verify-"));
    this.#undo.push(() => rmSync(dataDir, { recursive: true, force: true }));
    const { id, token } = await hub.admin.createJoinToken({ ttlMs: 600_000, uses: 1, node: this.#node });
    this.#undo.push(() => hub.admin.revokeJoinToken(id));
    const listen = { host: "127.0.0.1", port: 0 };
    const impairer = await startImpairer({ listen, target, profile: profile.link, seed });
    this.#undo.push(() => impairer.close());
    this.#undo.push(() => this.#forget());
    const near = `wss://127.0.0.1:${impairer.port}`;
    const peer = await this.#parts.startPeer(
      { node: this.#node, dataDir, server: near, join, token },
      this.#load.ears,
    );
    this.#undo.push(() => peer.close());
    await this.#wait("joining", connectTimeoutMs, () => peer.connected);
    if (peer.connected) return { impairer, peer };
    const why = peer.complaint === undefined ? "" : `; it says: ${peer.complaint}`;
    throw new HubError(
      "E_TIMEOUT",
      `the node of the test had no connection after ${connectTimeoutMs} ms${why}`,
    );
  }

  /** A node that never joined is not known. */
  async #forget(): Promise<void> {
    const { hub } = this.#options;
    const isKnown = (await hub.nodes()).some(({ node }) => node === this.#node);
    if (isKnown) await hub.admin.removeNode(this.#node);
  }

  #listen(subscription: Subscription): void {
    this.#undo.push(() => subscription.close());
    const read = async (): Promise<void> => {
      for await (const { message, ack } of subscription) {
        this.#load.heard(numberIn(message));
        ack();
      }
    };
    // What the hub says against it, it says to every publish too.
    read().catch(() => undefined);
  }

  /** @returns Calls off what has not happened yet. */
  #strikes(impairer: Impairer): () => void {
    const { profile, durationMs } = this.#options;
    const { clock } = this.#parts;
    const coming = profile.strikes.flatMap((strike) => {
      const forMs = strike.for * durationMs;
      const begin = (): void => (strike.kind === "cut" ? impairer.cut(forMs) : impairer.freeze());
      const begun = clock.after(strike.at * durationMs, begin);
      if (strike.kind === "cut") return [begun];
      return [begun, clock.after(strike.at * durationMs + forMs, () => impairer.thaw())];
    });
    return () => {
      for (const cancel of coming) cancel();
    };
  }

  /** Rejects with `E_TIMEOUT` if it takes too long. */
  async #inTime<T>(work: Promise<T>, late: string): Promise<T> {
    const given = new AbortController();
    const tooLong = pause(this.#parts.clock, patienceMs, given.signal).then((isOver) => {
      if (isOver) throw new HubError("E_TIMEOUT", `${late} within ${patienceMs / 1_000} s`);
      return work;
    });
    try {
      return await Promise.race([work, tooLong]);
    } finally {
      given.abort();
    }
  }

  /** Until it is so, or so long. Rejects with `E_ABORTED`. */
  async #wait(phase: VerifyPhase, ms: number, isDone: () => boolean): Promise<void> {
    const { signal, progress } = this.#options;
    const { clock } = this.#parts;
    const deadline = clock.now() + ms;
    while (!isDone() && clock.now() < deadline) {
      progress?.(phase, this.#load.reports());
      const left = Math.min(progressEveryMs, Math.max(1, deadline - clock.now()));
      if (!(await pause(clock, left, signal))) throw new HubError("E_ABORTED", "interrupted");
    }
  }
}

/** Rejects with `E_LINK_LOST` if nobody listens there: the weak link in between would hide it. */
async function requireAnswer(server: string, { host, port }: { host: string; port: number }): Promise<void> {
  const socket = connect({ host, port, timeout: patienceMs });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
      socket.once("timeout", () => reject(new Error(`no answer within ${patienceMs / 1_000} s`)));
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HubError("E_LINK_LOST", `the hub's port for nodes, ${server}, does not answer: ${why}`, {
      cause,
    });
  } finally {
    socket.destroy();
  }
}

function targetOf(server: string): { host: string; port: number } {
  const { hostname, port } = new URL(server);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 443) };
}
