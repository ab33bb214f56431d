import { resolve } from "node:path";
import type { Agent } from "../agent.ts";
import type { ModuleFactory } from "../supervisor.ts";
import { Edged } from "./edged.ts";
import { machineFacts } from "./machine.ts";
import type { EdgedOptions } from "./options.ts";
import type { Runtime } from "./runtime.ts";

/** Edged with the runtime that the configuration names; code of the other one is not loaded. */
export async function edgedModule(options: EdgedOptions, dataDir: string): Promise<ModuleFactory> {
  const rootDirectory = resolve(options.rootDirectory || `${dataDir}/edged`);
  const openRuntime = await runtimeOf(options, rootDirectory);
  const facts = machineFacts();
  return (agent) => new Edged(agent, { runtime: openRuntime(agent), facts }, { ...options, rootDirectory });
}

async function runtimeOf(options: EdgedOptions, rootDirectory: string): Promise<(agent: Agent) => Runtime> {
  switch (options.runtime) {
    case "process": {
      const { ProcessRuntime } = await import("./process-runtime.ts");
      return ({ clock, log }) => new ProcessRuntime({ clock, log }, resolve(rootDirectory, "process"));
    }
    case "cri": {
      const { CriRuntime } = await import("./cri-runtime.ts");
      return ({ clock, node }) => new CriRuntime(clock, { endpoint: options.remoteRuntimeEndpoint, node });
    }
    default:
      return options.runtime satisfies never;
  }
}
