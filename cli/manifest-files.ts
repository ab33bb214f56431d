import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { HubError } from "../sdk/index.ts";
import type { Io } from "./io.ts";
import { type Manifest, type ManifestOptions, manifestsOf } from "./manifests.ts";

const endings = [".yaml", ".yml", ".json"];

/**
 * Reads the manifests of files, of the files in folders (in the order of their names), and of standard input (`-`).
 *
 * Throws `E_BAD_OPTION` for what cannot be read or holds no objects.
 */
export async function readManifests(
  places: readonly string[],
  options: ManifestOptions,
  io: Pick<Io, "stdin" | "stdinIsTerminal" | "err">,
): Promise<Manifest[]> {
  const found: Manifest[] = [];
  for (const place of places) {
    const texts = place === "-" ? [{ origin: "standard input", text: await readAll(io) }] : readFiles(place);
    const manifests = texts.flatMap(({ origin, text }) => manifestsOf(text, origin, options));
    if (manifests.length === 0) throw new HubError("E_BAD_OPTION", `${place} holds no objects`);
    found.push(...manifests);
  }
  return found;
}

function readFiles(place: string): { origin: string; text: string }[] {
  try {
    if (!statSync(place).isDirectory()) return [{ origin: place, text: readFileSync(place, "utf8") }];
    const names = readdirSync(place).filter((name) => endings.some((ending) => name.endsWith(ending)));
    if (names.length === 0)
      throw new HubError("E_BAD_OPTION", `${place} holds no ${endings.join(", ")} files`);
    return names.sort().map((name) => {
      const origin = join(place, name);
      return { origin, text: readFileSync(origin, "utf8") };
    });
  } catch (cause) {
    if (cause instanceof HubError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new HubError(
      "E_BAD_OPTION",
      code === "ENOENT" ? `there is no file ${place}` : `cannot read ${place}: ${message}`,
      {
        cause,
      },
    );
  }
}

async function readAll(io: Pick<Io, "stdin" | "stdinIsTerminal" | "err">): Promise<string> {
  if (io.stdinIsTerminal) io.err.write("hubctl: reading YAML from the terminal; end with Ctrl-D\n");
  const parts: Uint8Array[] = [];
  for await (const part of io.stdin) parts.push(typeof part === "string" ? Buffer.from(part) : part);
  return Buffer.concat(parts).toString("utf8");
}
