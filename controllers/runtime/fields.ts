import type { KubeObject } from "../../kubernetes/index.ts";

/** Reads parts of objects whose shape nobody has promised. */
export type Json = Readonly<Record<string, unknown>>;

/** The value if it is an object; else an empty one. */
export function objectOf(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

/** The objects of a list; none if it is no list. */
export function objectsOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}

export function textOf(value: unknown, fallback = ""): string {
  return typeof value === "string" ? value : fallback;
}

export function specOf(object: KubeObject | undefined): Json {
  return objectOf(object?.spec);
}

export function statusOf(object: KubeObject | undefined): Json {
  return objectOf(object?.status);
}

/** A Kubernetes object, if the value looks like one. */
export function kubeObjectOf(value: unknown): KubeObject | undefined {
  const object = objectOf(value);
  const metadata = object.metadata;
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) return undefined;
  return { ...object, apiVersion: textOf(object.apiVersion), kind: textOf(object.kind), metadata };
}
