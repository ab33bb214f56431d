import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A process, told apart from a later one with the same number by when it began. */
export interface Pid {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat. */
  readonly ticks: string;
}

/**
 * Stands between the agent and the command, and outlives the agent: notes its own pid, runs the command, notes the
 * exit code, and ends what the command left behind in their process group. Arguments: directory, command …
 */
export const watcher = `
trap : TERM INT HUP
ticks() { set -- \${1##*) }; echo "\${20}"; }
read -r stat < "/proc/$$/stat"
echo "$$ $(ticks "$stat")" > "$0/pid" || exit 125
exec 3>&2 2>/dev/null
"$@" 2>&3 3>&-
code=$?
until echo "$code" > "$0/exit" || [ ! -d "$0" ]; do /bin/sleep 1; done
kill -KILL 0
`;

/** The watcher of a container's directory; `undefined`: there was none yet. */
export function pidIn(directory: string): Pid | undefined {
  const [pid, ticks] = lineIn(join(directory, "pid"))?.split(" ") ?? [];
  return pid === undefined || ticks === undefined ? undefined : { pid: Number(pid), ticks };
}

/** A line that a watcher wrote; `undefined` unless it is whole. */
export function lineIn(file: string): string | undefined {
  try {
    const text = readFileSync(file, "utf8");
    return text.endsWith("\n") ? text.trimEnd() : undefined;
  } catch {
    return undefined;
  }
}

/** A process that has ended but was not waited for is not alive. */
export function isAlive({ pid, ticks }: Pid): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] !== "Z" && fields[19] === ticks;
  } catch {
    return false;
  }
}
