import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { criCalls } from "../../edgehub/edged/cri/calls.ts";
import { CriClient } from "../../edgehub/edged/cri/client.ts";
import { bool, message, string, texts } from "../../edgehub/edged/cri/protobuf.ts";
import { systemClock } from "../../platform/clock.ts";
import { image } from "./image.ts";
import { temporaryDirectory, until } from "./processes.ts";

const execute = promisify(execFile);
const busybox = "/bin/busybox";
const cniPlugins = "/usr/lib/cni";

/** A container runtime of a test's own: Debian's containerd, with its data and its socket in a temporary directory. */
export class Containerd {
  readonly directory: string;
  readonly endpoint: string;
  readonly #socket: string;
  readonly #remove: () => void;
  #process: ChildProcess | undefined;

  constructor() {
    const { path, remove } = temporaryDirectory();
    this.directory = path;
    this.#remove = remove;
    this.#socket = join(path, "containerd.sock");
    this.endpoint = `unix://${this.#socket}`;
    mkdirSync(join(path, "cni"));
    writeFileSync(join(path, "config.toml"), config(path, this.#socket));
    writeFileSync(join(path, "cni", "10-test.conflist"), JSON.stringify(network(path)));
  }

  /** Installs Debian's packages if they are missing. @returns Why containers cannot run here; `undefined`: they can. */
  static async install(): Promise<string | undefined> {
    if (process.platform !== "linux" || process.getuid?.() !== 0) return "containers need Linux and root";
    const namespaces = spawnSync("unshare", ["--mount", "--net", "true"]);
    if (namespaces.status !== 0 || !isWritable("/sys/fs/cgroup")) return "no right to make containers";
    const programs = ["/usr/bin/containerd", "/usr/sbin/runc", busybox, join(cniPlugins, "ptp")];
    if (programs.every((program) => existsSync(program))) return undefined;
    const wait = ["-o", "DPkg::Lock::Timeout=300"];
    const packages = ["containerd", "runc", "busybox-static", "containernetworking-plugins"];
    for (const step of [["update"], ["install", "-y", "--no-install-recommends", ...wait, ...packages]]) {
      const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
      const failure = await execute("apt-get", ["-q", ...step], { env }).then(
        () => undefined,
        (error: Error) => error.message,
      );
      if (failure !== undefined) return `apt-get ${step[0]}: ${failure}`;
    }
    return undefined;
  }

  async start(): Promise<void> {
    const log = openSync(join(this.directory, "log"), "a");
    this.#process = spawn("/usr/bin/containerd", ["--config", join(this.directory, "config.toml")], {
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    await until("containerd answers", () =>
      this.#calls(async (client) => {
        await client.call(criCalls.listImages, {});
        return true;
      }).catch(() => false),
    );
  }

  /** Brings in an image that holds busybox and nothing else. */
  async importImage(reference: string, entrypoint: readonly string[] = []): Promise<void> {
    const file = join(this.directory, "image.tar");
    writeFileSync(file, image(reference, entrypoint, readFileSync(busybox)));
    await this.ctr("images", "import", "--no-unpack", file);
  }

  async ctr(...args: string[]): Promise<string> {
    const { stdout } = await execute("/usr/bin/ctr", ["-a", this.#socket, "-n", "k8s.io", ...args]);
    return stdout;
  }

  /** What it was told about a sandbox, in its own words. */
  async sandboxConfig(id: string): Promise<unknown> {
    const { path, timeoutMs } = criCalls.podSandboxStatus;
    const request = message({ podSandboxId: string(1), verbose: bool(2) });
    const response = message({ info: texts(2) });
    const call = { path, timeoutMs, request, response };
    const { info } = await this.#calls((client) => client.call(call, { podSandboxId: id, verbose: true }));
    return JSON.parse(info.info ?? "{}").config;
  }

  /** Ends it; its containers go on. */
  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "exit");
  }

  /** Ends its containers and itself, and leaves nothing behind. */
  async remove(): Promise<void> {
    if (this.#process === undefined) await this.start();
    await this.#calls(async (client) => {
      const { items } = await client.call(criCalls.listPodSandbox, {});
      for (const { id } of items) {
        await client.call(criCalls.stopPodSandbox, { podSandboxId: id });
        await client.call(criCalls.removePodSandbox, { podSandboxId: id });
      }
    });
    await this.stop();
    const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
    for (const mount of mounts.reverse()) {
      const [, path = ""] = mount.split(" ");
      if (path.startsWith(`${this.directory}/`)) spawnSync("umount", ["-l", path]);
    }
    rmSync(this.directory, { recursive: true, force: true });
    this.#remove();
  }

  async #calls<T>(run: (client: CriClient) => Promise<T>): Promise<T> {
    const client = new CriClient(this.endpoint, systemClock);
    try {
      return await run(client);
    } finally {
      await client.close();
    }
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Pods get addresses of their own, and see the machine and nothing beyond. */
function network(directory: string): object {
  const ipam = { type: "host-local", subnet: "10.213.0.0/24", dataDir: `${directory}/addresses` };
  return { cniVersion: "0.4.0", name: "test", plugins: [{ type: "ptp", ipam }] };
}

/** Image of sandboxes: something that does nothing until it is killed. */
export const pauseImage = "localhost/pause:test";

function config(directory: string, socket: string): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
root = "${directory}/root"
state = "${directory}/state"
[grpc]
address = "${socket}"
[${cri}]
sandbox_image = "${pauseImage}"
restrict_oom_score_adj = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"
[${cri}.containerd]
snapshotter = "native"
[${cri}.cni]
bin_dir = "${cniPlugins}"
conf_dir = "${directory}/cni"
`;
}
