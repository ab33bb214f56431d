import { KeyedLanes } from "../platform/keyed-lanes.ts";
import { HubError, type Message } from "../protocol/index.ts";

export type ModuleName = "metamanager" | "edged" | "eventbus" | "devicetwin" | "servicebus" | (string & {});

/** What the dispatcher needs to know about a module. */
export interface EdgeModule {
  readonly name: ModuleName;
  start(): Promise<void>;
  /**
   * Takes a message from the cloud. Resolves when it is durable or done, which acks it; rejects with a
   * HubError to refuse it.
   *
   * @param origin The store that numbered its version.
   */
  handle(message: Message, origin: string): Promise<void>;
  /** The link to the cloud has come up or gone. */
  connection?(connected: boolean): void;
  /** Ends what it does; the signal says when patience is over. */
  stop(deadline: AbortSignal): Promise<void>;
}

/** A message's way to its module, by group; per resource one after the other. */
export class Dispatcher {
  readonly #modules = new Map<string, EdgeModule>();
  readonly #lanes = new KeyedLanes();

  /** @param group The group whose messages the module takes. */
  route(group: string, module: EdgeModule): void {
    this.#modules.set(group, module);
  }

  /** Resolves when the module has taken it. Rejects with `E_NO_MODULE`, or with what the module says. */
  async dispatch(message: Message, origin: string): Promise<void> {
    const module = this.#modules.get(message.group);
    if (module === undefined)
      throw new HubError("E_NO_MODULE", `this node has no module for group ${message.group}`);
    if (module.name === "metamanager") return await module.handle(message, origin);
    await this.#lanes.run(`${module.name} ${message.resource.path}`, () => module.handle(message, origin));
  }

  /** Resolves when no message is being handled. */
  idle(): Promise<void> {
    return this.#lanes.idle();
  }
}
