import { systemClock } from "../../platform/clock.ts";
import { HubError } from "../../protocol/index.ts";
import { type Command, wholeNumber } from "./command.ts";
import { logFolder } from "./log-files.ts";
import { type LogLine, LogPrinter, Tail } from "./log-lines.ts";
import type { LogReader } from "./log-reader.ts";
import { requireDirectory } from "./place.ts";
import { attemptOf, comingLines, writtenLines } from "./read-log.ts";

export const logs: Command = {
  name: "logs",
  usage: "POD",
  summary: "what a container has written to its standard output and error",
  detail: `Reads the files of this node, so that it needs neither the agent nor the container runtime. -f goes on with the
next start when the container is started again, and ends when its logs are removed, or with Ctrl-C.`,
  examples: [
    ["edgehub logs camera -f --tail 20", "the last lines, and what comes"],
    ["edgehub logs plant/camera -c main -p --timestamps", "of the start before, with times"],
  ],
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
    const reader = showWhatIsThere(folder, attempt, { tail, follow }, show);
    if (!follow) return 0;
    const startedAgain = (newest: number): boolean => {
      io.err(`edgehub: the container was started again (start ${newest})\n`);
      return true;
    };
    const following = { clock: systemClock, signal: io.signal, startedAgain };
    for await (const line of comingLines(folder, { attempt, reader }, following)) show(line);
    return 0;
  },
};

/** @returns The reader of the file that is written to, if it is to be followed. */
function showWhatIsThere(
  folder: string,
  attempt: number,
  { tail: most, follow }: { tail: number; follow: boolean },
  show: (line: LogLine) => void,
): LogReader | undefined {
  const tail = most === Number.POSITIVE_INFINITY ? undefined : new Tail(most);
  const take = (line: LogLine): void => (tail ? tail.add(line) : show(line));
  const lines = writtenLines(folder, attempt, follow);
  let next = lines.next();
  for (; !next.done; next = lines.next()) take(next.value);
  for (const line of tail?.lines() ?? []) show(line);
  return next.value;
}
