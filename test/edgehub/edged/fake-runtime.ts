import type {
  ContainerSpec,
  ExecResult,
  Runtime,
  RuntimeContainer,
  RuntimeImage,
  RuntimePod,
  SandboxSpec,
} from "../../../edgehub/edged/runtime.ts";
import { HubError } from "../../../protocol/index.ts";
import type { FakeClock } from "../../support/fake-clock.ts";

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type FakeContainer = Mutable<RuntimeContainer> & { spec: ContainerSpec };

/** A runtime in memory: containers run until a test, or a stop, ends them. */
export class FakeRuntime implements Runtime {
  readonly name = "cri";
  readonly calls: string[] = [];
  readonly sandboxes = new Map<string, Mutable<RuntimePod> & { spec: SandboxSpec; own: FakeContainer[] }>();
  /** References that are there. */
  readonly present = new Set(["app:1"]);
  /** References that a registry has. */
  readonly registry = new Set<string>();
  /** Nothing answers. */
  down = false;
  /** Exit code a container has at once, by name. */
  readonly exits = new Map<string, number>();
  /** Names of containers that end only when they are killed at once. */
  readonly stuck = new Set<string>();
  /** Folder on the disk of images. */
  imagePath: string | undefined;
  /** Logs are not opened anew. */
  keepsLogs = false;
  /** What removals of sandboxes wait for. */
  removals: Promise<void> = Promise.resolve();
  /** Pulls never end. */
  slowPulls = false;
  execResult = (_id: string, _command: readonly string[]): number => 0;
  readonly #clock: FakeClock;
  #count = 0;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  container(name: string): FakeContainer {
    const found = this.all(name).at(-1);
    if (found === undefined) throw new Error(`no container ${name}`);
    return found;
  }

  all(name: string): FakeContainer[] {
    return [...this.sandboxes.values()].flatMap((one) => one.own).filter((one) => one.name === name);
  }

  /** Ends a container by itself. */
  end(name: string, exitCode: number): void {
    const container = this.container(name);
    container.state = "exited";
    container.exitCode = exitCode;
    container.finishedAt = this.#clock.wallTime();
    container.reason = exitCode === 0 ? "Completed" : "Error";
  }

  version(): Promise<string> {
    return this.#answer("version", () => "containerd 1.6.20");
  }

  pods(): Promise<readonly RuntimePod[]> {
    return this.#answer(undefined, () =>
      [...this.sandboxes.values()].map((one) => ({
        ...one,
        containers: one.own.map((container) => ({ ...container })),
      })),
    );
  }

  runSandbox(spec: SandboxSpec): Promise<string> {
    return this.#answer(`runSandbox ${spec.name} ${spec.attempt}`, () => {
      const sandboxId = `s${++this.#count}`;
      const { uid, namespace, name, attempt } = spec;
      const createdAt = this.#clock.wallTime();
      const ip = `10.0.0.${this.#count}`;
      this.sandboxes.set(sandboxId, {
        sandboxId,
        uid,
        namespace,
        name,
        attempt,
        ready: true,
        ip,
        createdAt,
        containers: [],
        spec,
        own: [],
      });
      return sandboxId;
    });
  }

  stopSandbox(id: string): Promise<void> {
    return this.#answer("stopSandbox", () => {
      const sandbox = this.sandboxes.get(id);
      if (sandbox) sandbox.ready = false;
    });
  }

  async removeSandbox(id: string): Promise<void> {
    await this.removals;
    return this.#answer("removeSandbox", () => void this.sandboxes.delete(id));
  }

  createContainer(sandboxId: string, spec: ContainerSpec): Promise<string> {
    return this.#answer(`create ${spec.name} ${spec.attempt}`, () => {
      const id = `c${++this.#count}`;
      this.sandboxes.get(sandboxId)?.own.push({
        id,
        name: spec.name,
        attempt: spec.attempt,
        state: "created",
        image: spec.image,
        imageId: `sha256:${spec.image}`,
        createdAt: this.#clock.wallTime(),
        startedAt: undefined,
        finishedAt: undefined,
        exitCode: undefined,
        reason: "",
        message: "",
        logPath: spec.logPath,
        spec,
      });
      return id;
    });
  }

  startContainer(id: string): Promise<void> {
    const container = this.#find(id);
    return this.#answer(`start ${container?.name}`, () => {
      if (container === undefined) return;
      container.state = "running";
      container.startedAt = this.#clock.wallTime();
      const exit = this.exits.get(container.name);
      if (exit !== undefined) this.end(container.name, exit);
    });
  }

  stopContainer(id: string, graceSeconds: number): Promise<void> {
    const container = this.#find(id);
    if (container && graceSeconds > 0 && this.stuck.has(container.name)) return new Promise(() => undefined);
    return this.#answer(`stop ${container?.name} ${graceSeconds}`, () => {
      if (container?.state !== "running") return;
      container.state = "exited";
      container.exitCode = 137;
      container.reason = "Error";
      container.finishedAt = this.#clock.wallTime();
    });
  }

  removeContainer(id: string): Promise<void> {
    const name = this.#find(id)?.name;
    return this.#answer(`remove ${name}`, () => {
      for (const sandbox of this.sandboxes.values()) sandbox.own = sandbox.own.filter((one) => one.id !== id);
    });
  }

  exec(id: string, command: readonly string[]): Promise<ExecResult> {
    const nothing = new Uint8Array(0);
    return this.#answer(undefined, () => ({
      exitCode: this.execResult(id, command),
      stdout: nothing,
      stderr: nothing,
    }));
  }

  reopenLog(id: string): Promise<void> {
    return this.#answer(`reopenLog ${this.#find(id)?.name}`, () => {
      if (this.keepsLogs) throw new HubError("E_REFUSED", "no such task", { retryable: true });
    });
  }

  images(): Promise<readonly RuntimeImage[]> {
    return this.#answer(undefined, () =>
      [...this.present].map((tag) => ({ id: `sha256:${tag}`, tags: [tag], pinned: false, sizeBytes: 1_000 })),
    );
  }

  imageId(reference: string): Promise<string | undefined> {
    return this.#answer(undefined, () => (this.present.has(reference) ? reference : undefined));
  }

  pullImage(reference: string): Promise<string> {
    if (this.slowPulls) return new Promise(() => undefined);
    return this.#answer(`pull ${reference}`, () => {
      if (!this.registry.has(reference))
        throw new HubError("E_REFUSED", `${reference}: not found`, { retryable: true });
      this.present.add(reference);
      return reference;
    });
  }

  removeImage(id: string): Promise<void> {
    return this.#answer(`removeImage ${id}`, () => void this.present.delete(id.replace("sha256:", "")));
  }

  imageDisk(): Promise<{ path: string; usedBytes: number } | undefined> {
    return this.#answer(undefined, () =>
      this.imagePath === undefined ? undefined : { path: this.imagePath, usedBytes: 0 },
    );
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #find(id: string): FakeContainer | undefined {
    return [...this.sandboxes.values()].flatMap((one) => one.own).find((one) => one.id === id);
  }

  #answer<T>(call: string | undefined, work: () => T): Promise<T> {
    if (this.down)
      return Promise.reject(new HubError("E_NO_MODULE", "connection refused", { retryable: true }));
    if (call !== undefined) this.calls.push(call);
    try {
      return Promise.resolve(work());
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }
}
