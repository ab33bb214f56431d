import { endOf } from "./disk.ts";
import type { Pod } from "./pod.ts";
import type { RuntimeContainer } from "./runtime.ts";
import type { Volumes } from "./volumes.ts";

/** As a kubelet: so much of a log stands for the last words of a container that left none. */
const maxLines = 80;
const maxBytes = 2_048;
/** Lines carry their time and stream; more than this never counts. */
const readBytes = 32_768;

/** What a container wrote for its end; or the end of its log, if it failed without a word and wants that. */
export function lastWordsOf(
  { uid, initContainers, containers }: Pod,
  { name, attempt, exitCode, logPath }: RuntimeContainer,
  volumes: Pick<Volumes, "terminationMessage">,
): string {
  const words = volumes.terminationMessage(uid, name, attempt);
  const container = [...initContainers, ...containers].find((one) => one.name === name);
  if (words !== "" || exitCode === 0 || !container?.terminationMessageFromLog) return words;
  return tailOf(endOf(logPath, readBytes));
}

/** The words of a log's last lines. Pure. @param log Its end; a line that is cut off does not count. */
export function tailOf(log: string): string {
  let text = "";
  for (const [, tag, words] of log.matchAll(/^\S+ (?:stdout|stderr) ([FP])\S* ?(.*)$/gm))
    text += tag === "F" ? `${words}\n` : words;
  const lines = text
    .split("\n")
    .slice(-maxLines - 1)
    .join("\n");
  const bytes = Buffer.from(lines);
  return bytes.subarray(Math.max(bytes.length - maxBytes, 0)).toString("utf8");
}
