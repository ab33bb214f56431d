import type { BlockStream } from "../platform/live-block.ts";

/** What the program reads from and writes to; a test puts its own in place. */
export interface Io {
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly stdinIsTerminal: boolean;
  readonly out: Stream;
  readonly err: Stream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by Ctrl-C, SIGTERM, or when nobody reads standard output any more. */
  readonly signal: AbortSignal;
  /** Wall clock, ms since 1970. */
  now(): number;
}

export interface Stream extends BlockStream {
  write(text: string): void;
  /** People look at it: columns are fitted to the screen, lines may be drawn again. */
  readonly isTerminal: boolean;
}

/** Why the signal of {@link Io} was aborted. */
export type Interruption = "signal" | "broken pipe";

/** The process's own streams. A reader that goes away (`hubctl … | head`) ends the program without a word. */
export function processIo(): Io {
  const interrupted = new AbortController();
  const interrupt = (why: Interruption): void => interrupted.abort(why);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    // A second signal ends it at once.
    process.once(signal, () => interrupt("signal"));
  }
  return {
    stdin: process.stdin,
    stdinIsTerminal: process.stdin.isTTY === true,
    out: streamOf(process.stdout, () => interrupt("broken pipe")),
    err: streamOf(process.stderr, () => {}),
    env: process.env,
    signal: interrupted.signal,
    now: () => Date.now(),
  };
}

function streamOf(stream: NodeJS.WriteStream, broken: () => void): Stream {
  let open = true;
  stream.on("error", (error: NodeJS.ErrnoException) => {
    open = false;
    if (error.code === "EPIPE") broken();
    else throw error;
  });
  return {
    write: (text) => void (open && stream.write(text)),
    isTerminal: stream.isTTY === true,
    get columns() {
      return stream.columns;
    },
    get rows() {
      return stream.rows;
    },
  };
}
