import { describe, expect, it } from "vitest";
import {
  builtInKinds,
  kindsOfDefinition,
  openApiDocument,
  openApiIndex,
  openApiProtobuf,
  openApiV2,
} from "../../kubernetes/index.ts";

const kinds = builtInKinds();

interface Document {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly parameters: readonly { name: string }[] }>>>
  >;
  readonly components: { readonly schemas: Readonly<Record<string, { readonly properties?: object }>> };
}

function documentAt(place: string): Document {
  const found = openApiDocument(kinds, place);
  if (found === undefined) throw new Error(`nothing at ${place}`);
  return found as Document;
}

function referencesIn(document: object): Set<string> {
  return new Set(
    [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference = ""]) => reference),
  );
}

describe("OpenAPI v3", () => {
  const places = Object.keys((openApiIndex(kinds) as { paths: object }).paths);

  it("has a document for each version of a group", () => {
    expect(places).toContain("api/v1");
    expect(places).toContain("apis/rules.kubeedge.io/v1");
    expect(openApiDocument(kinds, "apis/nothing/v1")).toBeUndefined();
  });

  it.each(places)("%s refers only to what is in it", (place) => {
    const document = documentAt(place);
    const defined = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
    expect([...referencesIn(document)].filter((reference) => !defined.includes(reference))).toEqual([]);
    for (const schema of Object.values(document.components.schemas)) expect(schema).not.toEqual({});
  });

  it("says how lists are merged, and of which kind a definition is", () => {
    const { schemas } = documentAt("apis/apps/v1").components;
    expect(schemas["io.k8s.api.apps.v1.Deployment"]).toMatchObject({
      type: "object",
      "x-kubernetes-group-version-kind": [{ group: "apps", kind: "Deployment", version: "v1" }],
    });
    expect(schemas["io.k8s.api.core.v1.PodSpec"]?.properties).toMatchObject({
      containers: {
        type: "array",
        items: { $ref: "#/components/schemas/io.k8s.api.core.v1.Container" },
        "x-kubernetes-list-map-keys": ["name"],
        "x-kubernetes-list-type": "map",
        "x-kubernetes-patch-merge-key": "name",
        "x-kubernetes-patch-strategy": "merge",
      },
      volumes: { "x-kubernetes-patch-strategy": "retainKeys,merge" },
    });
    const { schemas: edge } = documentAt("apis/apps.kubeedge.io/v1alpha1").components;
    expect(JSON.stringify(edge)).not.toContain("x-kubernetes-patch");
  });

  it("says that fields are validated by the server", () => {
    const { patch } =
      documentAt("apis/apps/v1").paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"] ?? {};
    expect(patch).toMatchObject({
      "x-kubernetes-action": "patch",
      "x-kubernetes-group-version-kind": { group: "apps", kind: "Deployment", version: "v1" },
    });
    expect(patch?.parameters.map(({ name }) => name)).toContain("fieldValidation");
  });

  it("says what fields are for", () => {
    const { schemas } = documentAt("apis/rules.kubeedge.io/v1").components;
    expect(schemas["io.kubeedge.rules.v1.RuleSpec"]?.properties).toMatchObject({
      source: { type: "string", description: expect.stringContaining("RuleEndpoint") },
    });
    const { PodSpec, Container } = Object.fromEntries(
      Object.entries(documentAt("api/v1").components.schemas).map(([name, one]) => [
        name.split(".").at(-1),
        one,
      ]),
    );
    expect(PodSpec?.properties).toMatchObject({
      securityContext: { allOf: [{ $ref: expect.any(String) }], description: expect.any(String) },
    });
    expect(Container?.properties).toMatchObject({ image: { description: expect.any(String) } });
  });

  it("describes kinds of CustomResourceDefinitions as they were defined", () => {
    const spec = {
      type: "object",
      required: ["size"],
      properties: { size: { type: "integer", minimum: 1, default: 2 } },
    };
    const openAPIV3Schema = { type: "object", description: "A widget.", properties: { spec } };
    const widgets = kindsOfDefinition({
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "widgets.example.com" },
      spec: {
        group: "example.com",
        scope: "Namespaced",
        names: { plural: "widgets", kind: "Widget" },
        versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema } }],
      },
    });
    const { components } = openApiDocument(widgets, "apis/example.com/v1") as Document;
    expect(components.schemas["com.example.v1.Widget"]).toMatchObject({
      description: "A widget.",
      properties: { spec },
    });
  });
});

describe("OpenAPI v2", () => {
  const document = openApiV2(kinds) as { definitions: Readonly<Record<string, object>> };

  it("refers only to what is in it", () => {
    const defined = Object.keys(document.definitions).map((name) => `#/definitions/${name}`);
    expect([...referencesIn(document)].filter((reference) => !defined.includes(reference))).toEqual([]);
  });

  it("in protobuf has the same definitions", () => {
    const fields = readMessage(openApiProtobuf(document));
    expect(fields.get(1)?.map(String)).toEqual(["2.0"]);
    const [all] = fields.get(9) ?? [];
    const definitions = (readMessage(all ?? Buffer.of()).get(1) ?? []).map(readMessage);
    expect(definitions.map((one) => String(one.get(1)?.[0]))).toEqual(Object.keys(document.definitions));
    const container = definitions.find((one) => String(one.get(1)?.[0]) === "io.k8s.api.core.v1.Container");
    const schema = readMessage(container?.get(2)?.[0] ?? Buffer.of());
    expect(schema.get(19)?.map(String)).toEqual(["name"]);
    const properties = (readMessage(schema.get(25)?.[0] ?? Buffer.of()).get(1) ?? []).map(readMessage);
    expect(properties.map((one) => String(one.get(1)?.[0]))).toContain("imagePullPolicy");
  });
});

/** Fields of a protobuf message that have bytes, by number. */
function readMessage(bytes: Uint8Array): Map<number, Buffer[]> {
  const fields = new Map<number, Buffer[]>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte % 128) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    expect(tag % 8).toBe(2);
    const length = varint();
    const number = Math.floor(tag / 8);
    fields.set(number, [...(fields.get(number) ?? []), Buffer.from(bytes.subarray(at, at + length))]);
    at += length;
  }
  return fields;
}
