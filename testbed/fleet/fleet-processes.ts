import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { HubError } from "../../protocol/index.ts";
import { Histogram } from "../histogram.ts";
import type { FleetCount, FleetOrder } from "./fleet-nodes.ts";
import type { WorkerOrder } from "./worker.ts";

const script = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url),
);

/** What all nodes of all processes have seen. */
export interface FleetSum extends Omit<FleetCount, "connectMs"> {
  readonly connectMs: Histogram;
}

/** Simulated nodes in processes of their own, one for each order. */
export class FleetProcesses {
  readonly #children: readonly ChildProcess[];
  /** Rejects when one of them ends before it is told to. */
  readonly #broken: Promise<never>;
  #ending = false;

  constructor(count: number) {
    this.#children = Array.from({ length: count }, () =>
      // In a group of its own: Ctrl-C reaches all processes of a terminal, and this one is to say when it is over.
      fork(script, { stdio: ["ignore", "ignore", "pipe", "ipc"], detached: true }),
    );
    this.#broken = Promise.race(this.#children.map((child) => this.#watch(child)));
    this.#broken.catch(() => undefined);
  }

  /** Resolves when each has tried to connect all of its nodes. Rejects with `E_INTERNAL` if a process dies. */
  async connect(orders: readonly FleetOrder[]): Promise<void> {
    await Promise.all(
      this.#children.map((child, i) => this.#ask(child, orders[i] as FleetOrder, isConnected)),
    );
    this.#tell("start");
  }

  /** So many nodes lose their connection. */
  cut(count: number): void {
    const share = Math.floor(count / this.#children.length);
    this.#children.forEach((child, i) => {
      const more = i < count % this.#children.length ? 1 : 0;
      if (share + more > 0) this.#send(child, { cut: share + more });
    });
  }

  async counts(): Promise<FleetSum> {
    const all = await Promise.all(this.#children.map((child) => this.#ask(child, "count", isCount)));
    const connectMs = new Histogram();
    for (const one of all) connectMs.add(one.connectMs);
    const sum = (of: (one: FleetCount) => number): number => all.reduce((total, one) => total + of(one), 0);
    return {
      count: sum((one) => one.count),
      connected: sum((one) => one.connected),
      connects: sum((one) => one.connects),
      failures: sum((one) => one.failures),
      failure: all.findLast(({ failure }) => failure !== undefined)?.failure,
      connectMs,
    };
  }

  async end(): Promise<void> {
    this.#ending = true;
    const ended = this.#children
      .filter((child) => child.exitCode === null && child.signalCode === null)
      .map(async (child) => {
        const exit = once(child, "exit");
        child.kill("SIGKILL");
        await exit;
      });
    await Promise.all(ended);
  }

  async #watch(child: ChildProcess): Promise<never> {
    let words = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      words = `${words}${chunk}`.slice(-1_000);
    });
    await once(child, "exit");
    // Who is told to end is not waited for.
    if (this.#ending) await new Promise(() => undefined);
    throw new HubError("E_INTERNAL", `a process of simulated nodes has ended: ${words.trim()}`);
  }

  #tell(order: WorkerOrder): void {
    for (const child of this.#children) this.#send(child, order);
  }

  /** A fleet that is connecting counts all the same, so that its answers may come in any order. */
  async #ask<T>(
    child: ChildProcess,
    order: WorkerOrder,
    isAnswer: (message: unknown) => message is T,
  ): Promise<T> {
    const { promise: answer, resolve } = Promise.withResolvers<T>();
    const hear = (message: unknown): void => {
      if (!isAnswer(message)) return;
      child.off("message", hear);
      resolve(message);
    };
    child.on("message", hear);
    this.#send(child, order);
    return await Promise.race([answer, this.#broken]);
  }

  #send(child: ChildProcess, order: WorkerOrder): void {
    // Of one that has just ended, its end tells.
    if (!this.#ending && child.connected) child.send(order, () => undefined);
  }
}

const isConnected = (message: unknown): message is { connected: number } => !isCount(message);
const isCount = (message: unknown): message is FleetCount => Object.hasOwn(message as object, "connectMs");
