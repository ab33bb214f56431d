import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it, test } from "vitest";
import { draftOf, manifestsOf } from "../../cli/index.ts";
import { readObjects } from "../../examples/demo/objects.ts";
import { messageOfDraft } from "../../protocol/index.ts";

const folder = resolve(import.meta.dirname, "../../examples/manifests");
/** The namespace is for the hub's own API. */
const files = readdirSync(folder).filter((name) => !name.includes("namespace"));
const read = (name: string) =>
  manifestsOf(readFileSync(join(folder, name), "utf8"), name, { namespace: "default" });

describe("the example manifests", () => {
  test.each(files)("%s becomes messages that are stored and acked", (name) => {
    for (const manifest of read(name)) {
      const content = Buffer.from(JSON.stringify(manifest.object));
      const draft = draftOf(manifest, "edge-1", { operation: "update", resourceVersion: undefined, content });
      const message = messageOfDraft(draft, { id: "1", timestamp: 0 });
      expect(message.delivery).toEqual({ kind: "state", numbered: true });
      expect(message.resource.path).toBe(
        `factory/${String(manifest.object.kind).toLowerCase()}/${message.resource.name}`,
      );
    }
  });

  it("hold one object of each kind that the demo promises, and a burst of 200", () => {
    const { named, burst } = readObjects();
    expect(named.map((one) => one.object.kind).sort()).toEqual([
      "ConfigMap",
      "Device",
      "DeviceModel",
      "Pod",
      "Secret",
    ]);
    expect(burst).toHaveLength(200);
    expect(new Set(burst.map((one) => one.resource)).size).toBe(200);
  });

  it("read numbers as kubectl does", () => {
    const [pod] = read("pod-vision-inspector.yaml");
    expect(pod?.object).toMatchObject({ spec: { volumes: [{ configMap: { defaultMode: 0o444 } }] } });
  });

  it("name devices as their controller does", () => {
    expect(read("device-press-07.yaml").map((one) => [one.resource, one.source])).toEqual([
      ["factory/devicemodel/hydraulic-press", "devicecontroller"],
      ["factory/device/press-07", "devicecontroller"],
    ]);
  });
});
