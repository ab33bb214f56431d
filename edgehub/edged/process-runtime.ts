import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Clock } from "../../platform/clock.ts";
import { type Logger, OncePer } from "../../platform/logger.ts";
import { writeDurably } from "../../platform/private-files.ts";
import { version } from "../../platform/version.ts";
import { asHubError, HubError } from "../../protocol/index.ts";
import { diskError, jsonIn, removeTree, textIn } from "./disk.ts";
import { type ContainerRecord, ProcessContainer } from "./process-container.ts";
import { runToEnd } from "./process-exec.ts";
import type { ContainerSpec, ExecResult, Runtime, RuntimeImage, RuntimePod, SandboxSpec } from "./runtime.ts";

/** What is on the disk of a sandbox, as `sandbox.json`. */
interface SandboxRecord {
  readonly id: string;
  readonly spec: SandboxSpec;
  readonly createdAt: number;
  /** A sandbox does not survive the machine's restart. */
  readonly bootId: string;
  readonly stopped: boolean;
}

interface Sandbox {
  record: SandboxRecord;
  readonly containers: Map<string, ProcessContainer>;
}

const pumpMs = 250;

/**
 * Runs the commands of containers as plain processes of this machine, WITHOUT ANY ISOLATION: for development and for
 * machines without containers. Images are ignored, so a container must have a command; volumes are found below
 * `$EDGEHUB_ROOT`, under their mount paths; the network is the node's. Each container is a process group that outlives
 * the agent; another agent on the same directory finds it again.
 */
export class ProcessRuntime implements Runtime {
  readonly name = "process";
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #root: string;
  readonly #bootId: string;
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #complaints: OncePer;
  #cancelPump: () => void = () => {};
  #isOpen = false;
  #closed = false;

  /** @param root Absolute directory, its own. */
  constructor({ clock, log }: { clock: Clock; log: Logger }, root: string) {
    this.#clock = clock;
    this.#log = log;
    this.#root = root;
    this.#bootId = textIn("/proc/sys/kernel/random/boot_id");
    this.#complaints = new OncePer(clock, 60_000);
  }

  /** Finds what ran before. Rejects with `E_STORAGE`. */
  version(): Promise<string> {
    return this.#opened(() => `process ${version}`);
  }

  pods(): Promise<readonly RuntimePod[]> {
    return this.#opened(() => [...this.#sandboxes.values()].map((sandbox) => this.#podOf(sandbox)));
  }

