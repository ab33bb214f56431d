import { asHubError, Backoff, HubError, type Message } from "../protocol/index.ts";
import type { Agent } from "./agent.ts";
import type { EdgeModule } from "./dispatcher.ts";

/** Makes a module. @param failed To be called when it cannot go on: it is stopped, and made anew after a pause. */
export type ModuleFactory = (agent: Agent, failed: (error: unknown) => void) => EdgeModule;

const backoff = { minMs: 1_000, maxMs: 60_000 };
/** A module that ran so long starts again without having failed before. */
const healthyMs = 60_000;
const stopTimeoutMs = 5_000;

/** Runs one module: a failing one is started again, alone, after a growing pause; the others notice nothing. */
export class Supervisor {
  readonly name: string;
  readonly groups: readonly string[];
  readonly #agent: Agent;
  readonly #factory: ModuleFactory;
  readonly #backoff: Backoff;
  #module: EdgeModule;
  #running = false;
  #stopped = false;
  #startedAt = 0;
  #changing: Promise<void> = Promise.resolve();
  #cancelRestart: () => void = () => {};

  constructor(agent: Agent, factory: ModuleFactory) {
    this.#agent = agent;
    this.#factory = factory;
    this.#backoff = new Backoff(backoff, () => 0.5 + agent.random() / 2);
    this.#module = this.#make();
    this.name = this.#module.name;
    this.groups = this.#module.groups;
  }

  /** Resolves when the module runs, or has failed to: it is tried again in its own time then. */
  start(): Promise<void> {
    this.#changing = this.#changing.then(() => this.#start());
    return this.#changing;
  }

  /** Rejects with a retryable `E_NO_MODULE` while the module is down. */
  async handle(message: Message, origin: string): Promise<void> {
    if (!this.#running)
      throw new HubError("E_NO_MODULE", `${this.name} is down at the moment`, { retryable: true });
    await this.#module.handle(message, origin);
  }

  connection(connected: boolean): void {
    if (this.#running) this.#module.connection?.(connected);
  }

  async stop(deadline: AbortSignal): Promise<void> {
    this.#stopped = true;
    this.#cancelRestart();
    await this.#changing;
    if (this.#running) await this.#module.stop(deadline);
    this.#running = false;
  }

  #make(): EdgeModule {
    const module: EdgeModule = this.#factory(this.#agent, (error) => this.#failed(module, error));
    return module;
  }

  async #start(): Promise<void> {
    if (this.#stopped) return;
    try {
      await this.#module.start();
    } catch (error) {
      this.#restartLater(error, "a module could not be started");
      return;
    }
    this.#running = true;
    this.#startedAt = this.#agent.clock.now();
    if (this.#agent.connected) this.#module.connection?.(true);
  }

  #failed(module: EdgeModule, error: unknown): void {
    if (module !== this.#module || !this.#running || this.#stopped) return;
    this.#running = false;
    if (this.#agent.clock.now() - this.#startedAt >= healthyMs) this.#backoff.reset();
    this.#changing = this.#changing.then(() => this.#end(module));
    this.#restartLater(error, "a module has failed");
  }

  async #end(module: EdgeModule): Promise<void> {
    const deadline = new AbortController();
    const cancel = this.#agent.clock.after(stopTimeoutMs, () => deadline.abort());
    await module.stop(deadline.signal).catch((error: unknown) => {
      this.#agent.log.warn("a failed module did not stop cleanly", {
        module: this.name,
        error: asHubError(error),
      });
    });
    cancel();
  }

  #restartLater(error: unknown, what: string): void {
    const delayMs = this.#backoff.next();
    this.#agent.log.error(what, {
      module: this.name,
      error: asHubError(error),
      retryInMs: Math.round(delayMs),
    });
    this.#module = this.#make();
    this.#cancelRestart = this.#agent.clock.after(delayMs, () => void this.start());
  }
}
