import { type Logger, OncePer } from "../../platform/logger.ts";
import { HubError, type Message } from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import type { EdgeModule } from "../dispatcher.ts";
import { type LocalServer, listenLocally } from "../local-http.ts";
import type { ModuleFactory } from "../supervisor.ts";
import { ChangeLog } from "./change-log.ts";
import { CloudApi } from "./cloud-api.ts";
import { FetchedObjects } from "./fetched-objects.ts";
import { LocalObjects } from "./local-objects.ts";
import { MetaApi } from "./meta-api.ts";
import { ObjectReads } from "./object-reads.ts";
import type { OpenLog } from "./pod-log.ts";
import type { TokenRequests } from "./token-requests.ts";
import { Watches } from "./watches.ts";

export interface MetaServerOptions {
  readonly server: string;
  readonly port: number;
  readonly cloudTimeoutMs: number;
  readonly maxBodyBytes: number;
  readonly maxWatches: number;
  readonly watchStallMs: number;
  readonly watchBytes: number;
}

/** Changes a watch can go on from. */
const logLimits = { changes: 10_000, bytes: 8 << 20 };
/** Connections beside those of watches. */
const otherConnections = 1_000;

/** A Kubernetes API for the programs of this node. */
export class MetaServer implements EdgeModule {
  readonly name = "metaserver";
  readonly groups = [];
  readonly #options: MetaServerOptions;
  readonly #log: Logger;
  readonly #failed: (error: unknown) => void;
  readonly #cloud: CloudApi;
  readonly #watches: Watches;
  readonly #api: MetaApi;
  #server: LocalServer | undefined;

  /** @param openLog Where logs of this node's containers are found. */
  constructor(agent: Agent, failed: (error: unknown) => void, options: MetaServerOptions, openLog: OpenLog) {
    const { clock, log, store } = agent;
    this.#options = options;
    this.#log = log;
    this.#failed = failed;
    this.#cloud = new CloudApi(agent, options.cloudTimeoutMs);
    const changes = new ChangeLog(logLimits, clock.wallTime());
    const objects = new LocalObjects(store, changes);
    const shared = { clock, cloud: this.#cloud, objects };
    this.#watches = new Watches(
      { ...shared, store, log: changes },
      { maxWatches: options.maxWatches, pendingBytes: options.watchBytes, stalledMs: options.watchStallMs },
    );
    const reads = new ObjectReads({ ...shared, fetched: new FetchedObjects(store), log: changes });
    const once = new OncePer(clock, 60_000);
    const tokenParts = { ...shared, node: agent.node, store };
    let loading: Promise<TokenRequests> | undefined;
    const tokenRequests = () => {
      loading ??= import("./token-requests.ts").then((loaded) => new loaded.TokenRequests(tokenParts));
      return loading;
    };
    const parts = { ...shared, log, once, reads, watches: this.#watches, openLog, tokenRequests };
    this.#api = new MetaApi(parts, options.maxBodyBytes);
  }

  /** Where it listens; `undefined`: it does not run. */
  get port(): number | undefined {
    return this.#server?.port;
  }

  /** Watches open now. */
  get watches(): number {
    return this.#watches.size;
  }

  async start(): Promise<void> {
    const { server: host, port, maxWatches } = this.#options;
    this.#server = await listenLocally(
      { host, port, maxConnections: maxWatches + otherConnections },
      (request, response) => this.#api.answer(request, response),
      this.#failed,
    );
    this.#watches.start();
    this.#log.info("MetaServer listens", { host, port: this.#server.port });
  }

  handle({ group }: Message): Promise<void> {
    return Promise.reject(new HubError("E_NO_MODULE", `MetaServer takes no messages of group ${group}`));
  }

  connection(connected: boolean): void {
    this.#cloud.connection(connected);
  }

  async stop(): Promise<void> {
    this.#watches.stop();
    this.#cloud.close();
    await this.#server?.close();
    this.#server = undefined;
  }
}

/** MetaServer for the agent's modules. */
export function metaServerModule(options: MetaServerOptions, openLog: OpenLog): ModuleFactory {
  return (agent, failed) => new MetaServer(agent, failed, options, openLog);
}
