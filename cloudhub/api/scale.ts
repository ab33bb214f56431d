import { ApiError, jsonPatch, type KubeObject, mergePatch, type PatchKind } from "../../kubernetes/index.ts";
import { withoutUndefined } from "./object-lifecycle.ts";

/** How many there are to be of something, as `kubectl scale` reads and writes it. Pure. Source: autoscaling/v1 Scale. */

interface Scalable {
  readonly replicas?: number;
  readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
}

export function scaleOf(object: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const spec = (object.spec ?? {}) as Scalable;
  const status = (object.status ?? {}) as { replicas?: number };
  const labels = Object.entries(spec.selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  return {
    apiVersion: "autoscaling/v1",
    kind: "Scale",
    metadata: withoutUndefined({ name, namespace, uid, resourceVersion, creationTimestamp }),
    spec: { replicas: spec.replicas ?? 1 },
    status: { replicas: status.replicas ?? 0, selector: labels.join(",") },
  };
}

/** The object with what a scale wants. Throws `BadRequest` for what is none, `Invalid`. */
export function scaled(object: KubeObject, scale: unknown): KubeObject {
  if (typeof scale !== "object" || scale === null || Array.isArray(scale))
    throw new ApiError("BadRequest", "the object provided is unrecognized (must be of type Scale)");
  const { spec, metadata } = scale as Partial<KubeObject>;
  const { replicas = 0 } = (spec ?? {}) as { replicas?: number };
  if (!Number.isInteger(replicas) || replicas < 0) {
    const name = object.metadata.name ?? "";
    const message = `Invalid value: ${JSON.stringify(replicas)}: must be a whole number, at least 0`;
    throw new ApiError("Invalid", `Scale.autoscaling "${name}" is invalid: spec.replicas: ${message}`, {
      name,
      group: "autoscaling",
      kind: "Scale",
      causes: [{ reason: "FieldValueInvalid", message, field: "spec.replicas" }],
    });
  }
  const { resourceVersion } = metadata ?? {};
  if (resourceVersion && resourceVersion !== object.metadata.resourceVersion)
    throw new ApiError(
      "Conflict",
      "the object has been modified; please apply your changes to the latest version",
    );
  return { ...object, spec: { ...(object.spec as object), replicas } };
}

export function patchScale(scale: KubeObject, kind: PatchKind, patch: unknown): KubeObject {
  return kind === "json" ? jsonPatch(scale, patch) : mergePatch(scale, patch);
}
