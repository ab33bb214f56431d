import { describe, expect, it } from "vitest";
import {
  aggregatedDiscovery,
  builtInKinds,
  builtInTypes,
  groupDocument,
  groupList,
  resourceList,
} from "../../kubernetes/index.ts";

describe("discovery", () => {
  it("names each group with its versions, the preferred one first", () => {
    const { groups } = groupList(builtInTypes) as { groups: { name: string; versions: object[] }[] };
    expect(groups.map(({ name }) => name)).not.toContain("");
    expect(groupDocument(builtInTypes, "devices.kubeedge.io")).toMatchObject({
      kind: "APIGroup",
      versions: [{ version: "v1beta1" }, { version: "v1alpha2" }],
      preferredVersion: { groupVersion: "devices.kubeedge.io/v1beta1" },
    });
    expect(groupDocument(builtInTypes, "nothing.io")).toBeUndefined();
  });

  it("names kinds and their subresources", () => {
    const list = resourceList(builtInTypes, { group: "", version: "v1" }) as {
      resources: { name: string }[];
    };
    expect(list.resources).toContainEqual({
      name: "pods",
      singularName: "pod",
      namespaced: true,
      kind: "Pod",
      verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
      shortNames: ["po"],
      categories: ["all"],
    });
    const names = list.resources.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(["pods/status", "pods/log", "pods/eviction", "serviceaccounts/token"]),
    );
    expect(resourceList(builtInTypes, { group: "", version: "v2" })).toBeUndefined();
  });

  it("says the same in one document", () => {
    for (const core of [true, false]) {
      const { items } = aggregatedDiscovery(builtInTypes, { core, version: "v2" }) as {
        items: {
          metadata: { name: string };
          versions: { version: string; resources: { resource: string }[] }[];
        }[];
      };
      const all = items.flatMap(({ metadata, versions }) =>
        versions.flatMap(({ version, resources }) =>
          resources.map(({ resource }) => `${metadata.name}/${version}/${resource}`),
        ),
      );
      const wanted = builtInTypes
        .filter(({ group }) => (group === "") === core)
        .map(({ group, version, resource }) => `${group}/${version}/${resource}`);
      expect(all.toSorted()).toEqual(wanted.toSorted());
    }
  });
});

describe("built-in kinds", () => {
  it("are described, each by a schema of its own", () => {
    for (const { type, schema } of builtInKinds()) {
      expect(schema.definition).toMatch(new RegExp(`\\.${type.version}\\.${type.kind}$`));
      expect(schema.properties?.metadata?.definition).toMatch(/ObjectMeta$/);
    }
  });

  it("that belong to KubeEdge are checked against their schema, the others by rules", () => {
    const form = (group: string): string | undefined =>
      builtInKinds().find(({ type }) => type.group === group)?.form;
    expect(["", "apps", "rbac.authorization.k8s.io"].map(form)).toEqual(["native", "native", "native"]);
    expect(["rules.kubeedge.io", "devices.kubeedge.io"].map(form)).toEqual(["structural", "structural"]);
  });
});
