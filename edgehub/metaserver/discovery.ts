import { apiVersionOf, type Catalogue, type Kind } from "./kinds.ts";

/** Which kinds there are, as Kubernetes clients ask for it. Pure. Source: Kubernetes API discovery. */

const verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/**
 * @param host Where the client reached this server.
 * @returns The document; `undefined` if this is no discovery path.
 */
export function discoveryDocument(path: string, catalogue: Catalogue, host: string): object | undefined {
  const [first, second, third, ...rest] = path.split("/").filter((part) => part !== "");
  if (rest.length > 0) return undefined;
  if (first === "api") {
    if (third !== undefined) return undefined;
    return second === undefined ? coreVersions(host) : resourceList(catalogue, "", second);
  }
  if (first !== "apis") return undefined;
  if (second === undefined) return groupList(catalogue);
  return third === undefined ? group(catalogue, second) : resourceList(catalogue, second, third);
}

/** `/version`; the version whose API is spoken. */
export function versionDocument(): object {
  return {
    major: "1",
    minor: "32",
    gitVersion: "v1.32.0",
    gitCommit: "",
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
    goVersion: "",
    compiler: "",
    platform: "",
  };
}

function coreVersions(host: string): object {
  const addresses = [{ clientCIDR: "0.0.0.0/0", serverAddress: host }];
  return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: addresses };
}

function groupList(catalogue: Catalogue): object {
  const names = [...catalogue.groups().keys()].filter((name) => name !== "");
  return { kind: "APIGroupList", apiVersion: "v1", groups: names.map((name) => groupOf(catalogue, name)) };
}

function group(catalogue: Catalogue, name: string): object | undefined {
  if (!catalogue.groups().has(name)) return undefined;
  return { kind: "APIGroup", apiVersion: "v1", ...groupOf(catalogue, name) };
}

function groupOf(catalogue: Catalogue, name: string): object {
  const versions = (catalogue.groups().get(name) ?? []).map((version) => ({
    groupVersion: apiVersionOf({ group: name, version }),
    version,
  }));
  return { name, versions, preferredVersion: versions[0] };
}

function resourceList(catalogue: Catalogue, groupName: string, version: string): object | undefined {
  const kinds = catalogue.kinds.filter((kind) => kind.group === groupName && kind.version === version);
  if (kinds.length === 0) return undefined;
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: apiVersionOf({ group: groupName, version }),
    resources: kinds.flatMap(resources),
  };
}

/** A kind and its status: that it has one is not known, but only the cloud can refuse it. */
function resources(kind: Kind): object[] {
  const bare = {
    name: kind.plural,
    singularName: kind.kind.toLowerCase(),
    namespaced: kind.namespaced,
    kind: kind.kind,
  };
  const names = {
    ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories.length > 0 ? { categories: kind.categories } : {}),
  };
  const status = {
    ...bare,
    name: `${kind.plural}/status`,
    singularName: "",
    verbs: ["get", "patch", "update"],
  };
  const log = { ...bare, name: "pods/log", singularName: "", verbs: ["get"] };
  const isPod = kind.group === "" && kind.plural === "pods";
  return [{ ...bare, ...names, verbs }, ...(isPod ? [log] : []), status];
}
