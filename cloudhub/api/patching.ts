import {
  ApiError,
  apiVersionOf,
  applyObject,
  groupResource,
  jsonPatch,
  type Kind,
  type KubeObject,
  mergePatch,
  notFound,
  type ObjectName,
  type PatchKind,
  strategicMergePatch,
} from "../../kubernetes/index.ts";
import { timestamp } from "./object-lifecycle.ts";
import { asSent, managed, type RegistryOptions } from "./object-writing.ts";

/** A patch as it was sent, and what it is for. */
export interface SentPatch {
  readonly patchKind: PatchKind;
  readonly patch: unknown;
  readonly name: ObjectName;
}

/** What a patch makes of an object. Throws what the patch functions throw. @param live Absent: apply makes it. */
export function patched(
  kind: Kind,
  live: KubeObject | undefined,
  { patchKind, patch, name }: SentPatch,
  { options, now }: { options: RegistryOptions; now: number },
): KubeObject {
  if (patchKind === "apply") return applied(kind, live, { patch, name }, { options, now });
  if (live === undefined) throw notFound(groupResource(kind.type), name.name);
  const next = asSent(kind, changed(kind, live, { patchKind, patch }), options);
  requireSameName(live, next);
  return managed(kind, next, live, { options, now });
}

/** The version that a patch wants the object to be of; `undefined`: any. */
export function requiredVersion(patchKind: PatchKind, patch: unknown): string | undefined {
  if (patchKind === "json") return undefined;
  const { metadata } = (patch ?? {}) as { metadata?: { resourceVersion?: unknown } };
  const version = metadata?.resourceVersion;
  return typeof version === "string" && version !== "" ? version : undefined;
}

function changed(
  kind: Kind,
  live: KubeObject,
  { patchKind, patch }: { patchKind: Exclude<PatchKind, "apply">; patch: unknown },
): KubeObject {
  switch (patchKind) {
    case "json":
      return jsonPatch(live, patch);
    case "merge":
      return mergePatch(live, patch);
    case "strategic":
      return strategicMergePatch(kind, live, patch);
    default:
      return patchKind satisfies never;
  }
}

function applied(
  kind: Kind,
  live: KubeObject | undefined,
  { patch, name }: Omit<SentPatch, "patchKind">,
  { options, now }: { options: RegistryOptions; now: number },
): KubeObject {
  const { fieldManager, force = false, subresource } = options;
  if (!fieldManager)
    throw new ApiError("BadRequest", "fieldManager is required for apply patch: PatchOptions.fieldManager");
  const { type } = kind;
  const sent = { apiVersion: apiVersionOf(type), kind: type.kind, ...(patch as object) } as KubeObject;
  const { namespace } = name;
  const metadata = {
    ...sent.metadata,
    name: sent.metadata?.name ?? name.name,
    ...(type.namespaced && namespace !== undefined ? { namespace } : {}),
  };
  if (metadata.name !== name.name)
    throw new ApiError("BadRequest", "the name of the object does not match the name on the URL");
  const wanted = asSent(kind, { ...sent, metadata }, options);
  return applyObject(kind, live, wanted, { fieldManager, force, subresource, time: timestamp(now) });
}

function requireSameName({ metadata }: KubeObject, next: KubeObject): void {
  if (next.metadata.name === metadata.name && next.metadata.namespace === metadata.namespace) return;
  throw new ApiError("BadRequest", "a patch may not change the name or namespace of an object");
}
