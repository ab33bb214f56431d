import { KeyedLanes } from "../platform/keyed-lanes.ts";
import { HubError, type Message } from "../protocol/index.ts";
import type { Requests } from "./requests.ts";

export type ModuleName = "metamanager" | "edged" | "eventbus" | "devicetwin" | "servicebus" | (string & {});

/** What the dispatcher needs to know about a module. */
export interface EdgeModule {
  readonly name: ModuleName;
  /** Groups whose messages it takes. */
  readonly groups: readonly string[];
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

/** Of a module, what a message needs. */
type Handler = Pick<EdgeModule, "name" | "groups" | "handle">;

/** A message's way to its module; per resource one after the other. */
export class Dispatcher {
  readonly #modules = new Map<string, Handler>();
  readonly #requests: Requests;
  readonly #lanes = new KeyedLanes();

  constructor(requests: Requests) {
    this.#requests = requests;
  }

  /** The module takes the messages of its groups. */
  add(module: Handler): void {
    for (const group of module.groups) this.#modules.set(group, module);
  }

  /** Resolves when the module has taken it. Rejects with `E_NO_MODULE`, or with what the module says. */
  async dispatch(message: Message, origin: string): Promise<void> {
    if (isAnswer(message) && this.#requests.resolve(message)) return;
    const module = this.#moduleFor(message);
    if (module === undefined)
      throw new HubError("E_NO_MODULE", `this node has no module for group ${message.group}`);
    if (module.name === "metamanager") return await module.handle(message, origin);
    await this.#lanes.run(`${module.name} ${message.resource.path}`, () => module.handle(message, origin));
  }

  /** Resolves when no message is being handled. */
  idle(): Promise<void> {
    return this.#lanes.idle();
  }

  /** Group `user` is shared: whom a message is for stands in its source, as at KubeEdge. */
  #moduleFor({ group, source }: Message): Handler | undefined {
    return this.#modules.get(`${group}/${source}`) ?? this.#modules.get(group);
  }
}

/** Answers of group `twin` are confirmations, for DeviceTwin itself. */
function isAnswer({ parentId, group }: Message): boolean {
  return parentId !== undefined && group !== "twin";
}
