import { createHash } from "node:crypto";

/** Programs of busybox that the image has under names of their own. */
const applets = ["sh", "cat", "echo", "env", "head", "hostname", "id", "ls", "nc", "sleep", "tail"];
const blockBytes = 512;

interface Entry {
  readonly name: string;
  readonly mode: number;
  /** Of a file; else the entry is a link to `link`, or a directory. */
  readonly content?: Uint8Array;
  readonly link?: string;
}

/** A file as `docker save` writes it, with one image of one layer: busybox. */
export function image(reference: string, entrypoint: readonly string[], busybox: Uint8Array): Uint8Array {
  const layer = tar([
    { name: "bin/", mode: 0o755 },
    { name: "tmp/", mode: 0o1777 },
    { name: "bin/busybox", mode: 0o755, content: busybox },
    ...applets.map((name) => ({ name: `bin/${name}`, mode: 0o777, link: "busybox" })),
  ]);
  const config = {
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: { Env: ["PATH=/bin"], Entrypoint: entrypoint },
    rootfs: { type: "layers", diff_ids: [`sha256:${createHash("sha256").update(layer).digest("hex")}`] },
  };
  const manifest = [{ Config: "config.json", RepoTags: [reference], Layers: ["layer.tar"] }];
  return tar([
    { name: "manifest.json", mode: 0o644, content: Buffer.from(JSON.stringify(manifest)) },
    { name: "config.json", mode: 0o644, content: Buffer.from(JSON.stringify(config)) },
    { name: "layer.tar", mode: 0o644, content: layer },
  ]);
}

/** Source: POSIX.1-2001 pax, ustar interchange format. */
function tar(entries: readonly Entry[]): Uint8Array {
  const blocks = entries.flatMap((entry) => {
    const content = entry.content ?? new Uint8Array(0);
    const padding = new Uint8Array((blockBytes - (content.length % blockBytes)) % blockBytes);
    return [header(entry, content.length), content, padding];
  });
  return Buffer.concat([...blocks, new Uint8Array(2 * blockBytes)]);
}

function header({ name, mode, content, link }: Entry, size: number): Uint8Array {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, length: number): void => {
    block.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "ascii");
  };
  block.write(name, 0, "ascii");
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.fill(" ", 148, 156);
  block.write(content !== undefined ? "0" : link !== undefined ? "2" : "5", 156, "ascii");
  block.write(link ?? "", 157, "ascii");
  block.write("ustar\x0000", 257, "ascii");
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return block;
}
