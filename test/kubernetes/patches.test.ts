import fc from "fast-check";
import { applyPatch, createPatch } from "rfc6902";
import { describe, expect, it } from "vitest";
import {
  ApiError,
  builtInKinds,
  jsonPatch,
  type Kind,
  type KubeObject,
  mergePatch,
  strategicMergePatch,
} from "../../kubernetes/index.ts";

const kinds = builtInKinds();

function kindOf(kind: string): Kind {
  const found = kinds.find(({ type }) => type.kind === kind);
  if (found === undefined) throw new Error(`no ${kind}`);
  return found;
}

function objectWith(fields: object): KubeObject {
  return { apiVersion: "v1", kind: "Thing", metadata: { name: "a" }, ...fields };
}

function reasonOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof ApiError) return `${error.code} ${error.reason}`;
    throw error;
  }
  return "applied";
}

const documents = fc
  .dictionary(
    fc.constantFrom("a", "b", "c/d", "e~f", "__proto__", "constructor"),
    fc.jsonValue({ maxDepth: 3 }),
  )
  .map((fields) => JSON.parse(JSON.stringify({ ...objectWith({}), spec: fields })) as KubeObject);

describe("JSON patch", () => {
  it.each([
    ["add to an object", [{ op: "add", path: "/spec/b", value: 2 }], { a: [1, 2], b: 2 }],
    ["add into a list", [{ op: "add", path: "/spec/a/1", value: 9 }], { a: [1, 9, 2] }],
    ["add at the end", [{ op: "add", path: "/spec/a/-", value: 9 }], { a: [1, 2, 9] }],
    ["remove", [{ op: "remove", path: "/spec/a/0" }], { a: [2] }],
    ["replace", [{ op: "replace", path: "/spec/a", value: {} }], { a: {} }],
    ["move", [{ op: "move", from: "/spec/a/0", path: "/spec/x" }], { a: [2], x: 1 }],
    ["copy", [{ op: "copy", from: "/spec/a", path: "/spec/x" }], { a: [1, 2], x: [1, 2] }],
    ["test", [{ op: "test", path: "/spec/a/1", value: 2 }], { a: [1, 2] }],
    ["escaped names", [{ op: "add", path: "/spec/x~1y~0", value: 0 }], { a: [1, 2], "x/y~": 0 }],
  ])("does %s", (_, patch, spec) => {
    const object = objectWith({ spec: { a: [1, 2] } });
    expect(jsonPatch(object, patch).spec).toEqual(spec);
    expect(object.spec).toEqual({ a: [1, 2] });
  });

  it.each([
    ["no list", {}, "400 BadRequest"],
    ["an operation that is none", [{ op: "swap", path: "/a" }], "400 BadRequest"],
    ["a path that is none", [{ op: "remove", path: "a" }], "400 BadRequest"],
    ["an operation without a value", [{ op: "add", path: "/a" }], "400 BadRequest"],
    ["the removal of nothing", [{ op: "remove", path: "/spec/x" }], "422 Invalid"],
    ["a place behind the end", [{ op: "add", path: "/spec/a/3", value: 1 }], "422 Invalid"],
    ["a place that is no number", [{ op: "add", path: "/spec/a/01", value: 1 }], "422 Invalid"],
    ["a path through a number", [{ op: "add", path: "/spec/a/0/x", value: 1 }], "422 Invalid"],
    ["a path through nothing", [{ op: "add", path: "/spec/x/y", value: 1 }], "422 Invalid"],
    ["a test that fails", [{ op: "test", path: "/spec/a", value: 3 }], "422 Invalid"],
    ["a move into itself", [{ op: "move", from: "/spec", path: "/spec/a/0" }], "422 Invalid"],
    ["a document that is no object", [{ op: "replace", path: "", value: 1 }], "422 Invalid"],
    ["inherited fields", [{ op: "add", path: "/hasOwnProperty/x", value: 1 }], "422 Invalid"],
    ["too many operations", Array(10_001).fill({ op: "test", path: "/x" }), "413 RequestEntityTooLarge"],
  ])("refuses %s", (_, patch, reason) => {
    expect(reasonOf(() => jsonPatch(objectWith({ spec: { a: [1, 2] } }), patch))).toBe(reason);
  });

  it("refuses copies of copies of copies", () => {
    const double = { op: "copy", from: "/spec", path: "/spec/x" };
    const patch = Array.from({ length: 40 }, (_, index) => ({ ...double, path: `/spec/x${index}` }));
    expect(reasonOf(() => jsonPatch(objectWith({ spec: { a: 1 } }), patch))).toBe(
      "413 RequestEntityTooLarge",
    );
  });

  it("refuses what grows too deep, takes many operations on one object", () => {
    const nested = Array.from({ length: 300 }, (_, depth) => ({
      op: "add",
      path: `/spec${"/a".repeat(depth)}/a`,
      value: {},
    }));
    const copy = { op: "copy", from: "/spec", path: "/more" };
    expect(reasonOf(() => jsonPatch(objectWith({ spec: {} }), [...nested, copy]))).toBe("422 Invalid");
    const many = Array.from({ length: 10_000 }, (_, index) => ({
      op: "add",
      path: `/spec/k${index}`,
      value: index,
    }));
    expect(Object.keys(jsonPatch(objectWith({ spec: {} }), many).spec as object)).toHaveLength(10_000);
  });

  it("agrees with another implementation on what leads from one object to another", () => {
    fc.assert(
      fc.property(documents, documents, (from, to) => {
        fc.pre(!JSON.stringify([from, to]).match(/__proto__|constructor|prototype/));
        const patch = createPatch(from, to);
        const theirs = structuredClone(from);
        applyPatch(theirs, patch);
        expect(jsonPatch(from, patch)).toEqual(theirs);
        expect(jsonPatch(from, patch)).toEqual(to);
      }),
    );
  });

  it("keeps names that mean something to JavaScript as plain fields", () => {
    const patch = [{ op: "add", path: "/spec/__proto__", value: { evil: true } }];
    const patched = jsonPatch(objectWith({ spec: {} }), patch);
    expect(JSON.stringify(patched.spec)).toBe('{"__proto__":{"evil":true}}');
    expect(({} as { evil?: boolean }).evil).toBeUndefined();
  });
});

