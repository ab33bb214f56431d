import { apiVersionOf, type Catalogue, type Kind } from "./kinds.ts";

/**
 * OpenAPI as far as clients need it before they write: which kinds there are, and that the server checks fields
 * itself. It does not describe the fields. Pure. Source: Kubernetes OpenAPI v3 discovery.
 *
 * @returns The document; `undefined` if this is no path of one.
 */
export function openApiDocument(path: string, catalogue: Catalogue): object | undefined {
  const place = /^\/openapi\/v3(?:\/(.+?))?\/?$/.exec(path);
  if (place === null) return undefined;
  const wanted = place[1];
  if (wanted === undefined) return { paths: Object.fromEntries([...placesOf(catalogue)].map(linkTo)) };
  const kinds = catalogue.kinds.filter((kind) => placeOf(kind) === wanted);
  if (kinds.length === 0) return undefined;
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: "v1.32.0" },
    paths: Object.fromEntries(kinds.map((kind) => [pathOf(kind), { patch: patchOf(kind) }])),
  };
}

function placesOf({ kinds }: Catalogue): Set<string> {
  return new Set(kinds.map(placeOf));
}

function linkTo(place: string): [string, object] {
  return [place, { serverRelativeURL: `/openapi/v3/${place}` }];
}

function placeOf(kind: Kind): string {
  return `${kind.group === "" ? "api" : "apis"}/${apiVersionOf(kind)}`;
}

function pathOf(kind: Kind): string {
  return `/${placeOf(kind)}/${kind.namespaced ? "namespaces/{namespace}/" : ""}${kind.plural}/{name}`;
}

function patchOf({ group, version, kind }: Kind): object {
  const parameters = ["dryRun", "fieldManager", "fieldValidation", "force"];
  return {
    parameters: parameters.map((name) => ({ name, in: "query", schema: { type: "string" } })),
    responses: { 200: { description: "OK" } },
    "x-kubernetes-action": "patch",
    "x-kubernetes-group-version-kind": { group, version, kind },
  };
}
