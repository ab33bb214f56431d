import { HubError, shown } from "../../protocol/index.ts";

/** Where the next piece of a log begins. */
export interface LogPlace {
  /** The container's how-manieth start. */
  readonly attempt: number;
  /** Of the file; 0: the oldest one there is. */
  readonly inode: number;
  readonly offset: number;
  /** True: the last piece ended within a line that the runtime has cut into parts. */
  readonly inLine: boolean;
}

export function formatPlace({ attempt, inode, offset, inLine }: LogPlace): string {
  return [attempt, inode, offset, inLine ? 1 : 0].join(":");
}

/** Throws `E_BAD_MESSAGE`. */
export function parsePlace(text: string): LogPlace {
  const [attempt, inode, offset, inLine, ...rest] = text
    .split(":")
    .map((part) => (/^\d{1,16}$/.test(part) ? Number(part) : -1));
  const numbers = [attempt, inode, offset, inLine];
  if (rest.length > 0 || numbers.some((one) => one === undefined || !Number.isSafeInteger(one) || one < 0))
    throw new HubError("E_BAD_MESSAGE", `position must be one that was given before, got ${shown(text)}`);
  return {
    attempt: attempt as number,
    inode: inode as number,
    offset: offset as number,
    inLine: inLine === 1,
  };
}
