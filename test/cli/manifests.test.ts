import { describe, expect, it, test } from "vitest";
import { draftOf, manifestsOf } from "../../cli/manifests.ts";
import { messageOfDraft } from "../../protocol/index.ts";

const options = { namespace: "default" };
const read = (text: string) => manifestsOf(text, "file.yaml", options);

describe("resource paths", () => {
  test.each([
    ["ConfigMap", "shop", "shop/configmap/a", "edgecontroller"],
    ["Pod", undefined, "default/pod/a", "edgecontroller"],
    ["Device", "shop", "shop/device/a", "devicecontroller"],
    ["DeviceModel", "shop", "shop/devicemodel/a", "devicecontroller"],
    ["Node", "ignored", "null/node/a", "edgecontroller"],
    ["ClusterRole", undefined, "null/clusterrole/a", "edgecontroller"],
    ["PersistentVolume", undefined, "null/persistentvolume/a", "edgecontroller"],
  ])("names a %s in %s", (kind, namespace, resource, source) => {
    const [manifest] = read(JSON.stringify({ apiVersion: "v1", kind, metadata: { name: "a", namespace } }));
    expect(manifest).toMatchObject({ resource, source });
  });

  it("takes the namespace given for objects that name none", () => {
    const [manifest] = manifestsOf("{apiVersion: v1, kind: Pod, metadata: {name: a}}", "f", {
      namespace: "shop",
    });
    expect(manifest?.resource).toBe("shop/pod/a");
  });
});

describe("reading", () => {
  it("takes lists and multi-document files apart, and says where each object stood", () => {
    const text = `# nothing
---
apiVersion: v1
kind: Pod
metadata: { name: a }
---
---
apiVersion: v1
kind: List
items:
  - { apiVersion: v1, kind: Secret, metadata: { name: b } }
  - { apiVersion: v1, kind: ConfigMapList, items: [{ apiVersion: v1, kind: ConfigMap, metadata: { name: c } }] }
`;
    expect(read(text).map(({ resource, origin }) => [resource, origin])).toEqual([
      ["default/pod/a", "file.yaml:3"],
      ["default/secret/b", "file.yaml:8 items[0]"],
      ["default/configmap/c", "file.yaml:8 items[1] items[0]"],
    ]);
  });

  it("reads numbers and words as kubectl does", () => {
    const [manifest] = read(`apiVersion: v1
kind: ConfigMap
metadata: { name: a }
data: { mode: 0644, on: yes, off: No, quoted: "0644", time: 2026-01-02, port: 22:22, merged: &m { x: 1 }, with: { <<: *m, y: 2 } }
`);
    expect(manifest?.object.data).toEqual({
      mode: 420,
      true: true,
      false: false,
      quoted: "0644",
      time: "2026-01-02",
      port: "22:22",
      merged: { x: 1 },
      with: { x: 1, y: 2 },
    });
  });

  it("finds nothing in a file of comments", () => {
    expect(read("# nothing\n")).toEqual([]);
  });

  test.each([
    ["a: [1", /^file\.yaml:1:\d+: not YAML: /],
    ["a: 1\na: 2", /^file\.yaml:2:1: not YAML: .*unique/],
    ["- a", /^file\.yaml:1: a manifest must be an object/],
    ["kind: Pod\nmetadata: {name: a}", /apiVersion must be a text, got none/],
    ["apiVersion: v1\nmetadata: {name: a}", /kind must be a text, got none/],
    ["apiVersion: v1\nkind: Pod", /metadata is missing; it needs a name/],
    ["apiVersion: v1\nkind: Pod\nmetadata: {}", /metadata\.name must be a text, got none/],
    ["apiVersion: v1\nkind: Pod\nmetadata: {name: a/b}", /metadata\.name cannot be a Kubernetes name/],
    ["apiVersion: v1\nkind: Pod\nmetadata: {name: 7}", /metadata\.name must be a text, got 7/],
    [
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a, resourceVersion: x}",
      /metadata\.resourceVersion must be a number/,
    ],
    ["a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]", /alias/i],
  ])("refuses %j with file and line", (text, problem) => {
    expect(() => read(text)).toThrow(problem);
  });
});

describe("drafts", () => {
  const content = Buffer.from("{}");
  const [manifest] = read("{apiVersion: v1, kind: Pod, metadata: {name: a, resourceVersion: '41'}}");
  const [unnumbered] = read("{apiVersion: v1, kind: Node, metadata: {name: a}}");
  const draft = (of: typeof manifest, resourceVersion?: string) =>
    draftOf(of as NonNullable<typeof manifest>, "edge-1", { operation: "update", resourceVersion, content });

  it("keep the object's own version, unless another one is asked for", () => {
    expect(
      [draft(manifest), draft(manifest, "next"), draft(manifest, "50"), draft(unnumbered)].map(
        (one) => one.resourceVersion,
      ),
    ).toEqual(["41", "next", "50", "next"]);
  });

  it("are state of every kind, also of kinds that KubeEdge sends once without ack", () => {
    for (const one of [draft(manifest), draft(unnumbered), draft(unnumbered, "7")]) {
      expect(messageOfDraft(one, { id: "1", timestamp: 0 }).delivery.kind).toBe("state");
    }
  });
});
