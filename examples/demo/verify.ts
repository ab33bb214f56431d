import { execFile } from "node:child_process";
import { isDeepStrictEqual, promisify } from "node:util";
import type { ResourceView } from "../../sdk/index.ts";
import { agentProgram } from "./commands.ts";

/** What was published last of a resource: what must be at the edge in the end. */
export interface Expected {
  readonly version: string;
  readonly object: Readonly<Record<string, unknown>>;
}

/** A resource as the edge's database has it. */
export interface EdgeResource {
  readonly resource: string;
  readonly version: string | null;
  readonly content: unknown;
}

/** Reads the edge's database with the agent's own program, while the agent runs. */
export async function readEdge(directory: string): Promise<EdgeResource[]> {
  const args = [agentProgram, "get", "--data-dir", directory, "-o", "json"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 64 << 20 });
  return JSON.parse(stdout) as EdgeResource[];
}

/** @returns What is wrong with the edge's resources and the hub's checkpoints, one line each; empty: nothing. */
export function problemsOf(
  expected: ReadonlyMap<string, Expected>,
  edge: readonly EdgeResource[],
  hub: readonly ResourceView[],
): string[] {
  const atEdge = new Map(edge.map((one) => [one.resource, one]));
  const atHub = new Map(hub.map((one) => [one.resource, one]));
  const problems = [...expected].flatMap(([resource, { version, object }]) => {
    const found = atEdge.get(resource);
    if (found === undefined) return [`${resource} is not at the edge`];
    if (found.version !== version)
      return [`${resource} has version ${found.version} at the edge, published was ${version}`];
    if (!isDeepStrictEqual(found.content, object))
      return [`${resource} has another content at the edge than was published`];
    const checkpoint = atHub.get(resource)?.checkpoint;
    if (checkpoint?.version !== version)
      return [
        `${resource}: the hub's checkpoint is ${checkpoint?.version ?? "missing"}, the edge has ${version}`,
      ];
    return [];
  });
  const strange = edge.filter((one) => !expected.has(one.resource));
  return [...problems, ...strange.map((one) => `${one.resource} is at the edge, and nobody published it`)];
}
