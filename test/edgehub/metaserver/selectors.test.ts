import { expect, it, test } from "vitest";
import { objectOf } from "../../../edgehub/metaserver/objects.ts";
import { fieldSelector, labelSelector } from "../../../edgehub/metaserver/selectors.ts";
import type { ResourceVersion } from "../../../protocol/index.ts";

function pod(fields: object) {
  const value = Buffer.from(JSON.stringify(fields));
  const version = "1" as ResourceVersion;
  const object = objectOf({ type: "pod", namespace: "default", name: "web", version, value });
  if (object === undefined) throw new Error("no object");
  return object;
}

const labelled = pod({
  metadata: { name: "web", labels: { app: "web", tier: "front", "acme.io/zone": "a" } },
});

test.each([
  ["", true],
  ["app=web", true],
  ["app==web", true],
  ["app = web", true],
  ["app!=web", false],
  ["app=db", false],
  ["missing!=x", true],
  ["missing=", false],
  ["app", true],
  ["!app", false],
  ["missing", false],
  ["!missing", true],
  ["app in (web, db)", true],
  ["app in (db)", false],
  ["app notin (db)", true],
  ["app notin (web,db)", false],
  ["missing notin (a)", true],
  ["app in (web),tier=front,acme.io/zone!=b", true],
  ["app in (web,db),tier notin (front,back)", false],
])("label selector %j: %s", (text, matches) => {
  expect(labelSelector(text)(labelled)).toBe(matches);
});

test.each([
  "app web",
  "app in web",
  "=a",
  "a=b=c",
  "a in (b",
  "-a=b",
  "a=b c",
  `a=${"b".repeat(64)}`,
  "a".repeat(5_000),
])("label selector %j is refused", (text) => {
  expect(() => labelSelector(text)).toThrow(expect.objectContaining({ code: "E_BAD_MESSAGE" }));
});

const running = pod({
  metadata: { name: "web", namespace: "default" },
  spec: { nodeName: "edge-1" },
  status: { phase: "Running" },
});

test.each([
  ["metadata.name=web", true],
  ["metadata.name==other", false],
  ["metadata.namespace!=kube-system", true],
  ["spec.nodeName=edge-1,status.phase!=Failed", true],
  ["spec.nodeName=edge-2", false],
  ["status.podIP=", true],
  ["spec.hostNetwork=false", true],
])("field selector %j: %s", (text, matches) => {
  expect(fieldSelector(text, "pods")(running)).toBe(matches);
});

it("refuses fields that objects of a kind are not selected by", () => {
  expect(() => fieldSelector("spec.nodeName=a", "configmaps")).toThrow(/field label not supported/);
  expect(() => fieldSelector("metadata.name", "pods")).toThrow(/invalid field selector/);
});
