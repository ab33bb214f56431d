import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { diskError, removeTree } from "./disk.ts";
import { expand, type PodContext, type Problems } from "./environment.ts";
import type { Container, Pod } from "./pod.ts";
import type { Mount } from "./runtime.ts";
import type { Volume } from "./volume.ts";
import { type FindToken, filesOf, type VolumeFile } from "./volume-files.ts";

/** The volumes of pods on this node's disk: `<root>/pods/<uid>/volumes/<name>`. */
export class Volumes {
  readonly #root: string;

  /** @param root Absolute directory. */
  constructor(root: string) {
    this.#root = join(root, "pods");
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
      return { hostPath, containerPath, readOnly: mount.readOnly };
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

  /** What a container wrote as its last words, at most 4,096 bytes. */
  terminationMessage(uid: string, container: string, attempt: number): string {
    try {
      return readFileSync(this.messageFile(uid, container, attempt))
        .subarray(0, 4_096)
        .toString("utf8");
    } catch {
      return "";
    }
  }

  messageFile(uid: string, container: string, attempt: number): string {
    return join(this.directory(uid), "containers", container, `${attempt}.message`);
  }

  /** Removes all a pod had here. Throws `E_STORAGE`. */
  async remove(uid: string): Promise<void> {
    await removeTree(this.directory(uid));
  }

  #prepareOne(
    pod: Pod,
    volume: Volume,
    path: string,
    context: PodContext & { readonly token: FindToken },
    problems: Problems,
  ): void {
    switch (volume.kind) {
      case "emptyDir":
        mkdirSync(path, { recursive: true });
        chmodSync(path, 0o777);
        return;
      case "hostPath":
        prepareHostPath(volume, problems);
        return;
      case "files": {
        const found: Problems = [];
        const files = filesOf(pod, volume, context, found);
        problems.push(...found);
        if (found.length === 0) writeAtOnce(path, files, keepsOld(pod, volume.name));
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
    const path = join(volume, subPath);
    if (subPath.startsWith("/") || subPath.split("/").includes("..")) {
      problems.push(`subPath ${JSON.stringify(subPath)} leaves its volume`);
      return volume;
    }
    try {
      if (!existsSync(path)) mkdirSync(path, { recursive: true });
      const real = realpathSync(path);
      const inside = real === realpathSync(volume) || real.startsWith(`${realpathSync(volume)}/`);
      if (!inside) problems.push(`subPath ${JSON.stringify(subPath)} leads out of its volume`);
      return inside ? real : volume;
    } catch (error) {
      throw diskError(error, path);
    }
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

/**
 * Gives a directory new files, all at one moment, as Kubernetes does: they are written to a directory of their own,
 * `..<number>`, to which the link `..data` is turned; the names that containers see are links into `..data`.
 */
function writeAtOnce(directory: string, files: ReadonlyMap<string, VolumeFile>, keepOld: boolean): void {
  mkdirSync(directory, { recursive: true });
  const data = join(directory, "..data");
  const before = linkTarget(data);
  if (before !== undefined && holds(join(directory, before), files)) return;
  const number = Number(before?.slice(2) ?? 0) + 1;
  const next = `..${number}`;
  rmSync(join(directory, next), { recursive: true, force: true });
  for (const [path, { content, mode }] of files) {
    const file = join(directory, next, path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    writeFileSync(file, content, { mode });
    chmodSync(file, mode);
  }
  mkdirSync(join(directory, next), { recursive: true });
  rmSync(`${data}_new`, { force: true });
  symlinkSync(next, `${data}_new`);
  renameSync(`${data}_new`, data);
  linkNames(directory, files);
  if (before !== undefined && !keepOld) rmSync(join(directory, before), { recursive: true, force: true });
}

function linkNames(directory: string, files: ReadonlyMap<string, VolumeFile>): void {
  const names = new Set([...files.keys()].map((path) => path.split("/")[0] as string));
  for (const name of names) {
    if (linkTarget(join(directory, name)) === undefined)
      symlinkSync(join("..data", name), join(directory, name));
  }
  for (const name of readdirSync(directory)) {
    if (!name.startsWith("..") && !names.has(name))
      rmSync(join(directory, name), { force: true, recursive: true });
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** True if these files, with this content, and no others are there. */
function holds(directory: string, files: ReadonlyMap<string, VolumeFile>): boolean {
  try {
    const there = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((one) =>
      one.isFile(),
    );
    if (there.length !== files.size) return false;
    return [...files].every(([path, { content, mode }]) => {
      const file = join(directory, path);
      return (lstatSync(file).mode & 0o777) === mode && readFileSync(file).equals(content);
    });
  } catch {
    return false;
  }
}
