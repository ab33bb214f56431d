import * as client from "@kubernetes/client-node";
import { describe, expect, it } from "vitest";
import { builtInSchemas } from "../../kubernetes/schema/built-in-schemas.ts";
import type { Schema } from "../../kubernetes/schema/schema.ts";

/** The models of the Kubernetes client package say which fields there are: what differs is missing or misspelt. */

interface Attribute {
  readonly baseName: string;
  readonly type: string;
  readonly format: string;
}

interface Model {
  getAttributeTypeMap(): readonly Attribute[];
}

const models = client as unknown as Readonly<Record<string, Model>>;
const prefixes: Readonly<Record<string, string>> = {
  "io.k8s.api.core.v1": "CoreV1",
  "io.k8s.api.events.v1": "EventsV1",
  "io.k8s.api.discovery.v1": "DiscoveryV1",
  "io.k8s.api.rbac.v1": "RbacV1",
  "io.k8s.api.authentication.v1": "AuthenticationV1",
  "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1": "ApiextensionsV1",
};
const schemas = builtInSchemas();
const native = [...schemas].filter(([name]) => name.startsWith("io.k8s."));

function modelOf(definition: string): Model | undefined {
  const dot = definition.lastIndexOf(".");
  const name = definition.slice(dot + 1);
  return models[`${prefixes[definition.slice(0, dot)] ?? "V1"}${name}`] ?? models[`V1${name}`];
}

/** A type of ours in the words of the models. */
function typeOf(schema: Schema): string {
  if (schema.type === "array") return `Array<${typeOf(schema.items ?? {})}>`;
  if (schema.additional !== undefined) return `{ [key: string]: ${typeOf(schema.additional)}; }`;
  switch (schema.format) {
    case "quantity":
      return "string";
    case "int-or-string":
      return "IntOrString";
    case "date-time":
      return "Date";
    default:
      if (schema.definition !== undefined)
        return schema.definition.slice(schema.definition.lastIndexOf(".") + 1);
      return schema.type === "integer" ? "number" : (schema.type ?? "any");
  }
}

function simplified(type: string): string {
  return type
    .replace(/\b(?:Core|Events|Discovery|Rbac|Authentication|Apiextensions)?V1(?=[A-Z])/g, "")
    .replace("MicroTime", "Date")
    .replace("Set<string>", "Array<string>");
}

describe("schemas of Kubernetes' kinds", () => {
  it("describe every definition that the client package has", () => {
    expect(native.length).toBeGreaterThan(250);
    expect(native.map(([name]) => name).filter((name) => modelOf(name) === undefined)).toEqual([]);
  });

  it.each(native)("%s has the fields of the client's model, with their types", (name, schema) => {
    const ours = Object.entries(schema.properties ?? {}).map(([field, one]) => `${field} ${typeOf(one)}`);
    const theirs = modelOf(name)
      ?.getAttributeTypeMap()
      .map(({ baseName, type }) => `${baseName} ${simplified(type)}`);
    expect(ours.toSorted()).toEqual(theirs?.toSorted());
  });

  it.each(native)("%s has numbers as wide as in the client's model", (name, schema) => {
    const attributes = modelOf(name)?.getAttributeTypeMap() ?? [];
    for (const { baseName, type, format } of attributes) {
      if (type !== "number") continue;
      expect([baseName, schema.properties?.[baseName]?.format]).toEqual([baseName, format]);
    }
  });

  it("refer to nothing but fields where they tell entries of lists apart", () => {
    const unknown = [...schemas].flatMap(([name, { properties = {} }]) =>
      Object.entries(properties).flatMap(([field, { list, items }]) => {
        const keys = [...(list?.keys ?? []), ...(list?.mergeKey ? [list.mergeKey] : [])];
        return keys
          .filter((key) => items?.properties?.[key] === undefined)
          .map((key) => `${name}.${field}: ${key}`);
      }),
    );
    expect(unknown).toEqual([]);
  });
});
