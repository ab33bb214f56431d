import { describe, expect, it } from "vitest";
import { ApiError, fieldSelector, type KubeObject, labelSelector } from "../../kubernetes/index.ts";

const pods = { group: "", resource: "pods" };

function pod(labels: Record<string, string>, spec: object = {}): KubeObject {
  return { apiVersion: "v1", kind: "Pod", metadata: { name: "p", namespace: "d", labels }, spec };
}

describe("label selectors", () => {
  const object = pod({ app: "press", tier: "edge", "example.com/line": "7", empty: "" });

  it.each([
    ["", true],
    ["app=press", true],
    ["app==press,tier=edge", true],
    ["app=press,tier=cloud", false],
    ["app!=press", false],
    ["nothing!=press", true],
    ["app in (press, saw)", true],
    ["app notin (press)", false],
    ["nothing notin (press)", true],
    ["app", true],
    ["!app", false],
    ["!nothing", true],
    ["example.com/line=7", true],
    ["empty=", true],
    ["app in (a,b),tier", false],
    ["app = press", true],
    ["nothing=", false],
    ["nothing", false],
    ["app in (press),tier=edge,example.com/line!=8", true],
    ["app in (press,saw),tier notin (edge,cloud)", false],
    ["toString", false],
  ])("%j: %s", (text, matches) => {
    expect(labelSelector(text)(object)).toBe(matches);
  });

  it.each([
    "a b",
    "=x",
    "a=b c",
    "a in b",
    "a in (x",
    "-a",
    "a/b/c",
    "a=é",
    "a=b=c",
    `a=${"b".repeat(64)}`,
    "x".repeat(5_000),
  ])("refuses %j", (text) => {
    expect(() => labelSelector(text)).toThrow(ApiError);
  });
});

describe("field selectors", () => {
  const object = pod({}, { nodeName: "n" });

  it.each([
    ["", true],
    ["metadata.name=p", true],
    ["metadata.name!=p", false],
    ["spec.nodeName=n,metadata.namespace==d", true],
    ["spec.nodeName=", false],
    ["spec.nodeName=n,status.phase!=Failed", true],
    ["metadata.namespace!=kube-system", true],
    ["status.phase=", true],
    ["spec.hostNetwork=false", true],
  ])("%j: %s", (text, matches) => {
    expect(fieldSelector(text, pods)(object)).toBe(matches);
  });

  it("refuses fields that a kind is not selected by", () => {
    expect(() => fieldSelector("spec.image=x", pods)).toThrow('field label not supported: "spec.image"');
    expect(() => fieldSelector("type=x", pods)).toThrow(ApiError);
    expect(() => fieldSelector("nonsense", pods)).toThrow(ApiError);
    expect(() => fieldSelector("type=x", { group: "", resource: "constructor" })).toThrow(ApiError);
    expect(fieldSelector("type=x", { group: "", resource: "secrets" })({ ...object, type: "x" })).toBe(true);
  });
});
