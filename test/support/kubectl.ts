import { execFile, spawn, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";
import { unpackedProgram } from "./debian.ts";

/** What a program printed, and how it ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface KubectlProgram {
  readonly name: string;
  readonly path: string;
  /** Why it is not there; `undefined`: it is. */
  readonly missing: string | undefined;
  /** Of the versions that let the server check fields. */
  readonly isNew: boolean;
}

/** Debian's kubectl, and this machine's if it has one of its own. */
export function kubectls(): KubectlProgram[] {
  const debian = unpackedProgram("usr/bin/kubectl", "kubernetes-client");
  const found = "path" in debian ? { path: debian.path, missing: undefined } : { path: "", ...debian };
  const machine = "/usr/bin/kubectl";
  const all = [describeProgram("Debian's", found.path, found.missing)];
  return existsSync(machine) ? [...all, describeProgram("this machine's", machine, undefined)] : all;
}

function describeProgram(whose: string, path: string, missing: string | undefined): KubectlProgram {
  if (missing !== undefined) return { name: `${whose} kubectl`, path, missing, isNew: false };
  const { stdout } = spawnSync(path, ["version", "--client", "-o", "json"], { encoding: "utf8" });
  const { clientVersion } = JSON.parse(stdout) as { clientVersion: { major: string; minor: string } };
  const { major, minor } = clientVersion;
  return {
    name: `${whose} kubectl ${major}.${minor}`,
    path,
    missing,
    isNew: Number.parseInt(minor, 10) >= 28,
  };
}

/** Runs kubectl as a user of one hub. */
export class Kubectl {
  readonly #path: string;
  readonly #kubeconfig: string;
  readonly #directory: string;
  #files = 0;

  /** @param directory For manifests and for what kubectl remembers of servers. */
  constructor(path: string, kubeconfig: string, directory: string) {
    this.#path = path;
    this.#kubeconfig = kubeconfig;
    this.#directory = directory;
  }

  async run(...args: string[]): Promise<Outcome> {
    return await this.runWith({}, ...args);
  }

  async runWith(environment: Readonly<Record<string, string>>, ...args: string[]): Promise<Outcome> {
    const options = { env: { ...this.#environment(), ...environment }, timeout: 60_000, maxBuffer: 64 << 20 };
    return await new Promise((resolve) => {
      execFile(this.#path, args, options, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
      );
    });
  }

  /** What kubectl printed. Throws if it failed. */
  async out(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")} ended with ${code}: ${stderr}`);
    return stdout;
  }

  /** A manifest as a file. @returns Its path. */
  file(text: string): string {
    const path = join(this.#directory, `manifest-${++this.#files}.yaml`);
    writeFileSync(path, text);
    return path;
  }

  /** A kubectl that goes on, and the lines it has printed; it ends with the test. */
  follow(...args: string[]): { readonly lines: readonly string[] } {
    const child = spawn(this.#path, args, { env: this.#environment(), stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void child.kill());
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
    return { lines };
  }

  #environment(): Record<string, string> {
    const { PATH = "/usr/bin:/bin" } = process.env;
    return { PATH, HOME: this.#directory, KUBECONFIG: this.#kubeconfig };
  }
}
