import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import type { Logger } from "../../platform/logger.ts";
import { HubError } from "../../protocol/index.ts";
import type { RequestInfo } from "./request-info.ts";
import type { User } from "./user.ts";

export interface AuditOptions {
  /** Where it is written; the file before it becomes `<file>.1`, and so on. */
  readonly file: string;
  /** A file grows to so many bytes. */
  readonly maxBytes: number;
  /** How many older files are kept. */
  readonly keepFiles: number;
}

/** A request that has been answered. */
export interface AuditEntry {
  readonly id: string;
  readonly info: RequestInfo;
  readonly target: string;
  /** `undefined`: nobody that is known. */
  readonly user: User | undefined;
  readonly address: string;
  readonly userAgent: string | undefined;
  readonly code: number;
  /** Wall clock, ms. */
  readonly receivedAt: number;
  readonly answeredAt: number;
}

/** Characters that may wait for a slow disk; what comes beyond is counted. */
const maxWaiting = 8 << 20;

/** Who did what: one JSON line per request, as Kubernetes' audit events of level Metadata. */
export class AuditLog {
  readonly #options: AuditOptions;
  readonly #log: Logger;
  #file: FileHandle | undefined;
  #size = 0;
  #waiting: string[] = [];
  #waitingSize = 0;
  #lost = 0;
  #writing: Promise<void> | undefined;

  private constructor(options: AuditOptions, log: Logger) {
    this.#options = options;
    this.#log = log;
  }

  /** Rejects with `E_BAD_OPTION` if the file cannot be written. */
  static async open(options: AuditOptions, log: Logger): Promise<AuditLog> {
    const audit = new AuditLog(options, log);
    try {
      await audit.#reopen();
    } catch (error) {
      const text = `api.auditFile cannot be written: ${(error as Error).message}`;
      throw new HubError("E_BAD_OPTION", text, { cause: error });
    }
    return audit;
  }

  /** Resolves when what has been added is written. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  add(entry: AuditEntry): void {
    const line = `${JSON.stringify(eventOf(entry))}\n`;
    if (this.#waitingSize + line.length > maxWaiting) {
      this.#lost++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingSize += line.length;
    this.#writing ??= this.#write();
  }

  async close(): Promise<void> {
    await this.settled();
    await this.#file?.close();
    this.#file = undefined;
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const text = this.#waiting.join("");
      this.#waiting = [];
      this.#waitingSize = 0;
      try {
        if (this.#size > 0 && this.#size + text.length > this.#options.maxBytes) await this.#rotate();
        await this.#file?.appendFile(text);
        this.#size += Buffer.byteLength(text);
      } catch (error) {
        this.#log.error("the audit log cannot be written", { error, file: this.#options.file });
      }
      if (this.#lost > 0) this.#log.error("requests are missing from the audit log", { count: this.#lost });
      this.#lost = 0;
    }
    this.#writing = undefined;
  }

  async #rotate(): Promise<void> {
    const { file, keepFiles } = this.#options;
    await this.#file?.close();
    this.#file = undefined;
    await rm(`${file}.${keepFiles}`, { force: true });
    for (let age = keepFiles - 1; age >= 0; age--) {
      const from = age === 0 ? file : `${file}.${age}`;
      if (keepFiles > 0) await rename(from, `${file}.${age + 1}`).catch(() => undefined);
      else await rm(from, { force: true });
    }
    await this.#reopen();
  }

  async #reopen(): Promise<void> {
    this.#file = await open(this.#options.file, "a", 0o600);
    this.#size = (await stat(this.#options.file)).size;
  }
}

function eventOf(entry: AuditEntry): object {
  const { info, user, userAgent } = entry;
  const { resource } = info;
  return {
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level: "Metadata",
    auditID: entry.id,
    stage: "ResponseComplete",
    requestURI: entry.target.slice(0, 2_048),
    verb: info.verb,
    user: user === undefined ? {} : { username: user.name, uid: user.uid, groups: user.groups },
    sourceIPs: [entry.address],
    userAgent: userAgent?.slice(0, 256),
    objectRef: resource && {
      resource: resource.resource,
      namespace: resource.namespace,
      name: resource.name || undefined,
      apiGroup: resource.group || undefined,
      apiVersion: resource.version,
      subresource: resource.subresource || undefined,
    },
    responseStatus: { code: entry.code },
    requestReceivedTimestamp: new Date(entry.receivedAt).toISOString(),
    stageTimestamp: new Date(entry.answeredAt).toISOString(),
  };
}
