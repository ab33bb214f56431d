import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ApiError,
  applyObject,
  builtInKinds,
  type Kind,
  type KubeObject,
  withManagedFields,
} from "../../kubernetes/index.ts";

const kinds = builtInKinds();

function kindOf(name: string): Kind {
  const found = kinds.find(({ type }) => type.kind === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

const deployment = kindOf("Deployment");
const configMap = kindOf("ConfigMap");
const time = "2026-01-02T03:04:05Z";

function by(fieldManager: string, force = false): { fieldManager: string; force: boolean; time: string } {
  return { fieldManager, force, time };
}

function mapOf(data: object, metadata: object = {}): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "m", ...metadata }, data };
}

function deploymentOf(spec: object): KubeObject {
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "d" }, spec };
}

function fieldsOfManager(object: KubeObject, manager: string): unknown {
  const entries = (object.metadata.managedFields ?? []) as { manager: string; fieldsV1: unknown }[];
  return entries.find((entry) => entry.manager === manager)?.fieldsV1;
}

function containers(...list: object[]): object {
  return { template: { spec: { containers: list } } };
}

function errorOf(action: () => unknown): ApiError {
  try {
    action();
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("apply", () => {
  it("makes an object, and remembers who wants which fields", () => {
    const made = applyObject(configMap, undefined, mapOf({ a: "1" }, { labels: { x: "y" } }), by("one"));
    expect(made).toEqual({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: {
        name: "m",
        labels: { x: "y" },
        managedFields: [
          {
            manager: "one",
            operation: "Apply",
            apiVersion: "v1",
            time,
            fieldsType: "FieldsV1",
            fieldsV1: { "f:data": { "f:a": {} }, "f:metadata": { "f:labels": { "f:x": {} } } },
          },
        ],
      },
      data: { a: "1" },
    });
  });

  it("names entries of lists by their keys, with defaults for absent ones", () => {
    const port = { containerPort: 80 };
    const made = applyObject(
      deployment,
      undefined,
      deploymentOf(containers({ name: "c", image: "i", args: ["x"], ports: [port] })),
      by("one"),
    );
    expect(fieldsOfManager(made, "one")).toEqual({
      "f:spec": {
        "f:template": {
          "f:spec": {
            "f:containers": {
              'k:{"name":"c"}': {
                ".": {},
                "f:args": {},
                "f:image": {},
                "f:name": {},
                "f:ports": { 'k:{"containerPort":80,"protocol":"TCP"}': { ".": {}, "f:containerPort": {} } },
              },
            },
          },
        },
      },
    });
  });

  it("changes nothing when nothing is new, not even the time", () => {
    const made = applyObject(configMap, undefined, mapOf({ a: "1" }), by("one"));
    const later = { ...by("one"), time: "2027-01-01T00:00:00Z" };
    expect(applyObject(configMap, made, mapOf({ a: "1" }), later)).toBe(made);
  });

  it("takes away what its manager does not want any more, and leaves what others hold", () => {
    const one = applyObject(configMap, undefined, mapOf({ a: "1", b: "2", c: "3" }), by("one"));
    const two = applyObject(configMap, one, mapOf({ b: "2", d: "4" }), by("two"));
    expect(two.data).toEqual({ a: "1", b: "2", c: "3", d: "4" });
    const three = applyObject(configMap, two, mapOf({ c: "3" }), by("one"));
    expect(three.data).toEqual({ b: "2", c: "3", d: "4" });
    expect(fieldsOfManager(three, "one")).toEqual({ "f:data": { "f:c": {} } });
    expect(fieldsOfManager(three, "two")).toEqual({ "f:data": { "f:b": {}, "f:d": {} } });
  });

  it("takes away an entry of a list with the fields that defaults gave it", () => {
    const made = applyObject(
      deployment,
      undefined,
      deploymentOf(containers({ name: "a", image: "a" }, { name: "b", image: "b" })),
      by("one"),
    );
    const stored = deploymentOf(
      containers(
        { name: "a", image: "a", imagePullPolicy: "Always" },
        { name: "b", image: "b", imagePullPolicy: "Always" },
      ),
    );
    const live = { ...stored, metadata: made.metadata };
    const next = applyObject(
      deployment,
      live,
      deploymentOf(containers({ name: "a", image: "a" })),
      by("one"),
    );
    expect(next.spec).toEqual(containers({ name: "a", image: "a", imagePullPolicy: "Always" }));
  });

  it("keeps an entry of which another manager holds a field", () => {
    const both = deploymentOf(containers({ name: "a", image: "a" }, { name: "b", image: "b" }));
    const one = applyObject(deployment, undefined, both, by("one"));
    const side = deploymentOf(containers({ name: "b", args: ["x"] }));
    const two = applyObject(deployment, one, side, by("two"));
    const three = applyObject(
      deployment,
      two,
      deploymentOf(containers({ name: "a", image: "a" })),
      by("one"),
    );
    expect(three.spec).toEqual(containers({ name: "a", image: "a" }, { name: "b", args: ["x"] }));
  });

  it("refuses to change what another manager holds, in Kubernetes' words", () => {
    const live = applyObject(deployment, undefined, deploymentOf({ replicas: 1, paused: true }), by("one"));
    const single = errorOf(() => applyObject(deployment, live, deploymentOf({ replicas: 2 }), by("two")));
    expect(single.message).toBe('Apply failed with 1 conflict: conflict with "one": .spec.replicas');
    const double = errorOf(() =>
      applyObject(deployment, live, deploymentOf({ replicas: 2, paused: false }), by("two")),
    );
    expect([double.code, double.reason]).toEqual([409, "Conflict"]);
    expect(double.message).toBe(
      'Apply failed with 2 conflicts: conflicts with "one":\n- .spec.paused\n- .spec.replicas',
    );
    expect(double.details?.causes).toEqual(
      [".spec.paused", ".spec.replicas"].map((field) => ({
        reason: "FieldManagerConflict",
        message: 'conflict with "one"',
        field,
      })),
    );
  });

  it("says of a manager that updated with which version and when, and shows keys of lists", () => {
    const updated = withManagedFields(
      deployment,
      undefined,
      deploymentOf(containers({ name: "a", image: "a" })),
      { fieldManager: "kubectl-create", time },
    );
    const error = errorOf(() =>
      applyObject(deployment, updated, deploymentOf(containers({ name: "a", image: "b" })), by("two")),
    );
    expect(error.message).toBe(
      `Apply failed with 1 conflict: conflict with "kubectl-create" using apps/v1 at ${time}: .spec.template.spec.containers[name="a"].image`,
    );
  });

  it("takes fields over by force, or shares them when they are the same", () => {
    const live = applyObject(deployment, undefined, deploymentOf({ replicas: 1, paused: true }), by("one"));
    const forced = applyObject(deployment, live, deploymentOf({ replicas: 2 }), by("two", true));
    expect(forced.spec).toEqual({ replicas: 2, paused: true });
    expect(fieldsOfManager(forced, "one")).toEqual({ "f:spec": { "f:paused": {} } });
    const shared = applyObject(deployment, live, deploymentOf({ replicas: 1 }), by("two"));
    expect(fieldsOfManager(shared, "one")).toEqual({ "f:spec": { "f:paused": {}, "f:replicas": {} } });
    expect(fieldsOfManager(shared, "two")).toEqual({ "f:spec": { "f:replicas": {} } });
  });

  it("treats atomic values as one", () => {
    const selector = { matchLabels: { a: "1" } };
    const live = applyObject(deployment, undefined, deploymentOf({ selector }), by("one"));
    expect(fieldsOfManager(live, "one")).toEqual({ "f:spec": { "f:selector": {} } });
    const other = deploymentOf({ selector: { matchLabels: { b: "2" } } });
    expect(errorOf(() => applyObject(deployment, live, other, by("two"))).reason).toBe("Conflict");
    expect(applyObject(deployment, live, other, by("one")).spec).toEqual(other.spec);
  });

  it("does not touch the status of a kind that has a path for it", () => {
    const live = { ...deploymentOf({ replicas: 1 }), status: { replicas: 1 } };
    const applied = { ...deploymentOf({ replicas: 2 }), status: { replicas: 9 } };
    const next = applyObject(deployment, live, applied, by("one"));
    expect(next.status).toEqual({ replicas: 1 });
    const status = applyObject(deployment, live, applied, { ...by("one"), subresource: "status" });
    expect([status.spec, status.status]).toEqual([{ replicas: 1 }, { replicas: 9 }]);
    expect(status.metadata.managedFields).toMatchObject([{ subresource: "status" }]);
  });

  it("refuses managedFields of its own, and entries that are there twice", () => {
    const metadata = { name: "m", managedFields: [] };
    expect(errorOf(() => applyObject(configMap, undefined, mapOf({}, metadata), by("one"))).code).toBe(400);
    const twice = deploymentOf(containers({ name: "a" }, { name: "a" }));
    expect(errorOf(() => applyObject(deployment, undefined, twice, by("one"))).message).toBe(
      'duplicate entries for key {"name":"a"}',
    );
  });
});

describe("updates", () => {
  const writer = { fieldManager: "editor", time };

  it("give the changed fields to their writer, and take them from the others", () => {
    const live = applyObject(configMap, undefined, mapOf({ a: "1", b: "2" }), by("one"));
    const updated = withManagedFields(configMap, live, { ...mapOf({ a: "9", c: "3" }) }, writer);
    expect(fieldsOfManager(updated, "one")).toBeUndefined();
    expect(fieldsOfManager(updated, "editor")).toEqual({ "f:data": { "f:a": {}, "f:c": {} } });
  });

  it("that change nothing leave all as it was", () => {
    const live = applyObject(configMap, undefined, mapOf({ a: "1" }), by("one"));
    expect(withManagedFields(configMap, live, mapOf({ a: "1" }), writer)).toEqual(live);
  });

  it("of many writers are kept apart only so far", () => {
    let object = mapOf({});
    for (let index = 0; index < 30; index++) {
      const next = mapOf({ ...(object.data as object), [`k${index}`]: "1" });
      const when = `2026-01-01T00:00:${String(index).padStart(2, "0")}Z`;
      object = withManagedFields(configMap, object, next, { fieldManager: `m${index}`, time: when });
    }
    expect(object.metadata.managedFields).toHaveLength(10);
    expect(Object.keys(fieldsOfManager(object, "ancient-changes") as object)).toEqual(["f:data"]);
  });

  it("survive managedFields that are none", () => {
    const odd = { managedFields: [1, { fieldsV1: { x: 1, "f:a": null } }, { fieldsV1: "text" }] };
    const live = mapOf({ a: "1" }, odd);
    expect(() => withManagedFields(configMap, live, mapOf({ a: "2" }), writer)).not.toThrow();
    expect(() => applyObject(configMap, live, mapOf({ a: "2" }), by("one"))).not.toThrow();
  });
});

describe("whoever applies what", () => {
  const wishes = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.constantFrom("1", "2"));
  const steps = fc.array(fc.record({ manager: fc.constantFrom("x", "y", "z"), wish: wishes }), {
    maxLength: 12,
  });

  it("the object is what was last wanted, by force, and nothing else", () => {
    fc.assert(
      fc.property(steps, (all) => {
        let live: KubeObject | undefined;
        const wanted = new Map<string, Readonly<Record<string, string>>>();
        for (const { manager, wish } of all) {
          live = applyObject(configMap, live, mapOf(wish), by(manager, true));
          for (const [other, held] of wanted) {
            const left = Object.entries(held).filter(
              ([key, value]) => wish[key] === undefined || wish[key] === value,
            );
            wanted.set(other, Object.fromEntries(left));
          }
          wanted.set(manager, wish);
          const expected = Object.assign({}, ...wanted.values());
          expect(live.data ?? {}).toEqual(expected);
        }
      }),
    );
  });
});

/** managedFields as a real API server (1.26) wrote them into objects that had one writer. */
describe("objects of a real API server", () => {
  const captures = resolve(import.meta.dirname, "../fixtures/captures");
  const objects = readdirSync(captures)
    .filter((name) => name.endsWith(".jsonl"))
    .flatMap((name) => readFileSync(join(captures, name), "utf8").trim().split("\n"))
    .map((line) => (JSON.parse(line) as { message?: { content?: KubeObject } }).message?.content)
    .filter((object) => object !== undefined && object !== null)
    .filter(({ kind }) => kinds.some(({ type }) => type.kind === kind))
    .filter(({ metadata }) => metadata.managedFields?.length === 1);

  /** Kubernetes also notes who made a map, beside its entries: we do not. Tolerations are of admission, or not. */
  function withoutMaps(fields: object, element = ""): object {
    const entries = Object.entries(fields)
      .filter(([key]) => key !== "f:tolerations" && (key !== "." || element.startsWith("k:")))
      .map(([key, below]) => [key, withoutMaps(below, key)]);
    return Object.fromEntries(entries);
  }

  /** What admission adds to a pod belongs to nobody. */
  function asWritten({ spec, ...object }: KubeObject): KubeObject {
    if (object.kind !== "Pod") return { ...object, spec } as KubeObject;
    const admitted = ["preemptionPolicy", "priority", "serviceAccount", "serviceAccountName", "tolerations"];
    const text = JSON.stringify(spec, (key, value) => {
      if (admitted.includes(key)) return undefined;
      if (!Array.isArray(value)) return value;
      return value.filter((one) => !String(one.name).startsWith("kube-api-access"));
    });
    return { ...object, spec: JSON.parse(text) } as KubeObject;
  }

  it("have the fields that we would give their writer", () => {
    expect(objects.length).toBeGreaterThan(3);
    for (const object of objects) {
      const { managedFields: entries, ...metadata } = object.metadata;
      const [entry] = entries as [{ manager: string; fieldsV1: object }];
      const made = withManagedFields(
        kindOf(object.kind),
        undefined,
        { ...asWritten(object), metadata },
        { fieldManager: entry.manager, time },
      );
      expect([object.kind, fieldsOfManager(made, entry.manager)]).toEqual([
        object.kind,
        withoutMaps(entry.fieldsV1),
      ]);
    }
  });
});
