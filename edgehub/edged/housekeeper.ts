import { existsSync, readdirSync, renameSync, rmSync, statfsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { OncePer } from "../../platform/logger.ts";
import { asHubError } from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import { removeTree } from "./disk.ts";
import { imagesToRemove, logsToRemove, rotatedName } from "./garbage.ts";
import type { EdgedOptions } from "./options.ts";
import type { Runtime, RuntimeContainer, RuntimePod } from "./runtime.ts";
import type { Volumes } from "./volumes.ts";

const logsEveryMs = 10_000;
const foldersEveryMs = 60_000;
const imagesEveryMs = 300_000;
/** An image that came just now is about to be used. */
const youngImageMs = 120_000;

export interface HousekeeperParts {
  readonly agent: Agent;
  readonly runtime: Runtime;
  readonly volumes: Volumes;
  readonly logRoot: string;
}

/** Rotates logs, and removes what nobody needs: images, and folders of pods that are no more. */
export class Housekeeper {
  readonly #parts: HousekeeperParts;
  readonly #options: EdgedOptions;
  readonly #lastUse = new Map<string, number>();
  readonly #complaints: OncePer;
  #busy = false;
  #logsDueAt = 0;
  #foldersDueAt: number;
  #imagesDueAt: number;

  constructor(parts: HousekeeperParts, options: EdgedOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#complaints = new OncePer(parts.agent.clock, 600_000);
    const now = parts.agent.clock.now();
    this.#foldersDueAt = now + foldersEveryMs;
    this.#imagesDueAt = now + logsEveryMs;
  }

  /**
   * Does what is due; never rejects, and does one round at a time.
   *
   * @param uids Pods that are wanted, or not forgotten yet.
   */
  async round(running: readonly RuntimePod[], uids: ReadonlySet<string>): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    const now = this.#parts.agent.clock.now();
    const containers = running.flatMap((sandbox) => sandbox.containers);
    // First of all, before anything is waited for: a pod that comes meanwhile is not known here.
    if (now >= this.#foldersDueAt) {
      this.#foldersDueAt = now + foldersEveryMs;
      const known = new Set([...uids, ...running.map((sandbox) => sandbox.uid)]);
      await this.#try("removing folders of pods", () => this.#removeFolders(known));
    }
    if (now >= this.#logsDueAt) {
      this.#logsDueAt = now + logsEveryMs;
      for (const container of containers) await this.#try("rotating a log", () => this.#rotate(container));
    }
    if (now >= this.#imagesDueAt) {
      this.#imagesDueAt = now + imagesEveryMs;
      const limits = {
        highPercent: this.#options.imageGCHighPercent,
        lowPercent: this.#options.imageGCLowPercent,
      };
      await this.#try("removing images", () => this.#removeImages(limits));
    }
    this.#busy = false;
  }

  async #rotate({ id, logPath, state }: RuntimeContainer): Promise<void> {
    const { agent, runtime } = this.#parts;
    if (state !== "running" || !logPath.startsWith("/")) return;
    const size = statSync(logPath, { throwIfNoEntry: false })?.size;
    // An earlier agent may have ended between the two steps.
    if (size === undefined) return await runtime.reopenLog(id);
    if (size < this.#options.containerLogMaxBytes) return;
    const [folder, log] = [dirname(logPath), basename(logPath)];
    const rotated = join(folder, rotatedName(log, agent.clock.wallTime()));
    renameSync(logPath, rotated);
    try {
      await runtime.reopenLog(id);
    } catch (error) {
      // It is still written to: under its name it is found again.
      if (!existsSync(logPath)) renameSync(rotated, logPath);
      throw error;
    }
    for (const name of logsToRemove(readdirSync(folder), log, this.#options.containerLogMaxFiles))
      rmSync(join(folder, name), { force: true });
  }

  async #removeFolders(known: ReadonlySet<string>): Promise<void> {
    const { volumes, logRoot } = this.#parts;
    const uids = volumes.uids().filter((uid) => !known.has(uid));
    const logs = existsSync(logRoot) ? readdirSync(logRoot) : [];
    for (const uid of uids) await volumes.remove(uid);
    for (const name of logs) {
      // A uid may have underscores too, the two before it have none.
      const uid = name.split("_").slice(2).join("_");
      if (uid !== "" && !known.has(uid)) await removeTree(join(logRoot, name));
    }
  }

  /** Removes all images that no container uses, but those that came just now. Never rejects. */
  async freeImages(): Promise<void> {
    await this.#try("removing images", () => this.#removeImages({ highPercent: 0, lowPercent: 0 }));
  }

  async #removeImages(limits: { highPercent: number; lowPercent: number }): Promise<void> {
    const { agent, runtime } = this.#parts;
    const now = agent.clock.wallTime();
    const images = await runtime.images();
    const containers = (await runtime.pods()).flatMap((sandbox) => sandbox.containers);
    const inUse = new Set(containers.flatMap((one) => [one.imageId, one.image]));
    const ids = new Set(images.map(({ id }) => id));
    for (const id of this.#lastUse.keys()) if (!ids.has(id)) this.#lastUse.delete(id);
    for (const { id, tags } of images) {
      const isUsed = inUse.has(id) || tags.some((tag) => inUse.has(tag));
      if (isUsed || !this.#lastUse.has(id)) this.#lastUse.set(id, now);
    }
    const disk = await runtime.imageDisk();
    if (disk === undefined) return;
    const { blocks, bfree, bsize } = statfsSync(disk.path);
    const use = { usedBytes: (blocks - bfree) * bsize, capacityBytes: blocks * bsize, ...limits };
    for (const { id, tags } of imagesToRemove(images, inUse, this.#lastUse, use, now - youngImageMs)) {
      await runtime.removeImage(id);
      agent.log.info("an unused image was removed to free the disk", { image: tags[0] ?? id });
    }
  }

  async #try(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (this.#complaints.pass(what) !== undefined)
        this.#parts.agent.log.warn("housekeeping failed", { what, error: asHubError(error) });
    }
  }
}
