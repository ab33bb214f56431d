import { setTimeout as pause } from "node:timers/promises";
import type { Impairer } from "../../testbed/impairer/index.ts";
import type { HubProcess } from "../support/processes.ts";
import type { KilledAgent } from "./killed-agent.ts";

/**
 * Keeps work and trouble in step. Each strike has a share of all work, and falls when one kind of work has come to a
 * random point of it: what can be lost is then under way. Work goes on meanwhile, up to the end of the share.
 */
export class Pace {
  readonly #strikes: number;
  #struck = 0;
  #wake: (() => void)[] = [];

  constructor(strikes: number) {
    this.#strikes = strikes;
  }

  /** Waits until work `done` of `total` may be done. */
  async work(done: number, total: number): Promise<void> {
    while (done / total > (this.#struck + 1) / this.#strikes)
      await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  /** @param progress How much of the work is done, 0 to 1. @param point Of the present share, 0 to 1. */
  async strike(progress: () => number, point: number): Promise<void> {
    while (progress() < (this.#struck + 0.9 * point) / this.#strikes) await pause(2);
  }

  struck(): void {
    this.#struck++;
    for (const wake of this.#wake.splice(0)) wake();
  }
}

export type Strike = "hub" | "agent" | "cut" | "freeze" | "controller";

/** Kinds of work, by the step that a message of theirs has come to. */
export type Work = "published" | "applied" | "commands" | "accepted" | "received";

/** Whose steps each kind of trouble could undo: it falls while one of them goes on, each in its turn. */
export const exposedTo: Readonly<Record<Strike, readonly Work[]>> = {
  hub: ["published", "published", "received", "published"],
  agent: ["applied", "commands", "accepted"],
  cut: ["applied", "commands", "received"],
  freeze: ["applied", "commands", "received"],
  controller: ["published", "received"],
};

/** All strikes, in an order of chance. */
export function strikesOf(random: () => number): Strike[] {
  const counts = { hub: 8, agent: 8, cut: 6, freeze: 6, controller: 6 } as const;
  const all = Object.entries(counts).flatMap(([strike, count]) =>
    Array.from({ length: count }, () => strike as Strike),
  );
  return all
    .map((strike) => ({ strike, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ strike }) => strike);
}

/** What can be struck: two processes, the node's link and the controller's. */
export interface Targets {
  readonly hub: HubProcess;
  readonly agent: KilledAgent;
  readonly link: Impairer;
  readonly controllerLink: Impairer;
}

/** Does the harm, and undoes what of it does not undo itself. */
export async function strikeAt(
  { hub, agent, link, controllerLink }: Targets,
  strike: Strike,
  random: () => number,
): Promise<void> {
  switch (strike) {
    case "hub":
      return await hub.killAndRestart();
    case "agent":
      return await agent.killAndRestart();
    case "cut":
      return link.cut(random() * 300);
    case "controller":
      return controllerLink.cut(random() * 300);
    case "freeze": {
      const dice = random();
      link.freeze(dice < 0.35 ? "up" : dice < 0.7 ? "down" : undefined);
      await pause(random() * 400);
      return link.thaw();
    }
    default:
      return strike satisfies never;
  }
}
