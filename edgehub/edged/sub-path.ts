import { chmodSync, existsSync, lstatSync, mkdirSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * A place below a volume. Folders that are not there are made, with the rights that the volume has. Each step is looked at
 * before the next one is taken: containers may have put links into the volume.
 *
 * @returns Its path without links; `undefined`: it leads out of the volume. Throws as the file system.
 */
export function placeBelow(volume: string, subPath: string): string | undefined {
  if (subPath.startsWith("/")) return undefined;
  if (!existsSync(volume)) mkdirSync(volume, { recursive: true });
  const root = realpathSync(volume);
  const mode = statSync(root).mode & 0o7777;
  let place = root;
  for (const name of subPath.split("/").filter((word) => word !== "" && word !== ".")) {
    if (name === "..") return undefined;
    const next = join(place, name);
    if (lstatSync(next, { throwIfNoEntry: false }) === undefined) {
      mkdirSync(next);
      chmodSync(next, mode);
    }
    place = realpathSync(next);
    if (!`${place}/`.startsWith(root === "/" ? root : `${root}/`)) return undefined;
  }
  return place;
}
