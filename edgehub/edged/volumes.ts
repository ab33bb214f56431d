import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { giveToGroup, groupWrite, writeAtOnce } from "./atomic-files.ts";
import { diskError, endOf, removeTree } from "./disk.ts";
import { expand, type PodContext, type Problems } from "./environment.ts";
import { optionalWhole } from "./fields.ts";
import { isMounted, mountMemory, unmountBelow } from "./memory-disk.ts";
import type { Container, Pod } from "./pod.ts";
import { bytesOf } from "./quantity.ts";
import type { Mount } from "./runtime.ts";
import { placeBelow } from "./sub-path.ts";
import { staysInside, type Volume } from "./volume.ts";
import { type FindToken, filesOf } from "./volume-files.ts";

/** The volumes of pods on this node's disk: `<root>/pods/<uid>/volumes/<name>`. */
export class Volumes {
  readonly #root: string;
  readonly #hasOwners: boolean;

  /** @param root Absolute directory. @param hasOwners Containers may have other users than the agent: `fsGroup` counts. */
  constructor(root: string, hasOwners: boolean) {
    this.#root = join(root, "pods");
    this.#hasOwners = hasOwners;
  }

  /** Directory of a pod: volumes and termination messages. */
  directory(uid: string): string {
    return join(this.#root, uid);
  }

  /** Pods that have a directory. */
  uids(): string[] {
    return existsSync(this.#root) ? readdirSync(this.#root) : [];
  }

  /**
   * Makes a pod's volumes and fills them; those of ConfigMaps and Secrets get their new content, all files of a
   * volume at once.
   *
   * @param problems Gets what is missing. @returns Host path of each volume.
   * Throws `E_STORAGE_FULL` or `E_STORAGE`.
   */
  prepare(
    pod: Pod,
    context: PodContext & { readonly token: FindToken },
    problems: Problems,
  ): Map<string, string> {
    const paths = new Map<string, string>();
    this.#makeRoot();
    for (const volume of pod.volumes) {
      const path =
        volume.kind === "hostPath" ? volume.path : join(this.directory(pod.uid), "volumes", volume.name);
      try {
        this.#prepareOne(pod, volume, path, context, problems);
      } catch (error) {
        throw diskError(error, path);
      }
      paths.set(volume.name, path);
    }
    return paths;
  }

  /** Where a container finds what: its volumes, and the file for its termination message. */
  mounts(
    pod: Pod,
    container: Container,
    {
      paths,
      attempt,
      env,
    }: { paths: Map<string, string>; attempt: number; env: Readonly<Record<string, string>> },
    problems: Problems,
  ): Mount[] {
    const mounts = container.mounts.map((mount) => {
      const volume = paths.get(mount.volume) ?? "";
      const expanded = expand(mount.subPathExpr, (name) => env[name]);
      const subPath = mount.subPathExpr === "" ? mount.subPath : expanded;
      const containerPath = mount.path.startsWith("/") ? mount.path : `/${mount.path}`;
      const hostPath = subPath === "" ? volume : this.#below(volume, subPath, problems);
      // As at a kubelet: what containers wrote there would be lost, and mislead who brings new files.
      const isOfFiles = pod.volumes.some(({ name, kind }) => name === mount.volume && kind === "files");
      const readOnly = mount.readOnly || isOfFiles;
      return { hostPath, containerPath, readOnly, propagation: mount.propagation };
    });
    const message = this.messageFile(pod.uid, container.name, attempt);
    try {
      mkdirSync(dirname(message), { recursive: true });
      if (!existsSync(message)) writeFileSync(message, "", { mode: 0o666 });
      chmodSync(message, 0o666);
    } catch (error) {
      throw diskError(error, message);
    }
    return [
      ...mounts,
      { hostPath: message, containerPath: container.terminationMessagePath, readOnly: false },
    ];
  }

  /** What a container wrote as its last words: the end of it, at most 4,096 bytes. */
  terminationMessage(uid: string, container: string, attempt: number): string {
    return endOf(this.messageFile(uid, container, attempt), 4_096);
  }

  messageFile(uid: string, container: string, attempt: number): string {
    return join(this.directory(uid), "containers", container, `${attempt}.message`);
  }

  /** Removes all a pod had here. Throws `E_STORAGE`. */
  async remove(uid: string): Promise<void> {
    unmountBelow(join(this.directory(uid), "volumes"));
    await removeTree(this.directory(uid));
  }

  /** Secrets lie below it: nobody else on the node sees them. */
  #makeRoot(): void {
    if (existsSync(this.#root)) return;
    try {
      mkdirSync(dirname(this.#root), { recursive: true });
      mkdirSync(this.#root, { mode: 0o750 });
    } catch (error) {
      throw diskError(error, this.#root);
    }
  }

  #prepareOne(
    pod: Pod,
    volume: Volume,
    path: string,
    context: PodContext & { readonly token: FindToken },
    problems: Problems,
  ): void {
    const group = this.#hasOwners ? optionalWhole(pod.security.fsGroup) : undefined;
    switch (volume.kind) {
      case "emptyDir":
        if (makeEmptyDir(volume, path, memoryOf(pod, context), problems) && group !== undefined)
          giveToGroup(path, group, groupWrite);
        return;
      case "hostPath":
        prepareHostPath(volume, problems);
        return;
      case "files": {
        const found: Problems = [];
        const files = filesOf(pod, volume, context, found);
        problems.push(...found);
        const mountPoints = mountPointsIn(pod, volume.name);
        const keepOld = keepsOld(pod, volume.name);
        if (found.length === 0) writeAtOnce(path, files, { keepOld, group, mountPoints });
        return;
      }
      case "unsupported":
        problems.push(`volume "${volume.name}": volumes of type ${volume.type} are not supported`);
        return;
      default:
        volume satisfies never;
    }
  }

  #below(volume: string, subPath: string, problems: Problems): string {
    try {
      const place = placeBelow(volume, subPath);
      if (place !== undefined) return place;
    } catch (error) {
      throw diskError(error, join(volume, subPath));
    }
    problems.push(`subPath ${JSON.stringify(subPath)} leads out of its volume`);
    return volume;
  }
}

/** A container that has mounted one file of the volume keeps it as it was, as in Kubernetes. */
function keepsOld(pod: Pod, volume: string): boolean {
  return [...pod.initContainers, ...pod.containers].some((container) =>
    container.mounts.some(
      (mount) => mount.volume === volume && (mount.subPath !== "" || mount.subPathExpr !== ""),
    ),
  );
}

/** Where containers mount something inside this volume: a runtime could make no folder there, it is only read. */
function mountPointsIn(pod: Pod, volume: string): string[] {
  return [...pod.initContainers, ...pod.containers].flatMap(({ mounts }) =>
    mounts
      .filter((mount) => mount.volume === volume && mount.subPath === "" && mount.subPathExpr === "")
      .flatMap(({ path }) => mounts.map((other) => relative(path, other.path)))
      .filter(staysInside),
  );
}

/** @param memoryBytes Most that a volume in memory may have. @returns True if it was made just now. */
function makeEmptyDir(
  { name, medium, sizeLimitBytes }: Extract<Volume, { kind: "emptyDir" }>,
  path: string,
  memoryBytes: number,
  problems: Problems,
): boolean {
  const isInMemory = medium === "Memory";
  const isThere = existsSync(path) && (!isInMemory || isMounted(path));
  if (isThere) return false;
  mkdirSync(path, { recursive: true });
  const problem = isInMemory
    ? mountMemory(path, Math.min(sizeLimitBytes || memoryBytes, memoryBytes))
    : medium === ""
      ? undefined
      : `emptyDir.medium ${medium} is not supported`;
  if (problem !== undefined) {
    problems.push(`volume "${name}": ${problem}`);
    rmdirSync(path);
    return false;
  }
  chmodSync(path, 0o777);
  return true;
}

/** What all containers of a pod may use of the memory, at most what the node has. */
function memoryOf(pod: Pod, { allocatable }: PodContext): number {
  const limits = [...pod.initContainers, ...pod.containers].map(({ limits }) => bytesOf(limits.memory) || 0);
  return limits.includes(0) ? allocatable.memoryBytes : limits.reduce((sum, bytes) => sum + bytes, 0);
}

const hostPathTypes: Readonly<Record<string, (stat: ReturnType<typeof lstatSync>) => boolean | undefined>> = {
  Directory: (stat) => stat?.isDirectory(),
  DirectoryOrCreate: (stat) => stat?.isDirectory(),
  File: (stat) => stat?.isFile(),
  FileOrCreate: (stat) => stat?.isFile(),
  Socket: (stat) => stat?.isSocket(),
  CharDevice: (stat) => stat?.isCharacterDevice(),
  BlockDevice: (stat) => stat?.isBlockDevice(),
};

function prepareHostPath(volume: Extract<Volume, { kind: "hostPath" }>, problems: Problems): void {
  const { name, path, type } = volume;
  if (!path.startsWith("/") || path.split("/").includes("..")) {
    problems.push(
      `volume "${name}": hostPath must be absolute and without "..", got ${JSON.stringify(path)}`,
    );
    return;
  }
  if (!existsSync(path) && type === "DirectoryOrCreate") mkdirSync(path, { recursive: true, mode: 0o755 });
  if (!existsSync(path) && type === "FileOrCreate") writeFileSync(path, "", { mode: 0o644 });
  if (type === "") return;
  const check = hostPathTypes[type];
  if (check === undefined) problems.push(`volume "${name}": hostPath type ${type} is unknown`);
  else if (!existsSync(path) || !check(lstatSync(realpathSync(path))))
    problems.push(`volume "${name}": hostPath type check failed: ${path} is not a ${type}`);
}
