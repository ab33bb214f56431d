import type { KubeObject, ObjectName } from "../../kubernetes/index.ts";
import { type Json, objectOf, objectsOf, specOf, textOf } from "../runtime/fields.ts";

/** A ConfigMap or Secret that a pod names. */
export interface Reference {
  readonly kind: "configmap" | "secret";
  readonly name: string;
  /** True: the pod starts without it. */
  readonly optional: boolean;
}

/**
 * What a pod needs besides itself: volumes, environment, pull secrets, of all its containers. Pure.
 * Source: KubeEdge's LocationCache, which leaves out init containers.
 */
export function referencesOf(pod: KubeObject): Reference[] {
  const spec = specOf(pod);
  const found = [
    ...objectsOf(spec.volumes).flatMap(ofVolume),
    ...["containers", "initContainers", "ephemeralContainers"].flatMap((field) =>
      objectsOf(spec[field]).flatMap(ofContainer),
    ),
    ...objectsOf(spec.imagePullSecrets).flatMap((one) => reference("secret", one.name, true)),
  ];
  const byKey = new Map<string, Reference>();
  for (const one of found) {
    const key = `${one.kind}/${one.name}`;
    if (one.optional && byKey.has(key)) continue;
    byKey.set(key, one);
  }
  return [...byKey.values()];
}

/** Path of a resource as nodes know it: `default/configmap/limits`. */
export function pathOf(kind: string, { namespace, name }: ObjectName): string {
  return `${namespace ?? "null"}/${kind}/${name}`;
}

/** Paths of all that a pod needs. */
export function neededPaths(pod: KubeObject): string[] {
  const { namespace } = pod.metadata;
  return referencesOf(pod).map(({ kind, name }) => pathOf(kind, { namespace, name }));
}

/** Names of the PersistentVolumeClaims of a pod, those that were made for its ephemeral volumes too. Pure. */
export function claimsOf(pod: KubeObject): string[] {
  return objectsOf(specOf(pod).volumes).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    const claim = textOf(objectOf(persistentVolumeClaim).claimName);
    if (claim !== "") return [claim];
    return typeof ephemeral === "object" && ephemeral !== null
      ? [`${pod.metadata.name}-${textOf(name)}`]
      : [];
  });
}

function ofVolume(volume: Json): Reference[] {
  const { configMap, secret, projected } = volume;
  return [
    ...ofSource({ configMap, secret: secret === undefined ? undefined : renamed(objectOf(secret)) }),
    ...objectsOf(objectOf(projected).sources).flatMap(ofSource),
  ];
}

/** A volume's secret has its name in a field of another name. */
function renamed(secret: Json): Json {
  return { ...secret, name: secret.secretName };
}

function ofSource({ configMap, secret }: Json): Reference[] {
  return [...named("configmap", configMap), ...named("secret", secret)];
}

function ofContainer(container: Json): Reference[] {
  const from = objectsOf(container.envFrom).flatMap(({ configMapRef, secretRef }) => [
    ...named("configmap", configMapRef),
    ...named("secret", secretRef),
  ]);
  const values = objectsOf(container.env).flatMap(({ valueFrom }) => {
    const { configMapKeyRef, secretKeyRef } = objectOf(valueFrom);
    return [...named("configmap", configMapKeyRef), ...named("secret", secretKeyRef)];
  });
  return [...from, ...values];
}

function named(kind: Reference["kind"], source: unknown): Reference[] {
  const { name, optional } = objectOf(source);
  return reference(kind, name, optional === true);
}

function reference(kind: Reference["kind"], name: unknown, optional: boolean): Reference[] {
  const text = textOf(name);
  return text === "" ? [] : [{ kind, name: text, optional }];
}
