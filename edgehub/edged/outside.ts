import { type Dirent, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Clock } from "../../platform/clock.ts";
import { HubError } from "../../protocol/index.ts";
import type { EdgedOptions } from "./options.ts";
import { type ContainerRecord, ProcessContainer } from "./process-container.ts";
import { runToEnd } from "./process-exec.ts";
import type { ExecResult, Runtime, RuntimePod, SandboxSpec } from "./runtime.ts";

/** The containers of a node for a program beside the agent: it looks, and runs commands in them. */
export type RuntimeView = Pick<Runtime, "version" | "pods" | "exec" | "close">;

/**
 * @param root Edged's root directory, absolute. @param node The name under which the agent marks its containers.
 * Rejects with `E_BAD_OPTION`.
 */
export async function viewRuntime(
  { runtime, remoteRuntimeEndpoint }: EdgedOptions,
  { root, node, clock }: { root: string; node: string; clock: Clock },
): Promise<RuntimeView> {
  if (runtime === "process") return new ProcessView(clock, resolve(root, "process"));
  const { CriRuntime } = await import("./cri-runtime.ts");
  return new CriRuntime(clock, { endpoint: remoteRuntimeEndpoint, node });
}

/** What a `ProcessRuntime` in the agent keeps on the disk. It is read anew each time, and nothing is taken over. */
class ProcessView implements RuntimeView {
  readonly #clock: Clock;
  readonly #root: string;

  constructor(clock: Clock, root: string) {
    this.#clock = clock;
    this.#root = root;
  }

  version(): Promise<string> {
    return Promise.resolve("plain processes, without isolation");
  }

  pods(): Promise<readonly RuntimePod[]> {
    return Promise.resolve(
      this.#sandboxes().map(({ record: { id, spec, createdAt, stopped }, containers }) => ({
        uid: spec.uid,
        namespace: spec.namespace,
        name: spec.name,
        sandboxId: id,
        attempt: spec.attempt,
        ready: !stopped,
        ip: undefined,
        createdAt,
        containers: containers.map((container) => container.state()),
      })),
    );
  }

  async exec(id: string, command: readonly string[], timeoutMs: number): Promise<ExecResult> {
    const container = this.#sandboxes()
      .flatMap(({ containers }) => containers)
      .find((one) => one.id === id);
    if (container === undefined) throw new HubError("E_NOT_FOUND", `there is no container ${id}`);
    const [program, ...args] = command;
    if (program === undefined) throw new HubError("E_BAD_OPTION", "no command given");
    return await runToEnd(this.#clock, [program, ...args], { ...container.surroundings(), timeoutMs });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #sandboxes(): { record: SandboxRecord; containers: ProcessContainer[] }[] {
    return folders(this.#root).flatMap((id) => {
      const directory = join(this.#root, id);
      const record = jsonIn<SandboxRecord>(join(directory, "sandbox.json"));
      if (record === undefined) return [];
      return [
        {
          record,
          containers: folders(directory).flatMap((name) => this.#container(record, join(directory, name))),
        },
      ];
    });
  }

  #container({ spec }: SandboxRecord, directory: string): ProcessContainer[] {
    const record = jsonIn<ContainerRecord>(join(directory, "container.json"));
    if (record === undefined) return [];
    const logFile = join(spec.logDirectory, record.spec.logPath);
    return [new ProcessContainer(this.#clock, directory, { record, logFile })];
  }
}

/** Of `sandbox.json`. */
interface SandboxRecord {
  readonly id: string;
  readonly spec: SandboxSpec;
  readonly createdAt: number;
  readonly stopped: boolean;
}

/** Empty if the directory is not there. Throws `E_FORBIDDEN`. */
function folders(directory: string): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    const text = `${directory} cannot be read: run this as the user that owns it, or as root`;
    throw new HubError("E_FORBIDDEN", text, { cause });
  }
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** `undefined` for a file that is not there, or not complete: it is being made or removed. */
function jsonIn<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as T;
  } catch {
    return undefined;
  }
}