  async runSandbox(spec: SandboxSpec): Promise<string> {
    await this.#opened(() => undefined);
    const id = newId();
    const record = { id, spec, createdAt: this.#clock.wallTime(), bootId: this.#bootId, stopped: false };
    try {
      mkdirSync(join(this.#root, id), { mode: 0o700 });
      this.#save(record);
    } catch (error) {
      rmSync(join(this.#root, id), { recursive: true, force: true });
      throw diskError(error, this.#root);
    }
    this.#sandboxes.set(id, { record, containers: new Map() });
    return id;
  }

  async stopSandbox(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id);
    if (sandbox === undefined) return;
    await Promise.all([...sandbox.containers.values()].map((container) => container.stop(0)));
    sandbox.record = { ...sandbox.record, stopped: true };
    this.#save(sandbox.record);
  }

  async removeSandbox(id: string): Promise<void> {
    await this.stopSandbox(id);
    this.#sandboxes.delete(id);
    await removeTree(join(this.#root, id));
  }

  async createContainer(sandboxId: string, spec: ContainerSpec): Promise<string> {
    const sandbox = this.#sandboxes.get(sandboxId);
    if (sandbox === undefined) throw new HubError("E_NOT_FOUND", `there is no sandbox ${sandboxId}`);
    this.#refuseOtherUsers(spec);
    const id = newId();
    const directory = join(this.#root, sandboxId, id);
    const record = { id, spec, createdAt: this.#clock.wallTime(), startedAt: undefined };
    const logFile = join(sandbox.record.spec.logDirectory, spec.logPath);
    const container = new ProcessContainer(this.#clock, directory, { record, logFile });
    try {
      mkdirSync(join(directory, "root"), { recursive: true, mode: 0o700 });
      mkdirSync(dirname(logFile), { recursive: true, mode: 0o750 });
      container.linkMounts();
      writeDurably(join(directory, "container.json"), JSON.stringify(record), 0o600);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw diskError(error, directory);
    }
    sandbox.containers.set(id, container);
    return id;
  }

  async startContainer(id: string): Promise<void> {
    await this.#require(id).start();
  }

  async stopContainer(id: string, graceSeconds: number): Promise<void> {
    await this.#find(id)?.container.stop(graceSeconds);
  }

  async removeContainer(id: string): Promise<void> {
    const found = this.#find(id);
    if (found === undefined) return;
    await found.container.stop(0);
    this.#pump(found.container);
    found.sandbox.containers.delete(id);
    await removeTree(found.container.directory);
  }

  async exec(id: string, command: readonly string[], timeoutMs: number): Promise<ExecResult> {
    const container = this.#require(id);
    if (container.state().state !== "running")
      throw new HubError("E_REFUSED", `${container.spec.name} does not run`);
    const [program, ...args] = command;
    if (program === undefined) throw new HubError("E_BAD_MESSAGE", "no command given");
    return await runToEnd(this.#clock, [program, ...args], { ...container.surroundings(), timeoutMs });
  }

  /** The log is opened for each write. */
  reopenLog(): Promise<void> {
    return Promise.resolve();
  }

  images(): Promise<readonly RuntimeImage[]> {
    return Promise.resolve([]);
  }

  /** Nothing is taken from images, so each is there. */
  imageId(reference: string): Promise<string> {
    return Promise.resolve(reference);
  }

  pullImage(reference: string): Promise<string> {
    return Promise.resolve(reference);
  }

  removeImage(): Promise<void> {
    return Promise.resolve();
  }

  imageDisk(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  /** The processes run on. */
  close(): Promise<void> {
    this.#closed = true;
    this.#cancelPump();
    this.#pumpAll();
    return Promise.resolve();
  }

  async #opened<T>(work: () => T): Promise<T> {
    if (!this.#isOpen) {
      try {
        mkdirSync(this.#root, { recursive: true, mode: 0o700 });
        for (const id of readdirSync(this.#root)) this.#load(id);
      } catch (error) {
        throw diskError(error, this.#root);
      }
      this.#isOpen = true;
      this.#log.warn("pods run as plain processes without any isolation", { runtime: this.name });
      this.#pumpLater();
    }
    return await Promise.resolve(work());
  }

  #load(id: string): void {
    const directory = join(this.#root, id);
    const record = jsonIn(join(directory, "sandbox.json")) as SandboxRecord | undefined;
    if (record === undefined) {
      rmSync(directory, { recursive: true, force: true });
      return;
    }
    const containers = new Map<string, ProcessContainer>();
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const place = join(directory, entry.name);
      const found = jsonIn(join(place, "container.json")) as ContainerRecord | undefined;
      if (found === undefined) continue;
      const logFile = join(record.spec.logDirectory, found.spec.logPath);
      containers.set(found.id, new ProcessContainer(this.#clock, place, { record: found, logFile }));
    }
    this.#sandboxes.set(id, { record, containers });
  }

  #podOf({ record, containers }: Sandbox): RuntimePod {
    const { uid, namespace, name, attempt } = record.spec;
    return {
      uid,
      namespace,
      name,
      sandboxId: record.id,
      attempt,
      ready: !record.stopped && record.bootId === this.#bootId,
      ip: undefined,
      createdAt: record.createdAt,
      containers: [...containers.values()].map((container) => container.state()),
    };
  }

  #save(record: SandboxRecord): void {
    writeDurably(join(this.#root, record.id, "sandbox.json"), JSON.stringify(record), 0o600);
  }

  #find(id: string): { sandbox: Sandbox; container: ProcessContainer } | undefined {
    for (const sandbox of this.#sandboxes.values()) {
      const container = sandbox.containers.get(id);
      if (container) return { sandbox, container };
    }
    return undefined;
  }

  #require(id: string): ProcessContainer {
    const found = this.#find(id);
    if (found === undefined) throw new HubError("E_NOT_FOUND", `there is no container ${id}`);
    return found.container;
  }

  #refuseOtherUsers({ name, security }: ContainerSpec): void {
    const own = process.getuid?.() ?? 0;
    if (security.nonRoot && own === 0)
      throw new HubError(
        "E_REFUSED",
        `${name} must not run as root: plain processes run as the agent's user`,
      );
    if (security.runAsUser === undefined || security.runAsUser === own) return;
    throw new HubError(
      "E_REFUSED",
      `${name} is to run as user ${security.runAsUser}: plain processes run as the agent's user, ${own}`,
    );
  }

  #pumpLater(): void {
    if (this.#closed) return;
    this.#cancelPump = this.#clock.after(pumpMs, () => {
      this.#pumpAll();
      this.#pumpLater();
    });
  }

  #pumpAll(): void {
    for (const { containers } of this.#sandboxes.values()) {
      for (const container of containers.values()) if (container.hasNews) this.#pump(container);
    }
  }

  #pump(container: ProcessContainer): void {
    try {
      container.output.pump(container.state().state === "exited");
    } catch (error) {
      if (this.#complaints.pass(container.id) === undefined) return;
      this.#log.warn("a container's log cannot be written", {
        container: container.spec.name,
        error: asHubError(error),
      });
    }
  }
}

function newId(): string {
  return randomUUID().replaceAll("-", "");
}
