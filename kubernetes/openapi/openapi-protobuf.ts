import { at, isObject, type JsonObject } from "../json.ts";

/**
 * The OpenAPI v2 document in protobuf: kubectl up to 1.26 takes no other. Only what clients of Kubernetes read is
 * written: definitions, and which kinds can be patched with which parameters. Source: OpenAPIv2.proto of gnostic.
 */
export function openApiProtobuf(document: object): Uint8Array {
  const definitions = entriesOf(at(document, "definitions"));
  return message(
    text(1, "2.0"),
    nested(2, text(1, at(document, "info", "title")), text(2, at(document, "info", "version"))),
    nested(8, ...entriesOf(at(document, "paths")).map(([path, item]) => pathItem(path, item))),
    nested(9, ...definitions.map(([name, schema]) => namedSchema(name, schema))),
  );
}

/** How clients ask for it, and what they are answered: as a media type, their word is none. */
export const openApiProtobufType = {
  accepted: "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
  sent: "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
} as const;

type Field = Uint8Array | undefined;

function namedSchema(name: string, schema: unknown): Field {
  return nested(1, text(1, name), bytes(2, schemaMessage(schema)));
}

function schemaMessage(schema: unknown): Uint8Array {
  if (!isObject(schema)) return message();
  const { items, properties, additionalProperties, required } = schema;
  const known = isObject(properties) ? entriesOf(properties) : [];
  return message(
    text(1, schema.$ref),
    text(2, schema.format),
    text(4, schema.description),
    schema.default === undefined ? undefined : yaml(5, schema.default),
    ...listOf(required).map((name) => text(19, name)),
    ...listOf(schema.enum).map((value) => yaml(20, value)),
    isObject(additionalProperties) ? nested(21, bytes(1, schemaMessage(additionalProperties))) : undefined,
    schema.type === undefined ? undefined : nested(22, text(1, schema.type)),
    items === undefined ? undefined : nested(23, bytes(1, schemaMessage(items))),
    known.length === 0 ? undefined : nested(25, ...known.map(([name, one]) => namedSchema(name, one))),
    ...extensions(31, schema),
  );
}

function pathItem(path: string, item: unknown): Field {
  const patch = at(item, "patch");
  if (!isObject(patch)) return undefined;
  return nested(2, text(1, path), nested(2, bytes(8, operation(patch))));
}

function operation(patch: JsonObject): Uint8Array {
  return message(
    ...listOf(patch.parameters).map((one) =>
      nested(
        8,
        nested(1, nested(2, nested(3, text(2, "query"), text(4, at(one, "name")), text(6, "string")))),
      ),
    ),
    ...extensions(13, patch),
  );
}

/** Fields of Kubernetes' own: `x-kubernetes-…`. */
function extensions(number: number, object: JsonObject): Field[] {
  return Object.entries(object)
    .filter(([name]) => name.startsWith("x-"))
    .map(([name, value]) => nested(number, text(1, name), yaml(2, value)));
}

function yaml(number: number, value: unknown): Field {
  return nested(number, text(2, JSON.stringify(value)));
}

function nested(number: number, ...fields: readonly Field[]): Field {
  return bytes(number, message(...fields));
}

function text(number: number, value: unknown): Field {
  return typeof value === "string" ? bytes(number, Buffer.from(value)) : undefined;
}

/** A field whose bytes follow its length. */
function bytes(number: number, content: Uint8Array): Uint8Array {
  return message(varint(number * 8 + 2), varint(content.length), content);
}

function message(...fields: readonly Field[]): Uint8Array {
  return Buffer.concat(fields.filter((one) => one !== undefined));
}

function varint(value: number): Uint8Array {
  const groups: number[] = [];
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) groups.push((rest % 0x80) | 0x80);
  return Uint8Array.from([...groups, Math.floor(value / 0x80 ** groups.length)]);
}

function entriesOf(value: unknown): [string, unknown][] {
  return isObject(value) ? Object.entries(value) : [];
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
