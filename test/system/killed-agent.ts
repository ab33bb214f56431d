import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import { Program } from "../support/processes.ts";
import type { Pace } from "./strikes.ts";

/** Numbers from 1 as they arrive, some of them more than once. */
export class Arrivals {
  readonly numbers: number[] = [];
  newest = 0;

  add(number: number): void {
    this.numbers.push(number);
    this.newest = Math.max(this.newest, number);
  }

  /** Every number up to `count` came, the first time in order. @returns How far back a repeat reached. */
  farthestRepeat(count: number): number {
    let newest = 0;
    let farthest = 0;
    for (const number of this.numbers) {
      if (number <= newest) farthest = Math.max(farthest, newest - number);
      else expect(number).toBe(++newest);
    }
    expect(newest).toBe(count);
    return farthest;
  }
}

/** An agent that is killed and started again, and the device beside it. */
export class KilledAgent {
  readonly #args: readonly string[];
  /** `undefined`: it is being started. */
  #program: Program | undefined;
  kills = 0;
  /** Per key, every version in the order in which the agent told of it; and the newest of all keys. */
  readonly versions = new Map<string, number[]>();
  newestVersion = 0;
  /** Commands the node has been given. */
  readonly commands = new Arrivals();
  /** Events the agent has on its disk. */
  accepted = 0;
  #sent = 0;
  #report: ((report: { resources: [string, string][]; outbox: number }) => void) | undefined;

  constructor(args: readonly string[]) {
    this.#args = args;
  }

  async start(): Promise<void> {
    const program = new Program("test/system/agent-with-device.ts", this.#args);
    await new Promise<void>((resolve, reject) => {
      program.onMessage((message) => {
        if ((message as { ready?: true }).ready) resolve();
        else this.#told(message as Record<string, never>);
      });
      void program.ended.then(() => reject(new Error(program.stderr.join("\n"))));
    });
    // What the agent had not confirmed when it died, the device sends again.
    this.#sent = this.accepted;
    this.#program = program;
  }

  async killAndRestart(): Promise<void> {
    this.kills++;
    const program = this.#program;
    this.#program = undefined;
    await program?.kill();
    await this.start();
  }

  /** Sends so many events, ten at a time, at most a hundred ahead of what is confirmed. */
  async sendEvents(events: number, pace: Pace): Promise<void> {
    while (this.accepted < events) {
      await pace.work(this.accepted, events);
      const program = this.#program;
      const upTo = program ? Math.min(this.#sent + 10, this.accepted + 100, events) : 0;
      while (this.#sent < upTo) program?.send({ event: ++this.#sent });
      await pause(4);
    }
  }

  async report(): Promise<{ resources: Map<string, number>; outbox: number }> {
    const report = await new Promise<{ resources: [string, string][]; outbox: number }>((resolve) => {
      this.#report = resolve;
      this.#program?.send({ report: true });
    });
    return {
      resources: new Map(report.resources.map(([key, version]) => [key, Number(version)])),
      outbox: report.outbox,
    };
  }

  stop(): Promise<unknown> {
    return this.#program?.kill() ?? Promise.resolve();
  }

  #told(message: {
    down?: number;
    key?: string;
    version?: string;
    accepted?: number;
    resources?: [string, string][];
    outbox?: number;
  }): void {
    if (message.down !== undefined) this.commands.add(message.down);
    if (message.resources) this.#report?.({ resources: message.resources, outbox: message.outbox ?? 0 });
    if (message.accepted !== undefined) this.accepted = Math.max(this.accepted, message.accepted);
    if (message.key === undefined) return;
    const seen = this.versions.get(message.key) ?? [];
    seen.push(Number(message.version));
    this.newestVersion = Math.max(this.newestVersion, Number(message.version));
    this.versions.set(message.key, seen);
  }
}
