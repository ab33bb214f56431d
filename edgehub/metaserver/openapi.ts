import { apiVersionOf } from "../../kubernetes/resource-type.ts";
import type { Catalogue, Kind } from "./kinds.ts";

/**
 * OpenAPI as far as clients need it before they write: which kinds there are, and that the server checks fields
 * itself. It does not describe the fields. Pure. Source: Kubernetes OpenAPI v3 and v2 discovery.
 *
 * @returns The document; `undefined` if this is no path of one.
 */
export function openApiDocument(path: string, catalogue: Catalogue): object | undefined {
  if (path === "/openapi/v2") return openApiV2;
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
    components: { schemas: {} },
  };
}

const openApiV2 = { swagger: "2.0", info: { title: "Kubernetes", version: "v1.32.0" }, paths: {} };

/** The same document as older clients want it, before they write; they take it as protobuf only. */
export const openApiV2Packed = Buffer.concat([
  Buffer.from([0x0a, 3]),
  Buffer.from("2.0"),
  Buffer.from([0x12, 21, 0x0a, 10]),
  Buffer.from("Kubernetes"),
  Buffer.from([0x12, 7]),
  Buffer.from("v1.32.0"),
]);
/** What clients ask for; it is no media type, so the answer has another. */
export const openApiV2Wanted = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
export const openApiV2Type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

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
  return `/${placeOf(kind)}/${kind.namespaced ? "namespaces/{namespace}/" : ""}${kind.resource}/{name}`;
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