describe("merge patch", () => {
  /** The examples of RFC 7386, appendix A, as far as documents are objects. */
  it.each([
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])("%j with %j is %j", (spec, patch, result) => {
    expect(mergePatch(objectWith({ spec }), { spec: patch }).spec).toEqual(result);
  });

  it("refuses what is no object, and what is too deep", () => {
    const deep = JSON.parse(`${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`);
    for (const patch of [1, null, [], "x", deep])
      expect(reasonOf(() => mergePatch(objectWith({}), patch))).toBe("400 BadRequest");
  });

  it("of an object itself changes nothing; applied twice it is as once", () => {
    fc.assert(
      fc.property(documents, documents, (object, patch) => {
        const withoutNulls = JSON.parse(JSON.stringify(object), (_, value) => value ?? undefined);
        const { __proto__: _, ...plain } = withoutNulls;
        if (!JSON.stringify(object).includes("null")) expect(mergePatch(object, object)).toEqual(plain);
        const once = mergePatch(object, patch);
        expect(mergePatch(once, patch)).toEqual(once);
      }),
    );
  });
});

describe("strategic merge patch", () => {
  const pod = (spec: object, more: object = {}): KubeObject => objectWith({ kind: "Pod", spec, ...more });
  const patched = (object: KubeObject, patch: object): KubeObject =>
    strategicMergePatch(kindOf("Pod"), object, patch);

  it("merges lists by their merge key; what is new comes first", () => {
    const [x, y] = [
      { name: "X", value: "1" },
      { name: "Y", value: "2" },
    ];
    const before = pod({ containers: [{ name: "a", image: "a:1", env: [x] }, { name: "b" }] });
    const patch = { spec: { containers: [{ name: "a", image: "a:2", env: [y] }] } };
    expect(patched(before, patch).spec).toEqual({
      containers: [{ name: "a", image: "a:2", env: [y, x] }, { name: "b" }],
    });
  });

  it("replaces lists without one", () => {
    const before = pod({ containers: [{ name: "a", args: ["x", "y"] }], tolerations: [{ key: "a" }] });
    const patch = { spec: { containers: [{ name: "a", args: ["z"] }], tolerations: [{ key: "b" }] } };
    expect(patched(before, patch).spec).toEqual({
      containers: [{ name: "a", args: ["z"] }],
      tolerations: [{ key: "b" }],
    });
  });

  it("deletes entries and fields", () => {
    const before = pod({ containers: [{ name: "a" }, { name: "b" }], nodeName: "n", hostname: "h" });
    const patch = { spec: { containers: [{ name: "b", $patch: "delete" }], nodeName: null } };
    expect(patched(before, patch).spec).toEqual({ containers: [{ name: "a" }], hostname: "h" });
  });

  it("replaces a list, and a map, where it is told to", () => {
    const before = pod({ containers: [{ name: "a" }, { name: "b" }] }, { metadata: { labels: { a: "1" } } });
    const patch = {
      metadata: { labels: { $patch: "replace", b: "2" } },
      spec: { containers: [{ $patch: "replace" }, { name: "c" }] },
    };
    const after = patched(before, patch);
    expect(after.spec).toEqual({ containers: [{ name: "c" }] });
    expect(after.metadata.labels).toEqual({ b: "2" });
  });

  it("retains only the keys it is told to", () => {
    const kind = kindOf("Deployment");
    const rollingUpdate = { maxSurge: 1 };
    const before = objectWith({ spec: { strategy: { type: "RollingUpdate", rollingUpdate } } });
    const patch = { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } };
    expect(strategicMergePatch(kind, before, patch).spec).toEqual({ strategy: { type: "Recreate" } });
  });

  it("adds to and deletes from lists of plain values", () => {
    const metadata = { name: "a", finalizers: ["x/a", "x/b"] };
    const added = patched(pod({}, { metadata }), { metadata: { finalizers: ["x/c", "x/a"] } });
    expect(new Set(added.metadata.finalizers)).toEqual(new Set(["x/a", "x/b", "x/c"]));
    const deletion = { metadata: { "$deleteFromPrimitiveList/finalizers": ["x/a"] } };
    expect(patched(pod({}, { metadata }), deletion).metadata.finalizers).toEqual(["x/b"]);
  });

  it("puts entries in the order it is told; others stay among them", () => {
    const names = ["a", "b", "c", "d"].map((name) => ({ name }));
    const patch = {
      spec: {
        "$setElementOrder/containers": [{ name: "c" }, { name: "a" }, { name: "e" }],
        containers: [{ name: "e", image: "e:1" }],
      },
    };
    const { containers } = patched(pod({ containers: names }), patch).spec as {
      containers: { name: string }[];
    };
    expect(containers.map(({ name }) => name)).toEqual(["b", "c", "a", "e", "d"]);
  });

  it("keeps ports that share a number", () => {
    const ports = [
      { containerPort: 53, protocol: "UDP" },
      { containerPort: 53, protocol: "TCP" },
    ];
    const patch = { spec: { containers: [{ name: "a", ports: [{ containerPort: 80 }] }] } };
    const { containers } = patched(pod({ containers: [{ name: "a", ports }] }), patch).spec as {
      containers: { ports: object[] }[];
    };
    expect(containers[0]?.ports).toHaveLength(3);
  });

  it("drops nulls and directives where there was nothing", () => {
    const patch = {
      spec: { securityContext: { runAsUser: null, seLinuxOptions: { $patch: "delete", user: "x" } } },
    };
    expect(patched(pod({}), patch).spec).toEqual({ securityContext: { seLinuxOptions: {} } });
  });

  it.each([
    ["an entry without its merge key", { spec: { containers: [{ image: "x" }] } }],
    ["a directive that is none", { spec: { $patch: "explode" } }],
    ["an entry that is no object", { spec: { containers: [1] } }],
    ["an order that is none", { spec: { "$setElementOrder/containers": 1, containers: [] } }],
    ["retained keys that are none", { spec: { $retainKeys: "a" } }],
    ["no object", 7],
  ])("refuses %s", (_, patch) => {
    expect(reasonOf(() => strategicMergePatch(kindOf("Pod"), pod({ containers: [] }), patch))).toBe(
      "400 BadRequest",
    );
  });

  it("is not for kinds of CustomResourceDefinitions", () => {
    expect(reasonOf(() => strategicMergePatch(kindOf("Device"), objectWith({}), {}))).toBe(
      "415 UnsupportedMediaType",
    );
  });

  it("of plain maps is a merge patch, whatever is in it", () => {
    const maps = fc.dictionary(fc.string(), fc.string());
    fc.assert(
      fc.property(maps, fc.dictionary(fc.string(), fc.option(fc.string())), (data, changes) => {
        fc.pre(!Object.keys(changes).some((key) => key.startsWith("$")));
        const object = objectWith({ kind: "ConfigMap", data });
        const ours = strategicMergePatch(kindOf("ConfigMap"), object, { data: changes });
        expect(ours).toEqual(mergePatch(object, { data: changes }));
      }),
    );
  });

  it("brings what it names, and is as once when applied twice", () => {
    const containers = fc.uniqueArray(
      fc.record({ name: fc.constantFrom("a", "b", "c", "d"), image: fc.constantFrom("x", "y") }),
      { selector: ({ name }) => name },
    );
    fc.assert(
      fc.property(containers, containers, (before, change) => {
        const once = patched(pod({ containers: before }), { spec: { containers: change } });
        const after = (once.spec as { containers: { name: string }[] }).containers;
        expect(after).toEqual(expect.arrayContaining(change));
        const all = new Set([...before, ...change].map(({ name }) => name));
        expect(new Set(after.map(({ name }) => name))).toEqual(all);
        expect(after).toHaveLength(all.size);
        expect(patched(once, { spec: { containers: change } })).toEqual(once);
      }),
    );
  });
});
