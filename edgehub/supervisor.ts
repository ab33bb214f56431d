import { asHubError, Backoff, HubError, type Message } from "../protocol/index.ts";
import type { Agent } from "./agent.ts";
import type { EdgeModule } from "./dispatcher.ts";

/** Makes a module. @param failed To be called when it cannot go on: it is stopped, and made anew after a pause. */
export type ModuleFactory = (agent: Agent, failed: (error: unknown) => void) => EdgeModule;

const backoff = { minMs: 1_000, maxMs: 60_000 };
/** A module that ran so long starts again without having failed before. */
const healthyMs = 60_000;
/** A failed module has so long to come to an end. */
const stopTimeoutMs = 5_000;
/** The agent waits so long for a module to start; then it goes on, and the module comes when it comes. */
const startPatienceMs = 10_000;

/**
 * Runs one module: a failing one is started again, alone, after a growing pause; the others notice nothing.
 *
 * made → starting → running → ended, and made anew; starting and running end with the first failure.
 */
export class Supervisor {
  readonly name: string;
  readonly groups: readonly string[];
  readonly #agent: Agent;
  readonly #factory: ModuleFactory;
  readonly #backoff: Backoff;
  #module: EdgeModule;
  #state: "made" | "starting" | "running" | "ended" = "made";
  #stopped = false;
  /** Why it failed while it was starting. */
  #failure: { readonly error: unknown } | undefined;
  /** Of messages it has not answered: a module that is gone answers none. */
  readonly #abandon = new Set<(error: HubError) => void>();
  #startedAt = 0;
  /** Starts and ends follow one another. */
  #changing: Promise<void> = Promise.resolve();
  #cancelRestart: () => void = () => {};

  /** Throws what the factory throws. */
  constructor(agent: Agent, factory: ModuleFactory) {
    this.#agent = agent;
    this.#factory = factory;
    this.#backoff = new Backoff(backoff, () => 0.5 + agent.random() / 2);
    this.#module = this.#make();
    this.name = this.#module.name;
    this.groups = this.#module.groups;
  }

  /** Resolves when the module runs, has failed to, or takes long: it comes in its own time then. Never rejects. */
  async start(): Promise<void> {
    const { clock, log } = this.#agent;
    this.#changing = this.#changing.then(() => this.#start());
    const late = Promise.withResolvers<void>();
    const cancel = clock.after(startPatienceMs, () => {
      log.warn("a module takes long to start; the others do not wait for it", { module: this.name });
      late.resolve();
    });
    await Promise.race([this.#changing, late.promise]);
    cancel();
  }

  /** Rejects with a retryable `E_NO_MODULE` while the module is down, or when it goes down before it is done. */
  async handle(message: Message, origin: string): Promise<void> {
    if (this.#state !== "running") throw this.#isDown();
    const done = Promise.withResolvers<void>();
    this.#abandon.add(done.reject);
    try {
      this.#module.handle(message, origin).then(done.resolve, done.reject);
      await done.promise;
    } finally {
      this.#abandon.delete(done.reject);
    }
  }

  connection(connected: boolean): void {
    if (this.#state !== "running") return;
    try {
      this.#module.connection?.(connected);
    } catch (error) {
      this.#failed(this.#module, error);
    }
  }

  /** Resolves when the module has ended, or when patience is over. Never rejects. */
  async stop(deadline: AbortSignal): Promise<void> {
    this.#stopped = true;
    this.#cancelRestart();
    await untilAborted(this.#changing, deadline);
    if (this.#state !== "running") return;
    this.#state = "ended";
    await this.#stopModule(deadline);
  }

  #make(): EdgeModule {
    const module: EdgeModule = this.#factory(this.#agent, (error) => this.#failed(module, error));
    return module;
  }

  async #start(): Promise<void> {
    if (this.#stopped) return;
    try {
      if (this.#state === "ended") this.#module = this.#make();
    } catch (error) {
      this.#restartLater(error, "a module could not be made");
      return;
    }
    this.#state = "starting";
    this.#failure = undefined;
    try {
      await this.#module.start();
    } catch (error) {
      this.#failure ??= { error };
    }
    if (this.#failure !== undefined) {
      const { error } = this.#failure;
      this.#state = "ended";
      await this.#end();
      this.#restartLater(error, "a module could not be started");
      return;
    }
    this.#state = "running";
    this.#startedAt = this.#agent.clock.now();
    if (this.#agent.connected) this.connection(true);
  }

  #failed(module: EdgeModule, error: unknown): void {
    if (module !== this.#module || this.#stopped) return;
    if (this.#state === "starting") this.#failure ??= { error };
    if (this.#state !== "running") return;
    this.#state = "ended";
    if (this.#agent.clock.now() - this.#startedAt >= healthyMs) this.#backoff.reset();
    for (const abandon of this.#abandon) abandon(this.#isDown());
    this.#changing = this.#changing.then(() => this.#end());
    this.#restartLater(error, "a module has failed");
  }

  async #end(): Promise<void> {
    const deadline = new AbortController();
    const cancel = this.#agent.clock.after(stopTimeoutMs, () => deadline.abort());
    await this.#stopModule(deadline.signal);
    cancel();
  }

  async #stopModule(deadline: AbortSignal): Promise<void> {
    const { log } = this.#agent;
    try {
      await untilAborted(this.#module.stop(deadline), deadline);
    } catch (error) {
      log.warn("a module did not stop cleanly", { module: this.name, error: asHubError(error) });
    }
  }

  #restartLater(error: unknown, what: string): void {
    if (this.#stopped) return;
    const { clock, log } = this.#agent;
    const delayMs = this.#backoff.next();
    log.error(what, { module: this.name, error: asHubError(error), retryInMs: Math.round(delayMs) });
    this.#cancelRestart = clock.after(delayMs, () => void this.start());
  }

  #isDown(): HubError {
    return new HubError("E_NO_MODULE", `${this.name} is down at the moment`, { retryable: true });
  }
}

/** Settles as the work does, or resolves when patience is over. */
async function untilAborted(work: Promise<void>, deadline: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>();
  const end = (): void => over.resolve();
  deadline.addEventListener("abort", end, { once: true });
  if (deadline.aborted) end();
  try {
    await Promise.race([work, over.promise]);
  } finally {
    deadline.removeEventListener("abort", end);
  }
}
