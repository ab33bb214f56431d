import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import {
  builtInKinds,
  checkObject,
  type KubeObject,
  messageOf,
  readObject,
  withDefaults,
} from "../../kubernetes/index.ts";

/** Objects that a real API server (1.26) gave out, from recorded sessions, and the manifests of the examples. */

const kinds = builtInKinds();
const captures = resolve(import.meta.dirname, "../fixtures/captures");
const manifests = resolve(import.meta.dirname, "../../examples/manifests");

function objectsIn(value: unknown): KubeObject[] {
  if (Array.isArray(value)) return value.flatMap(objectsIn);
  if (typeof value !== "object" || value === null)
    return typeof value === "string" ? objectsInText(value) : [];
  const { apiVersion, kind, metadata } = value as Partial<KubeObject>;
  const isObject = typeof apiVersion === "string" && typeof kind === "string" && metadata?.name !== undefined;
  return isObject ? [value as KubeObject] : Object.values(value).flatMap(objectsIn);
}

function objectsInText(text: string): KubeObject[] {
  if (!text.startsWith("{") && !text.startsWith("eyJ")) return [];
  try {
    return objectsIn(JSON.parse(text.startsWith("{") ? text : Buffer.from(text, "base64").toString()));
  } catch {
    return [];
  }
}

const captured = readdirSync(captures)
  .filter((name) => name.endsWith(".jsonl"))
  .flatMap((name) => readFileSync(join(captures, name), "utf8").trim().split("\n"))
  .flatMap((line) => objectsIn(JSON.parse(line)));

const served = captured.flatMap((object) => {
  const kind = kinds.find(
    ({ type }) =>
      type.kind === object.kind &&
      (type.group === "" ? type.version : `${type.group}/${type.version}`) === object.apiVersion,
  );
  const isStored = object.metadata.resourceVersion !== undefined;
  return kind === undefined || !isStored ? [] : [{ kind, object }];
});

describe("objects of a real API server", () => {
  it("are there, of several kinds", () => {
    const found = new Set(served.map(({ object }) => object.kind));
    expect([...found].toSorted()).toEqual(["ConfigMap", "Device", "DeviceModel", "Node", "Pod", "Secret"]);
    expect(served.length).toBeGreaterThan(50);
  });

  it("have no unknown fields", () => {
    const unknown = served.flatMap(({ kind, object }) =>
      readObject(kind, object).unknown.map((path) => `${object.kind} ${path}`),
    );
    expect([...new Set(unknown)]).toEqual([]);
  });

  it("have their defaults already", () => {
    for (const { kind, object } of served) {
      const read = readObject(kind, object).object;
      expect(withDefaults(kind, read)).toEqual(read);
    }
  });

  it("are valid, and valid as updates of themselves", () => {
    const errors = served.flatMap(({ kind, object }) => {
      const whole = withDefaults(kind, readObject(kind, object).object);
      return [...checkObject(kind, whole), ...checkObject(kind, whole, whole)].map(messageOf);
    });
    expect([...new Set(errors)]).toEqual([]);
  });
});

function itemsOf(document: KubeObject | null): KubeObject[] {
  if (document === null) return [];
  return document.kind === "List" ? (document.items as KubeObject[]) : [document];
}

describe("manifests of the examples", () => {
  const documents = readdirSync(manifests)
    .filter((name) => name.endsWith(".yaml"))
    .flatMap((name) => readFileSync(join(manifests, name), "utf8").split(/^---$/m))
    .flatMap((text) => itemsOf(parse(text) as KubeObject | null));

  it("are valid as they are, without warnings", () => {
    expect(documents.length).toBeGreaterThan(4);
    for (const object of documents) {
      const kind = kinds.find(
        ({ type }) => type.kind === object.kind && object.apiVersion.endsWith(type.version),
      );
      if (kind === undefined) throw new Error(`${object.apiVersion} ${object.kind} is not served`);
      const { object: read, unknown } = readObject(kind, object);
      const place = kind.type.namespaced ? { namespace: "default" } : {};
      const named = { ...read, metadata: { ...place, ...read.metadata } };
      const errors = checkObject(kind, withDefaults(kind, named)).map(messageOf);
      expect([object.metadata.name, unknown, errors]).toEqual([object.metadata.name, [], []]);
    }
  });
});
