import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrozenJson } from "../../cloudhub/store/frozen-json.ts";
import type { KubeObject } from "../../kubernetes/index.ts";

const json = new FrozenJson();
const parsed = (value: object, before?: KubeObject) => json.parse(JSON.stringify(value), before);
const node = (ready: string, labels: object = { zone: "north-west" }) => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name: "edge-1", labels },
  status: {
    capacity: { cpu: "4", memory: "8Gi" },
    conditions: [
      { type: "MemoryPressure", status: "False" },
      { type: "Ready", status: ready },
    ],
  },
});

const statusOf = ({ status }: KubeObject) => status as { capacity: object; conditions: object[] };

describe("an object that takes another's place", () => {
  it("shares with it what is equal", () => {
    const before = parsed(node("Unknown"));
    const after = parsed(node("True"), before);
    expect(after).toEqual(node("True"));
    expect(before).toEqual(node("Unknown"));
    expect(after.metadata).toBe(before.metadata);
    const [old, now] = [statusOf(before), statusOf(after)];
    expect(now.capacity).toBe(old.capacity);
    expect(now.conditions[0]).toBe(old.conditions[0]);
    expect(now.conditions[1]).not.toBe(old.conditions[1]);
  });

  it.each([
    ["a field more", { zone: "north-west", line: "3" }],
    ["a field less", {}],
    ["another order", { b: "1", a: "1" }, { a: "1", b: "1" }],
    ["a list for an object", [], {}],
    ["an object for a list", {}, []],
    ["nothing for an object", null, {}],
    ["a field that all objects have", JSON.parse('{"__proto__":{},"toString":{}}'), {}],
  ])("shares nothing that has %s", (_what, labels, older?: unknown) => {
    const before = parsed(node("True", (older ?? { zone: "north-west" }) as object));
    const after = parsed(node("True", labels as object), before);
    expect(JSON.stringify(after)).toBe(JSON.stringify(node("True", labels as object)));
    expect(after.metadata).not.toBe(before.metadata);
  });

  it("is what its JSON says and cannot be changed, whatever was there before", () => {
    const isFrozen = (value: unknown): boolean =>
      typeof value !== "object" ||
      value === null ||
      (Object.isFrozen(value) && Object.values(value).every(isFrozen));
    // Few keys and values, so that much is equal.
    const leaf = fc.constantFrom("a", "long enough to share", 1, true, null, "__proto__");
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof({ depthSize: "medium" }, leaf, fc.array(tie("tree"), { maxLength: 3 }), tie("fields")),
      fields: fc.dictionary(fc.constantFrom("x", "y", "uid", "__proto__", "length"), tie("tree"), {
        maxKeys: 3,
      }),
    }));
    fc.assert(
      fc.property(fc.array(tree, { minLength: 2, maxLength: 5 }), (values) => {
        let before: KubeObject | undefined;
        for (const value of values) {
          const text = JSON.stringify({ value });
          before = json.parse(text, before);
          expect(JSON.stringify(before)).toBe(text);
          expect(isFrozen(before)).toBe(true);
        }
      }),
    );
  });
});
