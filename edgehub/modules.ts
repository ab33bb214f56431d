import type { EdgeOptions } from "./options.ts";
import type { ModuleFactory } from "./supervisor.ts";

/** The modules that the configuration asks for, in the order in which they start. Code of others is not loaded. */
export async function modulesOf(_options: EdgeOptions): Promise<ModuleFactory[]> {
  const modules: ModuleFactory[] = [];
  return modules;
}
