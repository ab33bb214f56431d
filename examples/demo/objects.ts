import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Manifest, manifestsOf } from "../../cli/index.ts";

const folder = resolve(import.meta.dirname, "../manifests");
/** A file with more objects than this is shown as one row with counts. */
const burstFrom = 20;

/** The demo's objects: those shown by name, and those of the burst. */
export interface DemoObjects {
  readonly named: readonly Manifest[];
  readonly burst: readonly Manifest[];
}

/** Reads `examples/manifests/`. Their namespace is for the hub's own API: nodes need none. */
export function readObjects(): DemoObjects {
  const files = readdirSync(folder)
    .sort()
    .map((name) => manifestsOf(readFileSync(join(folder, name), "utf8"), name, { namespace: "default" }))
    .map((manifests) => manifests.filter(({ object }) => object.kind !== "Namespace"));
  return {
    named: files.filter((objects) => objects.length < burstFrom).flat(),
    burst: files.filter((objects) => objects.length >= burstFrom).flat(),
  };
}

/** `ConfigMap line-7-limits`. */
export function nameOf({ object, resource }: Manifest): string {
  return `${object.kind} ${resource.slice(resource.lastIndexOf("/") + 1)}`;
}

/** The object with some of its data changed, as an operator would edit it. */
export function withData(manifest: Manifest, data: Readonly<Record<string, string>>): Manifest {
  const before = manifest.object.data as Readonly<Record<string, string>>;
  return { ...manifest, object: { ...manifest.object, data: { ...before, ...data } } };
}
