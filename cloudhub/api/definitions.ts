import type { KubeObject } from "../../kubernetes/index.ts";

/** CustomResourceDefinitions: their kinds are served as soon as they are there. Pure. */

interface DefinitionSpec {
  readonly names?: {
    readonly plural?: string;
    readonly singular?: string;
    readonly kind?: string;
    readonly listKind?: string;
    readonly shortNames?: readonly string[];
    readonly categories?: readonly string[];
  };
  readonly versions?: readonly { readonly name?: string; readonly storage?: boolean }[];
}

/** The definition with the status that its spec gives it: names accepted, established. */
export function withDefinitionStatus(definition: KubeObject): KubeObject {
  const spec = (definition.spec ?? {}) as DefinitionSpec;
  const { kind = "" } = spec.names ?? {};
  const acceptedNames = { singular: kind.toLowerCase(), listKind: `${kind}List`, ...spec.names };
  const old = (definition.status ?? {}) as { storedVersions?: readonly string[]; conditions?: unknown };
  const stored = (spec.versions ?? []).filter(({ storage }) => storage).map(({ name = "" }) => name);
  const lastTransitionTime = definition.metadata.creationTimestamp;
  const condition = (type: string, reason: string, message: string): object => ({
    type,
    status: "True",
    reason,
    message,
    lastTransitionTime,
  });
  return {
    ...definition,
    spec: { ...spec, names: acceptedNames },
    status: {
      acceptedNames,
      storedVersions: [...new Set([...(old.storedVersions ?? []), ...stored])],
      conditions: [
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
      ],
    },
  };
}
