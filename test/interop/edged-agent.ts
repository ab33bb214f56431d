import { setTimeout as pause } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { ProcessRuntime } from "../../edgehub/edged/process-runtime.ts";
import { type EdgeHub, type EdgeOptionsInput, startEdge } from "../../edgehub/index.ts";
import { systemClock } from "../../platform/clock.ts";
import { type Fields, silentLogger } from "../../platform/logger.ts";
import { temporaryDirectory } from "../support/processes.ts";
import { LeapingClock } from "./leaping-clock.ts";
import type { RawWebSocket } from "./raw-websocket.ts";
import { ScriptedCloudcore } from "./scripted-cloudcore.ts";
import { StockCloud, switching } from "./stock-cloud.ts";
import { recordingLogger } from "./test-agent.ts";

export interface EdgedWorldOptions {
  readonly namespace?: "default" | "null";
  readonly edge?: EdgeOptionsInput;
}

/** An agent with Edged, whose pods are plain processes, a cloudcore as it was recorded, and time that a test pushes. */
export class EdgedWorld {
  readonly core: ScriptedCloudcore;
  readonly clock = new LeapingClock();
  readonly directory: string;
  readonly logged: (Fields & { readonly event: string })[] = [];
  readonly links: RawWebSocket[] = [];
  /** The cloud is away: it says so to whoever dials. */
  isAway = false;
  readonly #cloud: StockCloud;
  readonly #options: EdgedWorldOptions;

  private constructor(options: EdgedWorldOptions, core: ScriptedCloudcore, cloud: StockCloud) {
    this.#options = options;
    this.core = core;
    this.#cloud = cloud;
    const { path, remove } = temporaryDirectory();
    this.directory = path;
    onTestFinished(remove);
    onTestFinished(() => this.#endPods());
  }

  static async start(options: EdgedWorldOptions = {}): Promise<EdgedWorld> {
    const core = new ScriptedCloudcore(options.namespace);
    const cloud = await StockCloud.start({
      onLink: (link) => {
        world.links.push(link);
        core.serve(link);
      },
      answer: (accept) =>
        world.isAway ? "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n" : switching(accept),
    });
    const world = new EdgedWorld(options, core, cloud);
    return world;
  }

  /** Starts the agent, or another one on the same directory. */
  async agent(): Promise<EdgeHub> {
    const { namespace = "default", edge } = this.#options;
    const { ports, token } = this.#cloud;
    const agent = await startEdge(
      {
        node: "edge-a",
        dataDir: this.directory,
        store: { synchronous: "normal" },
        eventBus: { enable: false },
        edged: { enable: true, runtime: "process", syncMs: 50, namespace },
        ...edge,
        hub: {
          server: `wss://127.0.0.1:${ports.nodes}`,
          join: `https://127.0.0.1:${ports.join}`,
          token,
          reconnectMinMs: 10,
          reconnectMaxMs: 50,
        },
      },
      { clock: this.clock, log: recordingLogger(this.logged), addresses: () => [] },
    );
    onTestFinished(() => agent.close());
    return agent;
  }

  /** The link that is up. */
  get link(): RawWebSocket {
    return this.links.at(-1) as RawWebSocket;
  }

  /** Lets time pass, with answers of the cloud in between. */
  async pass(ms: number, stepMs = 1_000): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      await this.clock.leap(Math.min(stepMs, ms - passed));
      await pause(5);
    }
  }

  async #endPods(): Promise<void> {
    const root = `${this.directory}/edged/process`;
    const runtime = new ProcessRuntime({ clock: systemClock, log: silentLogger }, root);
    for (const { sandboxId } of await runtime.pods()) await runtime.removeSandbox(sandboxId);
    await runtime.close();
  }
}
