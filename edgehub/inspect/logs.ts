import { basename } from "node:path";
import { pause, systemClock } from "../../platform/clock.ts";
import { HubError } from "../../protocol/index.ts";
import { type Command, wholeNumber } from "./command.ts";
import type { InspectionIo } from "./io.ts";
import { attemptsIn, logFile, logFolder, rotatedIn } from "./log-files.ts";
import { type LogLine, LogPrinter, Tail } from "./log-lines.ts";
import { LogReader } from "./log-reader.ts";
import { requireDirectory } from "./place.ts";

const pollMs = 200;

export const logs: Command = {
  name: "logs",
  usage: "POD",
  summary: "what a container has written to its standard output and error",
  detail: `Reads the files of this node, so that it needs neither the agent nor the container runtime. -f goes on with the
next start when the container is started again, and ends when its logs are removed, or with Ctrl-C.`,
  options: [
    { name: "namespace", short: "n", value: "NAME", description: "of the pod; or write NAMESPACE/POD" },
    { name: "container", short: "c", value: "NAME", description: "if the pod has several" },
    { name: "follow", short: "f", description: "go on with what is written from now on" },
    { name: "tail", value: "N", description: "the last N lines only" },
    { name: "previous", short: "p", description: "of the start before the last one" },
    { name: "timestamps", description: "with the time of each line" },
  ],
  words: { min: 1, max: 1 },
  async run(given, io) {
    const tail = wholeNumber(given, "tail", Number.POSITIVE_INFINITY);
    const previous = given.flag("previous");
    const follow = given.flag("follow");
    if (previous && follow)
      throw new HubError("E_BAD_OPTION", "--previous has ended: it cannot be followed; leave out -f");
    const folder = logFolder(requireDirectory(given.options).logs, {
      wanted: given.words[0],
      namespace: given.text("namespace"),
      container: given.text("container"),
    });
    const attempt = attemptOf(folder, previous);
    const printer = new LogPrinter(given.flag("timestamps"));
    const show = (line: LogLine): void => io.out(printer.print(line));
    const reader = showWhatIsThere(folder, attempt, tail, show, follow);
    if (follow) await showWhatComes(folder, { attempt, reader }, show, io);
    return 0;
  },
};

function attemptOf(folder: string, previous: boolean): number {
  const attempts = attemptsIn(folder);
  const found = attempts.at(previous ? -2 : -1);
  if (found !== undefined) return found;
  const text = previous ? "has no log of an earlier start" : "has no log";
  throw new HubError("E_NOT_FOUND", `container ${basename(folder)} ${text} on this node`);
}

/** @returns The reader of the file that is written to, if it is to be followed. */
function showWhatIsThere(
  folder: string,
  attempt: number,
  most: number,
  show: (line: LogLine) => void,
  follow: boolean,
): LogReader | undefined {
  const tail = most === Number.POSITIVE_INFINITY ? undefined : new Tail(most);
  const take = (line: LogLine): void => (tail ? tail.add(line) : show(line));
  // Opened first: what is rotated away meanwhile is read once, from the open file.
  const current = LogReader.open(logFile(folder, attempt));
  for (const file of rotatedIn(folder, attempt)) {
    const reader = LogReader.open(file);
    if (reader === undefined) continue;
    if (!current?.isSameAs(reader)) for (const line of reader.readToEnd()) take(line);
    reader.close();
  }
  if (current) for (const line of follow ? current.read() : current.readToEnd()) take(line);
  for (const line of tail?.lines() ?? []) show(line);
  if (follow) return current;
  current?.close();
  return undefined;
}

async function showWhatComes(
  folder: string,
  from: { attempt: number; reader: LogReader | undefined },
  show: (line: LogLine) => void,
  io: InspectionIo,
): Promise<void> {
  let { attempt, reader } = from;
  while (!io.signal.aborted) {
    reader ??= LogReader.open(logFile(folder, attempt));
    const newest = attemptsIn(folder).at(-1);
    const isOver = newest !== attempt || (reader?.isTurnedAway ?? false);
    // What was written before these looks is read now, so nothing is missed by turning to another file.
    for (const line of (isOver ? reader?.readToEnd() : reader?.read()) ?? []) show(line);
    if (isOver) {
      reader?.close();
      reader = undefined;
    }
    if (newest === undefined) return;
    if (newest !== attempt) io.err(`edgehub: the container was started again (start ${newest})\n`);
    attempt = newest;
    if (!isOver) await pause(systemClock, pollMs, io.signal);
  }
  reader?.close();
}
