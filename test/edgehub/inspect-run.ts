import { type InspectionIo, inspect } from "../../edgehub/inspect/index.ts";

/** What a command line left behind. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a subcommand of `edgehub` in this process. @param more `onOut` is told of all that was written so far. */
export async function edgehub(
  argv: readonly string[],
  more: Partial<InspectionIo> & { readonly onOut?: (out: string) => void } = {},
): Promise<Ran> {
  let out = "";
  let err = "";
  const { onOut, ...io } = more;
  const code = await inspect(argv, {
    environment: {},
    out: (text) => {
      out += typeof text === "string" ? text : Buffer.from(text).toString();
      onOut?.(out);
    },
    err: (text) => {
      err += typeof text === "string" ? text : Buffer.from(text).toString();
    },
    columns: undefined,
    now: Date.now(),
    signal: new AbortController().signal,
    ...io,
  });
  return { code, out, err };
}
