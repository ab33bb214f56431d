import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { missingProgram } from "./debian.ts";
import { freePort } from "./free-port.ts";
import type { CertificateFiles } from "./mqtt-certificates.ts";
import { temporaryDirectory, until } from "./processes.ts";

const program = "/usr/sbin/mosquitto";
const passwords = "/usr/bin/mosquitto_passwd";

export interface MosquittoOptions {
  /** User name and password it asks for; default: it lets everybody in. */
  readonly user?: { readonly name: string; readonly password: string };
  /** It speaks TLS, and wants a certificate of its clients. */
  readonly tls?: CertificateFiles;
}

/** Debian's MQTT broker, with a configuration and a port of its own; its sessions outlive it. */
export class Mosquitto {
  readonly port: number;
  readonly #directory: string;
  readonly #remove: () => void;
  #process: ChildProcess | undefined;

  private constructor(port: number, place: { path: string; remove(): void }) {
    this.port = port;
    this.#directory = place.path;
    this.#remove = place.remove;
  }

  /** Why it cannot run here; `undefined`: it can. Installs Debian's package if it is missing. */
  static unavailable(): string | undefined {
    return missingProgram(program, "mosquitto");
  }

  static async start(options: MosquittoOptions = {}): Promise<Mosquitto> {
    const broker = new Mosquitto(await freePort(), temporaryDirectory());
    broker.#configure(options);
    await broker.start();
    return broker;
  }

  async start(): Promise<void> {
    this.#process = spawn(program, ["-c", join(this.#directory, "conf")], { stdio: "ignore" });
    await until("mosquitto listens", () => answers(this.port));
  }

  /** Ends it; what it keeps is on its disk. */
  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "exit");
  }

  async remove(): Promise<void> {
    await this.stop();
    this.#remove();
  }

  #configure({ user, tls }: MosquittoOptions): void {
    const at = (name: string): string => join(this.#directory, name);
    const lines = [
      `listener ${this.port} 127.0.0.1`,
      "user root",
      "persistence true",
      `persistence_location ${this.#directory}/`,
      "autosave_interval 1",
      "autosave_on_changes true",
      `allow_anonymous ${user === undefined}`,
    ];
    if (user) {
      writeFileSync(at("passwords"), `${user.name}:${user.password}\n`);
      const { status } = spawnSync(passwords, ["-U", at("passwords")]);
      if (status !== 0) throw new Error("mosquitto_passwd failed");
      lines.push(`password_file ${at("passwords")}`);
    }
    if (tls)
      lines.push(
        `cafile ${tls.ca}`,
        `certfile ${tls.server.cert}`,
        `keyfile ${tls.server.key}`,
        "require_certificate true",
      );
    writeFileSync(at("conf"), `${lines.join("\n")}\n`);
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, "127.0.0.1");
    const end = (up: boolean): void => {
      socket.destroy();
      resolve(up);
    };
    socket.once("connect", () => end(true)).once("error", () => end(false));
  });
}
