import { builtInTypes, groupVersionOf, type KubeObject, type ResourceName } from "../../kubernetes/index.ts";
import { objectOf, objectsOf, specOf, textOf } from "../runtime/fields.ts";
import type { KnownKind } from "./manifests.ts";

/** All CustomResourceDefinitions. */
export const definitions: ResourceName = {
  group: "apiextensions.k8s.io",
  version: "v1",
  resource: "customresourcedefinitions",
};

const builtIn = new Map(
  builtInTypes
    .filter(({ verbs }) => verbs.includes("create") && verbs.includes("list"))
    .map((type) => [`${type.group} ${type.version} ${type.kind}`, type] as const),
);

/** The kind that a manifest says it is of: a built-in one, or that of a definition. */
export function knownKind(
  apiVersion: string,
  kind: string,
  customDefinitions: readonly KubeObject[],
): KnownKind | undefined {
  const { group, version } = groupVersionOf(apiVersion);
  const found = builtIn.get(`${group} ${version} ${kind}`);
  if (found !== undefined) {
    const { resource, namespaced } = found;
    return { group, version, resource, kind, namespaced };
  }
  for (const definition of customDefinitions) {
    const spec = specOf(definition);
    const names = objectOf(spec.names);
    const isServed = objectsOf(spec.versions).some(({ name, served }) => name === version && served === true);
    if (spec.group !== group || names.kind !== kind || !isServed) continue;
    return { group, version, resource: textOf(names.plural), kind, namespaced: spec.scope === "Namespaced" };
  }
  return undefined;
}
