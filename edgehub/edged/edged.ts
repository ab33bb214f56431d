import { join } from "node:path";
import { HubError, type Message } from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import type { EdgeModule } from "../dispatcher.ts";
import type { MetaChange } from "../store/edge-store.ts";
import { AccountTokens } from "./account-tokens.ts";
import { CloudObjects } from "./cloud-objects.ts";
import { ContainerStarter } from "./container-starter.ts";
import { Evictor } from "./evictor.ts";
import { Housekeeper } from "./housekeeper.ts";
import type { MachineFacts } from "./machine.ts";
import { NodeReporter } from "./node-reporter.ts";
import type { EdgedOptions } from "./options.ts";
import { isBad, type Pod } from "./pod.ts";
import { PodLoop } from "./pod-loop.ts";
import { PodMemories } from "./pod-memory.ts";
import type { PodStatus } from "./pod-status.ts";
import { historyOf } from "./pod-view.ts";
import { Prober } from "./prober.ts";
import type { ExecResult, Runtime, RuntimeContainer } from "./runtime.ts";
import { RuntimeWatch } from "./runtime-watch.ts";
import { Volumes } from "./volumes.ts";
import { WantedPods } from "./wanted-pods.ts";

export interface EdgedParts {
  readonly runtime: Runtime;
  readonly facts: MachineFacts;
}

/** A pod of this node, for people. */
export interface PodSummary {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly isEnding: boolean;
  /** `undefined`: nothing is known yet. */
  readonly status: PodStatus | undefined;
}

/** Which container is meant. */
export interface ContainerPlace {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/**
 * The pods of this node, and what the cloud is told of the node itself. Pods come and go by the store alone, so it
 * needs no link, and after a restart it goes on from what is stored.
 */
export class Edged implements EdgeModule {
  readonly name = "edged";
  readonly groups = [];
  readonly #agent: Agent;
  readonly #runtime: Runtime;
  readonly #stop = new AbortController();
  readonly #watch: RuntimeWatch;
  readonly #wanted: WantedPods;
  readonly #objects: CloudObjects;
  readonly #tokens: AccountTokens;
  readonly #prober: Prober;
  readonly #loop: PodLoop;
  readonly #reporter: NodeReporter;
  #unfollow: () => void = () => {};

  /** @param options `rootDirectory` is absolute: volumes and logs. */
  constructor(agent: Agent, { runtime, facts }: EdgedParts, options: EdgedOptions) {
    const { rootDirectory } = options;
    const logRoot = join(rootDirectory, "logs");
    const volumes = new Volumes(rootDirectory, runtime.name === "cri");
    const contextOf = (pod: Pod, podIp: string) => ({
      find: (kind: "configmap" | "secret", name: string) => this.#objects.find(kind, pod.namespace, name),
      isAwaited: (kind: "configmap" | "secret", name: string) =>
        this.#objects.isAwaited(kind, pod.namespace, name),
      token: (audience: string, seconds: number) => this.#tokens.find(pod, audience, seconds),
      nodeName: agent.node,
      hostIp: facts.hostIp(),
      podIp,
      allocatable: facts.allocatable(),
    });
    this.#agent = agent;
    this.#runtime = runtime;
    this.#watch = new RuntimeWatch(runtime, agent);
    this.#wanted = new WantedPods(agent);
    this.#objects = new CloudObjects(agent, this.#stop.signal);
    this.#tokens = new AccountTokens(agent, this.#objects, () => this.#loop.refreshVolumes());
    this.#prober = new Prober({
      clock: agent.clock,
      log: agent.log,
      runtime,
      changed: () => this.#loop.soon(),
    });
    const housekeeper = new Housekeeper({ agent, runtime, volumes, logRoot }, options);
    const place = { agent, runtime, housekeeper, rootDirectory, free: facts.free };
    const evictor = new Evictor(place, options.eviction);
    this.#loop = new PodLoop(
      {
        agent,
        runtime,
        volumes,
        contextOf,
        memories: new PodMemories(agent.store),
        starter: new ContainerStarter({ clock: agent.clock, runtime, volumes, logRoot, contextOf }),
        prober: this.#prober,
        watch: this.#watch,
        wanted: this.#wanted,
        housekeeper,
        evictor,
        hostIp: facts.hostIp,
        idScheme: () => this.#watch.version.split(" ")[0] ?? "",
        stop: this.#stop.signal,
      },
      options,
    );
    const reporting = { agent, facts, runtime, watch: this.#watch, rootDirectory, evictor };
    this.#reporter = new NodeReporter(reporting, options, this.#stop.signal);
  }

  start(): Promise<void> {
    this.#unfollow = this.#agent.store.onChange((change) => this.#changed(change));
    this.#loop.start();
    return Promise.resolve();
  }

  /** All it needs comes through the store. */
  handle(message: Message): Promise<void> {
    return Promise.reject(new HubError("E_NO_MODULE", `Edged takes no messages, ${message.resource.path}`));
  }

  connection(connected: boolean): void {
    this.#reporter.connection(connected);
    if (!connected) return;
    this.#objects.connected();
    this.#tokens.connected();
    this.#loop.connected();
  }

  /** Ends what it does here; the pods run on. */
  async stop(deadline: AbortSignal): Promise<void> {
    this.#stop.abort();
    this.#unfollow();
    await this.#loop.stop(deadline);
    this.#prober.keep(new Set());
    await this.#runtime.close();
  }

  /** Why pods cannot be driven at the moment; `undefined`: they can. */
  get runtimeProblem(): string | undefined {
    return this.#watch.problem;
  }

  pods(): PodSummary[] {
    return this.#wanted.all().flatMap((pod) => {
      const identity = isBad(pod) ? pod.identity : pod;
      if (identity === undefined) return [];
      const { namespace, name, uid } = identity;
      const isEnding = isBad(pod) ? pod.isEnding : pod.deletion !== undefined;
      return [{ namespace, name, uid, isEnding, status: this.#loop.statusOf(uid) }];
    });
  }

  /** The log file of a container's newest run. Rejects with `E_NOT_FOUND`. */
  async logPath(place: ContainerPlace): Promise<string> {
    return (await this.#containerAt(place)).logPath;
  }

  /** Runs a command in a container, to its end. Rejects with `E_NOT_FOUND`, or as the runtime. */
  async exec(place: ContainerPlace, command: readonly string[], timeoutMs: number): Promise<ExecResult> {
    const { id } = await this.#containerAt(place);
    return await this.#runtime.exec(id, command, timeoutMs);
  }

  async #containerAt({ namespace, pod, container }: ContainerPlace): Promise<RuntimeContainer> {
    const running = (await this.#runtime.pods()).filter(
      (one) => one.namespace === namespace && one.name === pod,
    );
    const found = historyOf(running, container)[0];
    if (found) return found;
    throw new HubError("E_NOT_FOUND", `pod ${namespace}/${pod} has no container ${container} on this node`);
  }

  #changed({ type, key }: MetaChange): void {
    if (type === "configmap" || type === "secret") this.#loop.refreshVolumes();
    if (type !== "pod") return;
    this.#wanted.changed(key);
    this.#loop.soon();
  }
}
