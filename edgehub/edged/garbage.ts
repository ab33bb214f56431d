import type { RuntimeImage } from "./runtime.ts";

/** What can go to free the disk. Pure. */

export interface ImageDisk {
  readonly usedBytes: number;
  readonly capacityBytes: number;
  readonly highPercent: number;
  readonly lowPercent: number;
}

/**
 * Images that no container uses, until the disk is as empty as it should be; those used longest ago first.
 *
 * @param lastUse When each image was last seen in use, or first seen; by id.
 * @param before Images used since are left alone.
 */
export function imagesToRemove(
  images: readonly RuntimeImage[],
  inUse: ReadonlySet<string>,
  lastUse: ReadonlyMap<string, number>,
  disk: ImageDisk,
  before: number,
): RuntimeImage[] {
  const { usedBytes, capacityBytes, highPercent, lowPercent } = disk;
  if (capacityBytes <= 0 || usedBytes * 100 < capacityBytes * highPercent) return [];
  let excess = usedBytes - (capacityBytes * lowPercent) / 100;
  const unused = images
    .filter(({ id, pinned, tags }) => !pinned && !inUse.has(id) && !tags.some((tag) => inUse.has(tag)))
    .filter(({ id }) => (lastUse.get(id) ?? 0) < before)
    .sort((a, b) => (lastUse.get(a.id) ?? 0) - (lastUse.get(b.id) ?? 0) || b.sizeBytes - a.sizeBytes);
  return unused.filter(({ sizeBytes }) => {
    const wanted = excess > 0;
    if (wanted) excess -= sizeBytes;
    return wanted;
  });
}

/** Name of a log that was turned away from: `0.log.20260102-030405`. */
export function rotatedName(log: string, wallTime: number): string {
  const digits = new Date(wallTime).toISOString().replace(/[-:]/g, "");
  return `${log}.${digits.slice(0, 8)}-${digits.slice(9, 15)}`;
}

/**
 * Rotated logs that are too many.
 *
 * @param names Files in the log's folder. @param maxFiles With the one that is written to.
 */
export function logsToRemove(names: readonly string[], log: string, maxFiles: number): string[] {
  const rotated = names.filter((name) => name.startsWith(`${log}.`)).sort();
  return rotated.slice(0, Math.max(rotated.length - (maxFiles - 1), 0));
}
