import { event, HubError, type Message } from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import type { EdgeModule } from "../dispatcher.ts";
import type { ModuleFactory } from "../supervisor.ts";
import { InboundApi, type InboundOptions } from "./inbound-api.ts";
import { LinkWait } from "./link-wait.ts";
import { servicePriority } from "./priority.ts";
import { type CallOptions, ServiceCalls } from "./service-calls.ts";
import { TargetUrls } from "./target-urls.ts";

export type ServiceBusOptions = CallOptions & InboundOptions;

/** HTTP in both directions: the cloud calls services of this node, programs of this node call the cloud. */
export class ServiceBus implements EdgeModule {
  readonly name = "servicebus";
  readonly groups = ["user/router_servicebus"];
  readonly #agent: Agent;
  readonly #timeoutMs: number;
  readonly #calls: ServiceCalls;
  readonly #targets: TargetUrls;
  readonly #inbound: InboundApi;
  readonly #link: LinkWait;

  constructor(agent: Agent, options: ServiceBusOptions) {
    const { clock, log, random } = agent;
    this.#agent = agent;
    this.#timeoutMs = options.timeoutMs;
    this.#calls = new ServiceCalls(agent, options);
    this.#targets = new TargetUrls(agent.store.database);
    this.#link = new LinkWait(clock);
    this.#inbound = new InboundApi(
      {
        clock,
        log,
        random,
        allowed: (url) => this.#targets.has(url),
        ask: (url, body, signal) => this.#ask(url, body, signal),
      },
      options,
    );
  }

  /** Where local programs reach it; `undefined`: no rule of the cloud asks for it. */
  get inboundPort(): number | undefined {
    return this.#inbound.port;
  }

  async start(): Promise<void> {
    this.#calls.resume();
    await this.#inbound.want(!this.#targets.isEmpty);
  }

  async handle(message: Message): Promise<void> {
    const { operation, resource } = message;
    if (operation !== "start" && operation !== "stop") return await this.#calls.take(message);
    if (resource.path === "") throw new HubError("E_BAD_RESOURCE", `${operation} names no target URL`);
    await this.#agent.store.write(() => {
      if (operation === "start") this.#targets.add(resource.path);
      else this.#targets.remove(resource.path);
    });
    await this.#inbound.want(!this.#targets.isEmpty);
  }

  connection(connected: boolean): void {
    if (connected) this.#link.up();
  }

  async stop(deadline: AbortSignal): Promise<void> {
    await this.#inbound.want(false);
    await this.#calls.stop(deadline);
  }

  /** While the link is down the call waits for it, as long as for an answer. */
  async #ask(url: string, body: Buffer, signal: AbortSignal): Promise<Message> {
    const { clock } = this.#agent;
    const giveUpAt = clock.now() + this.#timeoutMs;
    if (!this.#agent.connected) await this.#link.wait(this.#timeoutMs, signal);
    const timeoutMs = Math.max(giveUpAt - clock.now(), 1);
    return await this.#agent.request(
      {
        source: "servicebus",
        group: "user",
        operation: "upload",
        resource: url,
        content: body.toString("base64"),
        delivery: event({ ttlMs: timeoutMs, priority: servicePriority }),
      },
      { timeoutMs, signal, onlyNow: true },
    );
  }
}

/** ServiceBus for the agent's modules. */
export function serviceBusModule(options: ServiceBusOptions): ModuleFactory {
  return (agent) => new ServiceBus(agent, options);
}
