import { spawn } from "node:child_process";
import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { type Clock, pause } from "../../platform/clock.ts";
import { writeDurably } from "../../platform/private-files.ts";
import { HubError } from "../../protocol/index.ts";
import { OutputLog } from "./output-log.ts";
import { isAlive, lineIn, pidIn, watcher } from "./process-watcher.ts";
import type { ContainerSpec, RuntimeContainer } from "./runtime.ts";

/** What is on the disk of a container, as `container.json`. */
export interface ContainerRecord {
  readonly id: string;
  readonly spec: ContainerSpec;
  readonly createdAt: number;
  /** Wall clock, ms; `undefined`: never started. */
  readonly startedAt: number | undefined;
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const pollMs = 50;
/** After SIGKILL a process ends at once, unless its disk hangs. */
const killPatienceMs = 10_000;
/** So long after its start a watcher has noted its pid, or was never there. */
const startPatienceMs = 5_000;

/** One container of the process runtime: a directory, and a process group while it runs. */
export class ProcessContainer {
  readonly directory: string;
  readonly output: OutputLog;
  readonly #clock: Clock;
  #record: ContainerRecord;

  /** @param directory Has its `container.json`. @param logFile Absolute. */
  constructor(
    clock: Clock,
    directory: string,
    { record, logFile }: { record: ContainerRecord; logFile: string },
  ) {
    this.#clock = clock;
    this.directory = directory;
    this.#record = record;
    this.output = new OutputLog(directory, logFile);
  }

  get id(): string {
    return this.#record.id;
  }

  get spec(): ContainerSpec {
    return this.#record.spec;
  }

  /** True while it runs, or its output is not all in the log. */
  get hasNews(): boolean {
    return this.#record.startedAt !== undefined && (!this.output.drained || this.#exitCode() === undefined);
  }

  state(): RuntimeContainer {
    const { id, spec, createdAt, startedAt } = this.#record;
    const exitCode = startedAt === undefined ? undefined : this.#exitCode();
    const ended = exitCode !== undefined;
    return {
      id,
      name: spec.name,
      attempt: spec.attempt,
      state: startedAt === undefined ? "created" : ended ? "exited" : "running",
      image: spec.image,
      imageId: "process",
      createdAt,
      startedAt,
      finishedAt: ended ? this.#endedAt() : undefined,
      exitCode,
      reason: ended ? (exitCode === 0 ? "Completed" : "Error") : "",
      message: "",
      logPath: this.output.logFile,
    };
  }

