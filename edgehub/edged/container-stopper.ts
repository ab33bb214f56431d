import { type Clock, pause } from "../../platform/clock.ts";
import { passes } from "./check.ts";
import type { Container } from "./pod.ts";
import type { Action } from "./pod-view.ts";
import type { Runtime } from "./runtime.ts";

export type StopAction = Extract<Action, { do: "stopContainer" }>;

/** A stop that is under way. */
interface Stop {
  readonly id: string;
  graceSeconds: number;
  readonly hastened: PromiseWithResolvers<void>;
}

/** A container is given so long to end even if its preStop hook, or its turn, took all of its grace. */
const leastGraceSeconds = 2;

/** Ends containers of a pod: hooks first, each container in its turn, and sooner if the pod turns out to be in a hurry. */
export class ContainerStopper {
  readonly #clock: Clock;
  readonly #runtime: Runtime;
  readonly #stops = new Set<Stop>();

  constructor({ clock, runtime }: { clock: Clock; runtime: Runtime }) {
    this.#clock = clock;
    this.#runtime = runtime;
  }

  /**
   * Rejects if one of them could not be stopped; the others are, then.
   *
   * @param containers Of the pod, by name: their hooks are run. @param address Of the pod.
   */
  async stopAll(
    actions: readonly StopAction[],
    { containers, address }: { containers: ReadonlyMap<string, Container>; address: string },
  ): Promise<void> {
    const ended: Promise<void>[] = [];
    for (const action of actions.toSorted((a, b) => a.turn - b.turn)) {
      const before = actions.filter((other) => other.turn < action.turn).length;
      const earlier = Promise.allSettled(ended.slice(0, before));
      ended.push(this.#stop(action, earlier, { container: containers.get(action.name), address }));
    }
    const failed = (await Promise.allSettled(ended)).find((one) => one.status === "rejected");
    if (failed) throw failed.reason;
  }

  /** What ends at the moment is to end within so many seconds from now. */
  hasten(graceSeconds: number): void {
    for (const stop of this.#stops) {
      if (graceSeconds >= stop.graceSeconds) continue;
      stop.graceSeconds = graceSeconds;
      // If that fails, the end it was promised still comes.
      this.#runtime.stopContainer(stop.id, graceSeconds).then(stop.hastened.resolve, () => undefined);
    }
  }

  async #stop(
    { id, graceSeconds }: StopAction,
    earlier: Promise<unknown>,
    { container, address }: { container: Container | undefined; address: string },
  ): Promise<void> {
    const stop: Stop = { id, graceSeconds, hastened: Promise.withResolvers() };
    this.#stops.add(stop);
    const gentle = async (): Promise<void> => {
      const endsAt = this.#clock.now() + graceSeconds * 1_000;
      await this.#preStop(container, id, address, graceSeconds);
      await this.#turn(earlier, endsAt);
      const left = Math.ceil((endsAt - this.#clock.now()) / 1_000);
      await this.#runtime.stopContainer(id, Math.max(left, Math.min(graceSeconds, leastGraceSeconds)));
    };
    try {
      await Promise.race([gentle(), stop.hastened.promise]);
    } finally {
      this.#stops.delete(stop);
    }
  }

  /** As long as there is grace, those whose turn is earlier end first. */
  async #turn(earlier: Promise<unknown>, endsAt: number): Promise<void> {
    const over = new AbortController();
    await Promise.race([earlier, pause(this.#clock, endsAt - this.#clock.now(), over.signal)]);
    over.abort();
  }

  async #preStop(
    container: Container | undefined,
    id: string,
    address: string,
    graceSeconds: number,
  ): Promise<void> {
    if (container?.preStop === undefined || graceSeconds === 0) return;
    const target = { id, container, address, timeoutMs: graceSeconds * 1_000 };
    await passes({ clock: this.#clock, runtime: this.#runtime }, container.preStop, target);
  }
}
