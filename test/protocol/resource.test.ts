import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { objectResource, parseResource, splitFullResource } from "../../protocol/resource.ts";
import { runs } from "./arbitraries.ts";

describe("a resource path", () => {
  it.each([
    ["default/pod/nginx", "default", "pod", "nginx"],
    ["default/pod", "default", "pod", ""],
    ["default/pod/", "default", "pod", ""],
    ["null/node/edge-1", undefined, "node", "edge-1"],
    ["null/persistentvolume", undefined, "persistentvolume", ""],
    ["kube-node-lease/lease/edge-1", "kube-node-lease", "lease", "edge-1"],
    ["default/volume/abc", "default", "volume", "abc"],
    ["namespace/node/edge-1", "namespace", "node", "edge-1"],
    ["default/topic", "default", "topic", ""],
    ["/pod/nginx", "", "pod", "nginx"],
    // Words and paths with a form of their own.
    ["", undefined, "", ""],
    ["node", undefined, "node", ""],
    ["twin", undefined, "twin", ""],
    ["membership", undefined, "membership", ""],
    ["null", undefined, "null", ""],
    ["membership/detail", undefined, "membership", "detail"],
    ["watchapp/sync", undefined, "watchapp", "sync"],
    ["k8s/ca.crt", undefined, "k8s", "ca.crt"],
    ["node/connection", undefined, "node", "connection"],
    ["ignore/Application/ignore", undefined, "ignore", "Application/ignore"],
    // Four parts and more are never an object.
    ["device/d1/twin/edge_updated", undefined, "device", "d1/twin/edge_updated"],
    ["device/default/d1/twin/cloud_updated", undefined, "device", "default/d1/twin/cloud_updated"],
    ["upgrade/u1/node/edge-1", undefined, "upgrade", "u1/node/edge-1"],
    [
      "operations.kubeedge.io/v1alpha2/nodeupgradejob/j/node/n",
      undefined,
      "operations.kubeedge.io",
      "v1alpha2/nodeupgradejob/j/node/n",
    ],
    ["$hw/events/device/d1/twin/update", undefined, "$hw", "events/device/d1/twin/update"],
    ["8080:/a", "8080:", "a", ""],
  ])("%j is namespace %s, type %j, name %j", (path, namespace, type, name) => {
    expect(parseResource(path)).toEqual({ path, namespace, type, name });
  });

  it("keeps its text, whatever it is", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ -~]{0,60}$/), (path) => {
        const { namespace, type, name, path: kept } = parseResource(path);
        expect(kept).toBe(path);
        // Nothing is lost in the reading, but for the word that stands for no namespace.
        expect(
          [namespace ?? "null", type, name].every((part) => part === "null" || path.includes(part)),
        ).toBe(true);
      }),
      runs(500),
    );
  });

  it("may have 1024 characters and no more", () => {
    expect(parseResource("x".repeat(1024)).type).toHaveLength(1024);
    expect(() => parseResource("x".repeat(1025))).toThrow(
      expect.objectContaining({
        code: "E_BAD_RESOURCE",
        message: "resource must have at most 1024 characters, got 1025",
      }),
    );
  });

  it.each(["\u0000", "\n", "\u001f", "\u007f"])("may not hold the control character %j", (character) => {
    expect(() => parseResource(`default/pod/a${character}b`)).toThrow(
      expect.objectContaining({
        code: "E_BAD_RESOURCE",
        message: expect.stringMatching(/got "default\/pod\/a\\.*b"$/),
      }),
    );
  });

  it("of an object is put together and read back", () => {
    expect(objectResource("default", "pod", "nginx")).toEqual(parseResource("default/pod/nginx"));
    expect(objectResource(undefined, "node", "edge-1")).toEqual(parseResource("null/node/edge-1"));
    expect(objectResource("default", "pod", "").path).toBe("default/pod");
  });
});

describe("a full resource, as controllers write it", () => {
  it.each([
    ["node/edge-1/default/pod/nginx", "edge-1", "default/pod/nginx"],
    ["node/edge-1/membership", "edge-1", "membership"],
    ["node/edge-1/device/d1/twin/cloud_updated", "edge-1", "device/d1/twin/cloud_updated"],
    ["node/node/node/x", "node", "node/x"],
  ])("%s is node %s and path %s", (text, node, path) => {
    expect(splitFullResource(text)).toEqual({ node, path });
  });

  it.each([
    "",
    "node",
    "node/",
    "node/edge-1",
    "node/edge-1/",
    "node//default/pod/x",
    "nodes-x/a/b",
    "default/node/x/y",
    "upgrade/u1/node/edge-1",
  ])("%j is none", (text) => expect(splitFullResource(text)).toBeUndefined());
});
