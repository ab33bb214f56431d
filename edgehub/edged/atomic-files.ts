import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { VolumeFile } from "./volume-files.ts";

/** What a group may do with files that are only read, and with files it may change; kubelet's masks for `fsGroup`. */
const groupRead = 0o440;
export const groupWrite = 0o660;
const setGroupId = 0o2000;

/**
 * Gives a directory new files, all at one moment, as Kubernetes does: they are written to a directory of their own,
 * `..<number>`, to which the link `..data` is turned; the names that containers see are links into `..data`.
 *
 * @param mountPoints Folders, relative, in which containers mount other volumes.
 */
export function writeAtOnce(
  directory: string,
  files: ReadonlyMap<string, VolumeFile>,
  {
    keepOld,
    group,
    mountPoints,
  }: { keepOld: boolean; group: number | undefined; mountPoints: readonly string[] },
): void {
  mkdirSync(directory, { recursive: true });
  const data = join(directory, "..data");
  const before = ownNumber(linkTarget(data));
  const extra = group === undefined ? 0 : groupRead;
  if (before !== undefined && holds(join(directory, before), files, extra)) {
    // The agent may have ended before it had linked them.
    linkNames(directory, files, mountPoints);
    return;
  }
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
  if (group !== undefined) giveToGroup(join(directory, next), group, groupRead);
  rmSync(`${data}_new`, { force: true });
  symlinkSync(next, `${data}_new`);
  renameSync(`${data}_new`, data);
  linkNames(directory, files, mountPoints);
  if (before !== undefined && !keepOld) rmSync(join(directory, before), { recursive: true, force: true });
}

/** Only a link of our own making says what may be removed. */
function ownNumber(target: string | undefined): string | undefined {
  return target !== undefined && /^\.\.\d+$/.test(target) ? target : undefined;
}

function linkNames(
  directory: string,
  files: ReadonlyMap<string, VolumeFile>,
  mountPoints: readonly string[],
): void {
  const first = (path: string): string => path.split("/")[0] as string;
  const names = new Set([...files.keys()].map(first));
  for (const name of names) {
    if (linkTarget(join(directory, name)) === undefined)
      symlinkSync(join("..data", name), join(directory, name));
  }
  for (const place of mountPoints) mkdirSync(join(directory, place), { recursive: true });
  const kept = new Set([...names, ...mountPoints.map(first)]);
  for (const name of readdirSync(directory)) {
    if (!name.startsWith("..") && !kept.has(name))
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
function holds(directory: string, files: ReadonlyMap<string, VolumeFile>, extraMode: number): boolean {
  try {
    const there = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((one) =>
      one.isFile(),
    );
    if (there.length !== files.size) return false;
    return [...files].every(([path, { content, mode }]) => {
      const file = join(directory, path);
      return (lstatSync(file).mode & 0o777) === (mode | extraMode) && readFileSync(file).equals(content);
    });
  } catch {
    return false;
  }
}

/** A directory with all below becomes the group's. Source: kubelet's SetVolumeOwnership. */
export function giveToGroup(path: string, group: number, rights: number): void {
  const { mode, uid } = lstatSync(path);
  chownSync(path, uid, group);
  if ((mode & 0o170000) !== 0o040000) {
    chmodSync(path, (mode & 0o7777) | rights);
    return;
  }
  chmodSync(path, (mode & 0o7777) | rights | 0o110 | setGroupId);
  for (const name of readdirSync(path)) giveToGroup(join(path, name), group, rights);
}
