/**
 * The demo: a hub and an edge agent as real programs, a bad link between them, and 205 Kubernetes objects that must
 * arrive although the link is cut and the hub is killed on the way. Then the node's own work: a device that reports
 * without a link, a pod that outlives its agent while there is no hub, and a service that the cloud calls.
 *
 *   npm run demo                         about 30 s, then everything is stopped and removed
 *   npm run demo -- --keep [--dir DIR]   all stays until Ctrl-C, to look around with hubctl and edgehub
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { commandsToLookFurther, commandsToRunAgain } from "./commands.ts";
import type { WeakLink } from "./link.ts";
import { Programs } from "./programs.ts";
import { Screen } from "./screen.ts";
import { runStory, type StoryParts } from "./story.ts";

const help = `npm run demo [-- --keep] [--dir DIR]

  --keep       leave everything running until Ctrl-C, and print commands to look around
  --dir DIR    where their data and logs go; must not exist (default: a new one under ${tmpdir()})
`;

interface Choice {
  readonly keep: boolean;
  readonly dir: string | undefined;
}

function readChoice(argv: string[]): Choice | number {
  try {
    const text = { type: "string" } as const;
    const flag = { type: "boolean", default: false } as const;
    const { values } = parseArgs({
      args: argv,
      options: { keep: flag, dir: text, help: { ...flag, short: "h" } },
    });
    if (!values.help) return { keep: values.keep, dir: values.dir };
    process.stdout.write(help);
    return 0;
  } catch (error) {
    process.stderr.write(`demo: ${error instanceof Error ? error.message : error}\n\n${help}`);
    return 2;
  }
}

/** @returns `undefined` if it cannot be made; then that was told. */
function makeDirectory(dir: string | undefined): string | undefined {
  try {
    if (dir === undefined) return mkdtempSync(join(tmpdir(), "cloud-edge-hub-demo-"));
    const path = resolve(dir);
    mkdirSync(path, { mode: 0o700 });
    return path;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why =
      code === "EEXIST"
        ? `${dir} exists; name a directory that does not, it will be removed in the end`
        : message;
    process.stderr.write(`demo: ${why}\n`);
    return undefined;
  }
}

/** The story, with an end. */
async function told(parts: StoryParts): Promise<WeakLink> {
  const late = new AbortController();
  const text = `it took more than ${storyTimeoutMs / 1_000} s`;
  const timer = setTimeout(() => late.abort(), storyTimeoutMs);
  try {
    return await runStory({ ...parts, signal: AbortSignal.any([parts.signal, late.signal]) });
  } catch (error) {
    throw late.signal.aborted ? new Error(text, { cause: error }) : error;
  } finally {
    clearTimeout(timer);
  }
}

/** A story that takes longer than this has failed. */
const storyTimeoutMs = 60_000;

/** @returns The exit code. */
async function main(choice: Choice): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupted.abort());
  const { signal } = interrupted;
  const directory = makeDirectory(choice.dir);
  if (directory === undefined) return 2;
  const programs = new Programs(directory);
  const screen = new Screen(process.stdout);
  let failed = false;
  try {
    const link = await told({ programs, screen, signal });
    if (choice.keep) {
      screen.say(commandsToLookFurther(directory));
      screen.close();
      await new Promise<void>((done) =>
        signal.aborted ? done() : signal.addEventListener("abort", () => done()),
      );
      process.stdout.write("\nStopping everything …\n");
    } else screen.say(commandsToRunAgain(directory));
    await link.close();
    return 0;
  } catch (error) {
    screen.close();
    if (signal.aborted) {
      process.stderr.write("\nInterrupted: stopping everything …\n");
      return 130;
    }
    failed = true;
    process.stderr.write(
      `\nTHE DEMO FAILED: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`,
    );
    process.stderr.write(`${programs.tails()}\nEverything is kept in ${directory}\n`);
    return 1;
  } finally {
    screen.close();
    await programs.stop();
    if (!failed) rmSync(directory, { recursive: true, force: true });
  }
}

const choice = readChoice(process.argv.slice(2));
process.exit(typeof choice === "number" ? choice : await main(choice));
