import { coreVersions, groupDocument, groupList, resourceList } from "../../kubernetes/discovery.ts";
import type { ResourceType, Subresource, Verb } from "../../kubernetes/resource-type.ts";
import type { Catalogue, Kind } from "./kinds.ts";

/** Which kinds there are, as Kubernetes clients ask for it. Pure. Source: Kubernetes API discovery. */

const verbs: readonly Verb[] = [
  "create",
  "delete",
  "deletecollection",
  "get",
  "list",
  "patch",
  "update",
  "watch",
];
const log: Subresource = { name: "log", kind: "Pod", verbs: ["get"] };

/** @returns The document; `undefined` if this is no discovery path. */
export function discoveryDocument(path: string, { kinds }: Catalogue): object | undefined {
  const [first, second, third, ...rest] = path.split("/").filter((part) => part !== "");
  if (rest.length > 0) return undefined;
  const types = kinds.map(typeOf);
  if (first === "api") {
    if (third !== undefined) return undefined;
    return second === undefined ? coreVersions() : resourceList(types, { group: "", version: second });
  }
  if (first !== "apis") return undefined;
  if (second === undefined) return groupList(types);
  if (third === undefined) return groupDocument(types, second);
  return resourceList(types, { group: second, version: third });
}

/** With a status: that a kind has one is not known, but only the cloud can refuse it. */
function typeOf(kind: Kind): ResourceType {
  const isPod = kind.group === "" && kind.resource === "pods";
  return {
    ...kind,
    singular: kind.kind.toLowerCase(),
    verbs,
    hasStatus: true,
    subresources: isPod ? [log] : [],
  };
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
