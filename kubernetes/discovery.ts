import { apiVersionOf, type ResourceType, type Verb } from "./resource-type.ts";

/** Documents that tell clients what is served, made from the kinds. Pure. Source: metav1 and apidiscovery. */

/** `GET /api`. */
export function coreVersions(): object {
  return {
    kind: "APIVersions",
    versions: ["v1"],
    serverAddressByClientCIDRs: [],
  };
}

/** `GET /apis`. */
export function groupList(types: readonly ResourceType[]): object {
  const groups = groupsOf(types).filter(([group]) => group !== "");
  return { kind: "APIGroupList", apiVersion: "v1", groups: groups.map(([name, of]) => groupBody(name, of)) };
}

/** `GET /apis/<group>`. @returns `undefined`: there is no such group. */
export function groupDocument(types: readonly ResourceType[], name: string): object | undefined {
  const of = types.filter(({ group }) => group === name);
  if (of.length === 0 || name === "") return undefined;
  return { kind: "APIGroup", apiVersion: "v1", ...groupBody(name, of) };
}

/** `GET /api/v1`, `GET /apis/<group>/<version>`. @returns `undefined`: there is no such version. */
export function resourceList(
  types: readonly ResourceType[],
  { group, version }: { readonly group: string; readonly version: string },
): object | undefined {
  const of = types.filter((type) => type.group === group && type.version === version);
  if (of.length === 0) return undefined;
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: apiVersionOf({ group, version }),
    resources: of.flatMap(resourceEntries),
  };
}

/** All groups in one document: `GET /api` and `GET /apis` for clients that ask for it. */
export function aggregatedDiscovery(
  types: readonly ResourceType[],
  { core, version }: { readonly core: boolean; readonly version: "v2" | "v2beta1" },
): object {
  const groups = groupsOf(types).filter(([group]) => (group === "") === core);
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map(([name, of]) => ({
      metadata: { name, creationTimestamp: null },
      versions: versionsOf(of).map((one) => ({
        version: one,
        freshness: "Current",
        resources: of.filter((type) => type.version === one).map(discoveredResource),
      })),
    })),
  };
}

function resourceEntries(type: ResourceType): object[] {
  const { resource: name, singular: singularName, namespaced, kind, verbs, shortNames, categories } = type;
  const entry = {
    name,
    singularName,
    namespaced,
    kind,
    verbs,
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
  };
  const parts = subresourcesOf(type).map(
    ({ name: part, kind: partKind, group, version, verbs: partVerbs }) => ({
      name: `${name}/${part}`,
      singularName: "",
      namespaced,
      ...(group === undefined ? {} : { group }),
      ...(version === undefined ? {} : { version }),
      kind: partKind,
      verbs: partVerbs,
    }),
  );
  return [entry, ...parts];
}

function discoveredResource(type: ResourceType): object {
  const { group, version, kind } = type;
  const parts = subresourcesOf(type);
  return {
    resource: type.resource,
    responseKind: { group, version, kind },
    scope: type.namespaced ? "Namespaced" : "Cluster",
    singularResource: type.singular,
    verbs: type.verbs,
    ...(type.shortNames.length > 0 ? { shortNames: type.shortNames } : {}),
    ...(type.categories.length > 0 ? { categories: type.categories } : {}),
    ...(parts.length > 0
      ? {
          subresources: parts.map((part) => ({
            subresource: part.name,
            responseKind: { group: part.group ?? group, version: part.version ?? version, kind: part.kind },
            verbs: part.verbs,
          })),
        }
      : {}),
  };
}

const statusVerbs: readonly Verb[] = ["get", "patch", "update"];

function subresourcesOf({ hasStatus, kind, subresources }: ResourceType): ResourceType["subresources"] {
  return hasStatus ? [...subresources, { name: "status", kind, verbs: statusVerbs }] : subresources;
}

function groupBody(name: string, of: readonly ResourceType[]): object {
  const versions = versionsOf(of).map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions, preferredVersion: versions[0] };
}

/** In the order in which they are served: the preferred one first. */
function versionsOf(of: readonly ResourceType[]): string[] {
  return [...new Set(of.map(({ version }) => version))];
}

function groupsOf(types: readonly ResourceType[]): [group: string, types: ResourceType[]][] {
  const groups = new Map<string, ResourceType[]>();
  for (const type of types) {
    const known = groups.get(type.group);
    if (known === undefined) groups.set(type.group, [type]);
    else known.push(type);
  }
  return [...groups];
}
