import {
  containerNamed,
  dataOf,
  fieldOf,
  notFound,
  type PodContext,
  type Problems,
  resourceOf,
} from "./environment.ts";
import { textOf } from "./fields.ts";
import type { Container, Pod } from "./pod.ts";
import { type DownwardItem, type FileSource, staysInside, type Volume } from "./volume.ts";

/** A file of a volume. */
export interface VolumeFile {
  readonly content: Uint8Array;
  readonly mode: number;
}

/** A token of the pod's service account; `undefined`: asked for, not there yet. */
export type FindToken = (audience: string, expirationSeconds: number) => string | undefined;

type FilesVolume = Extract<Volume, { kind: "files" }>;
type Put = (path: string, content: Uint8Array | string, mode: number | undefined) => void;

const maxVolumeBytes = 16 << 20;

/**
 * The files of a configMap, secret, downwardAPI or projected volume, by relative path. Pure.
 *
 * @param problems Gets what is missing; the result is of no use then.
 */
export function filesOf(
  pod: Pod,
  volume: FilesVolume,
  context: PodContext & { readonly token: FindToken },
  problems: Problems,
): Map<string, VolumeFile> {
  const files = new Map<string, VolumeFile>();
  let bytes = 0;
  const put: Put = (path, content, mode) => {
    if (!staysInside(path)) {
      problems.push(`volume "${volume.name}": path ${JSON.stringify(path.slice(0, 80))} leaves the volume`);
      return;
    }
    const buffer = typeof content === "string" ? Buffer.from(content) : content;
    bytes += buffer.length;
    files.set(path, { content: buffer, mode: (mode ?? volume.defaultMode) & 0o777 });
  };
  for (const source of volume.sources)
    putSource(source, { pod, context, problems, put, volume: volume.name });
  if (bytes > maxVolumeBytes) problems.push(`volume "${volume.name}" has more than ${maxVolumeBytes} bytes`);
  return files;
}

interface Work {
  readonly pod: Pod;
  readonly context: PodContext & { readonly token: FindToken };
  readonly problems: Problems;
  readonly put: Put;
  readonly volume: string;
}

function putSource(source: FileSource, work: Work): void {
  switch (source.kind) {
    case "configMap":
    case "secret":
      putObject(source, work);
      return;
    case "downwardAPI":
      for (const item of source.items) putDownward(item, work);
      return;
    case "token": {
      const token = work.context.token(source.audience, source.expirationSeconds);
      if (token !== undefined) work.put(source.path, token, undefined);
      else work.problems.push(`volume "${work.volume}": the cloud has not given a service account token yet`);
      return;
    }
    default:
      source satisfies never;
  }
}

function putObject(
  source: Extract<FileSource, { kind: "configMap" | "secret" }>,
  { pod, context, problems, put, volume }: Work,
): void {
  const kind = source.kind === "secret" ? "secret" : "configmap";
  const object = context.find(kind, source.name);
  if (object === undefined && (!source.optional || context.isAwaited(kind, source.name))) {
    problems.push(`volume "${volume}": ${notFound(kind, pod, source.name)}`);
    return;
  }
  const data = dataOf(kind, object ?? {});
  if (source.items === undefined) {
    for (const [key, content] of data) put(key, content, undefined);
    return;
  }
  for (const { key, path, mode } of source.items) {
    const content = data.get(key);
    if (content !== undefined) put(path, content, mode);
    else if (!source.optional)
      problems.push(`volume "${volume}": ${kind} ${pod.namespace}/${source.name} has no key ${key}`);
  }
}

function putDownward(item: DownwardItem, { pod, context, problems, put, volume }: Work): void {
  const first = pod.containers[0] as Container;
  const value = item.fieldRef
    ? fieldOf(textOf(item.fieldRef.fieldPath), pod, context)
    : resourceOf(
        item.resourceFieldRef ?? {},
        containerNamed(pod, textOf(item.resourceFieldRef?.containerName), first),
        context,
      );
  if (value === undefined)
    problems.push(`volume "${volume}": ${item.path} names a field that is not supported`);
  else put(item.path, value, item.mode);
}