  /** Rejects with `E_REFUSED` for a command that cannot be run, `E_STORAGE`. */
  async start(): Promise<void> {
    const { spec } = this.#record;
    const command = this.#commandOf(spec);
    this.#save({ ...this.#record, startedAt: this.#clock.wallTime() });
    const [stdout, stderr] = ["stdout", "stderr"].map((name) => openSync(this.#file(name), "a", 0o600));
    try {
      const child = spawn("/bin/sh", ["-c", watcher, this.directory, ...command], {
        cwd: this.#cwd(),
        env: this.#env(),
        detached: true,
        stdio: ["ignore", stdout, stderr],
      });
      child.unref();
      await new Promise<void>((resolve, reject) => {
        child.once("spawn", resolve);
        child.once("error", reject);
      });
    } catch (cause) {
      this.#note(128);
      throw new HubError(
        "E_REFUSED",
        `${spec.name} could not be started: ${String((cause as Error).message)}`,
        { cause },
      );
    } finally {
      for (const descriptor of [stdout, stderr]) if (descriptor !== undefined) closeSync(descriptor);
    }
  }

  /** SIGTERM to its process group, and after so long SIGKILL. */
  async stop(graceSeconds: number): Promise<void> {
    if (this.#record.startedAt === undefined || this.#exitCode() !== undefined) return;
    if (graceSeconds > 0 && this.#signal("SIGTERM") && (await this.#ends(graceSeconds * 1_000))) return;
    this.#signal("SIGKILL");
    if (!(await this.#ends(killPatienceMs)))
      throw new HubError("E_TIMEOUT", `${this.spec.name} does not end, even by SIGKILL`);
  }

  /** How a command that is run beside it is started. */
  surroundings(): { cwd: string; env: Readonly<Record<string, string>> } {
    return { cwd: this.#cwd(), env: this.#env() };
  }

  /**
   * Makes its mounts visible below a directory of its own, as links. Throws `E_REFUSED` for a mount inside another
   * one, which would have to be written into that volume.
   */
  linkMounts(): void {
    const paths = this.spec.mounts.map((mount) => mount.containerPath);
    const inner = paths.find((path) =>
      paths.some((other) => path.startsWith(`${other.replace(/\/+$/, "")}/`)),
    );
    if (inner !== undefined)
      throw new HubError("E_REFUSED", `plain processes can have no mount inside another one: ${inner}`);
    for (const { hostPath, containerPath } of this.spec.mounts) {
      const link = join(this.#file("root"), containerPath);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(hostPath, link);
    }
  }

  async #ends(withinMs: number): Promise<boolean> {
    const deadline = this.#clock.now() + withinMs;
    while (this.#exitCode() === undefined) {
      const left = deadline - this.#clock.now();
      if (left <= 0) return false;
      await pause(this.#clock, Math.min(pollMs, left));
    }
    return true;
  }

  /** @returns False if there is nothing to signal. */
  #signal(signal: "SIGTERM" | "SIGKILL"): boolean {
    const found = pidIn(this.directory);
    if (found === undefined || !isAlive(found)) return false;
    try {
      return process.kill(-found.pid, signal);
    } catch {
      return false;
    }
  }

  /** `undefined`: it runs. One whose watcher was killed with it is noted as killed. */
  #exitCode(): number | undefined {
    const noted = lineIn(this.#file("exit"));
    if (noted !== undefined) return Number(noted);
    const found = pidIn(this.directory);
    if (found !== undefined && isAlive(found)) return undefined;
    const age = this.#clock.wallTime() - (this.#record.startedAt ?? 0);
    if (found === undefined && age < startPatienceMs) return undefined;
    // It may have ended between the two looks.
    const late = lineIn(this.#file("exit"));
    if (late !== undefined) return Number(late);
    return this.#note(found === undefined ? 128 : 137);
  }

  /** Writes down an end that the watcher could not. */
  #note(exitCode: number): number {
    try {
      writeFileSync(this.#file("exit"), `${exitCode}\n`);
    } catch {
      // The disk is full: it is found out again.
    }
    return exitCode;
  }

  #endedAt(): number {
    const { createdAt, startedAt } = this.#record;
    return statSync(this.#file("exit"), { throwIfNoEntry: false })?.mtimeMs ?? startedAt ?? createdAt;
  }

  #save(record: ContainerRecord): void {
    writeDurably(this.#file("container.json"), JSON.stringify(record), 0o600);
    this.#record = record;
  }

  #file(name: string): string {
    return join(this.directory, name);
  }

  #cwd(): string {
    const { workingDir } = this.spec;
    if (workingDir === "") return this.#file("root");
    return isThere(workingDir) ? workingDir : join(this.#file("root"), workingDir);
  }

  #env(): Readonly<Record<string, string>> {
    return {
      PATH: defaultPath,
      HOME: this.#file("root"),
      EDGEHUB_ROOT: this.#file("root"),
      ...this.spec.env,
    };
  }

  /** The command with its program's path, which may lie in a mount. Throws `E_REFUSED`. */
  #commandOf(spec: ContainerSpec): string[] {
    const [program, ...rest] = [...spec.command, ...spec.args];
    if (program === undefined) {
      throw new HubError(
        "E_REFUSED",
        `${spec.name} has no command: the process runtime takes nothing from images, so the pod must say what to run`,
      );
    }
    const folders = (this.#env().PATH ?? defaultPath).split(delimiter);
    const places = program.includes("/")
      ? [program.startsWith("/") ? program : join(this.#cwd(), program), join(this.#file("root"), program)]
      : folders.map((folder) => join(folder, program));
    const found = places.find(isExecutable);
    if (found === undefined)
      throw new HubError(
        "E_REFUSED",
        `exec: ${JSON.stringify(program)}: executable file not found on this machine`,
      );
    return [found, ...rest];
  }
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
