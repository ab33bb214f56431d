import type { JsonObject } from "../json.ts";
import type { Kind } from "../kind.ts";
import { apiVersionOf, type ResourceType, type Verb } from "../resource-type.ts";
import { definitionOf, definitionsOf, type OpenApiVersion } from "./schema-documents.ts";

/**
 * What clients ask for before they write or explain: the fields of each kind, and that the server validates them.
 * Source: OpenAPI documents of Kubernetes.
 */

/** `GET /openapi/v3`. */
export function openApiIndex(kinds: readonly Kind[]): object {
  const places = [...new Set(kinds.map(({ type }) => placeOf(type)))].toSorted();
  return {
    paths: Object.fromEntries(places.map((place) => [place, { serverRelativeURL: `/openapi/v3/${place}` }])),
  };
}

/** `GET /openapi/v3/<place>`. @param place `api/v1`, `apis/apps/v1`. @returns `undefined`: nothing is served there. */
export function openApiDocument(kinds: readonly Kind[], place: string): object | undefined {
  const served = kinds.filter(({ type }) => placeOf(type) === place);
  if (served.length === 0) return undefined;
  return {
    openapi: "3.0.0",
    info,
    paths: pathsOf(served, "v3"),
    components: { schemas: definitionsOf(served, "v3") },
  };
}

/** `GET /openapi/v2`, as JSON: all kinds in one document. */
export function openApiV2(kinds: readonly Kind[]): object {
  return { swagger: "2.0", info, paths: pathsOf(kinds, "v2"), definitions: definitionsOf(kinds, "v2") };
}

const info = { title: "Kubernetes", version: "v1.32.0" };

function placeOf(type: ResourceType): string {
  return `${type.group === "" ? "api" : "apis"}/${apiVersionOf(type)}`;
}

function pathsOf(kinds: readonly Kind[], version: OpenApiVersion): JsonObject {
  const paths = kinds.flatMap((kind): [string, JsonObject][] => {
    const { type } = kind;
    const list = `/${placeOf(type)}/${type.namespaced ? "namespaces/{namespace}/" : ""}${type.resource}`;
    return [
      [list, operationsOf(kind, { get: "list", post: "create" }, version)],
      [
        `${list}/{name}`,
        operationsOf(kind, { get: "get", put: "update", patch: "patch", delete: "delete" }, version),
      ],
    ];
  });
  return Object.fromEntries(paths.filter(([, operations]) => Object.keys(operations).length > 0));
}

/** Verb → how OpenAPI documents of Kubernetes call it. */
const actions: Readonly<Partial<Record<Verb, string>>> = { create: "post", update: "put" };

function operationsOf(
  kind: Kind,
  methods: Readonly<Record<string, Verb>>,
  version: OpenApiVersion,
): JsonObject {
  const { group, version: of, kind: name, verbs } = kind.type;
  const operations = Object.entries(methods)
    .filter(([, verb]) => verbs.includes(verb))
    .map(([method, verb]): [string, JsonObject] => [
      method,
      {
        parameters: parametersOf(verb, version),
        responses: { 200: responseOf(kind, verb, version) },
        "x-kubernetes-action": actions[verb] ?? verb,
        "x-kubernetes-group-version-kind": { group, kind: name, version: of },
      },
    ]);
  return Object.fromEntries(operations);
}

function parametersOf(verb: Verb, version: OpenApiVersion): object[] {
  const names = {
    create: ["dryRun", "fieldManager", "fieldValidation"],
    update: ["dryRun", "fieldManager", "fieldValidation"],
    patch: ["dryRun", "fieldManager", "fieldValidation", "force"],
    list: ["continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "watch"],
    delete: ["dryRun", "gracePeriodSeconds", "propagationPolicy"],
  } as Readonly<Partial<Record<Verb, readonly string[]>>>;
  const type = { type: "string" };
  return (names[verb] ?? []).map((name) => ({
    name,
    in: "query",
    ...(version === "v3" ? { schema: type } : type),
  }));
}

function responseOf(kind: Kind, verb: Verb, version: OpenApiVersion): object {
  if (verb === "list" || verb === "delete") return { description: "OK" };
  const name = definitionOf(kind);
  if (version === "v2") return { description: "OK", schema: { $ref: `#/definitions/${name}` } };
  const schema = { $ref: `#/components/schemas/${name}` };
  return { description: "OK", content: { "application/json": { schema } } };
}
