import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { podOf, TestNode } from "./node.ts";

describe("ConfigMaps and Secrets", () => {
  const configMap = (data: object): object => ({
    kind: "ConfigMap",
    metadata: { name: "cm", namespace: "default", uid: "u" },
    data,
  });
  const containers = [
    {
      name: "main",
      image: "app:1",
      args: ["$(GREETING) $(UNKNOWN)"],
      env: [{ name: "GREETING", valueFrom: { configMapKeyRef: { name: "cm", key: "a" } } }],
    },
  ];

  it("that are missing are asked from the cloud, kept, and the pod starts", async () => {
    const node = new TestNode();
    await node.start();
    await node.put("default/pod/web", podOf("web", { containers }));
    await node.pass(2_000);
    expect((await node.status("web")).containerStatuses[0]?.state.waiting).toMatchObject({
      reason: "CreateContainerConfigError",
    });
    expect(node.asked).toEqual([]);
    node.answers.set("default/configmap/cm", configMap({ a: "hello" }));
    node.connected = true;
    node.edged.connection(true);
    await node.pass(2_000);
    expect(node.asked.filter((one) => one.startsWith("query"))).toEqual(["query default/configmap/cm"]);
    expect((await node.status("web")).phase).toBe("Running");
    expect(node.runtime.container("main").spec).toMatchObject({
      env: { GREETING: "hello" },
      args: ["hello $(UNKNOWN)"],
    });
    expect(node.store.meta.get("default/configmap/cm")).toBeDefined();
  });

  it("that are optional are asked too, and waited for a little: the cloud may have them", async () => {
    const optional = { name: "cm", key: "a", optional: true };
    const main = {
      name: "main",
      image: "app:1",
      env: [{ name: "A", valueFrom: { configMapKeyRef: optional } }],
    };
    const starts = (node: TestNode): boolean => node.runtime.calls.includes("start main");
    const hasIt = new TestNode();
    hasIt.connected = true;
    hasIt.answers.set("default/configmap/cm", configMap({ a: "hello" }));
    const isSilent = new TestNode();
    isSilent.connected = true;
    const isAway = new TestNode();
    for (const node of [hasIt, isSilent, isAway]) {
      await node.start();
      await node.put("default/pod/web", podOf("web", { containers: [main] }));
      await node.pass(2_000);
    }
    expect(hasIt.runtime.container("main").spec.env).toMatchObject({ A: "hello" });
    expect([isSilent, isAway].map(starts)).toEqual([false, true]);
    await isSilent.pass(10_000);
    expect(starts(isSilent)).toBe(true);
  });

  it("that the cloud does not have are asked for again later, and an error is never kept as the object", async () => {
    const node = new TestNode();
    node.connected = true;
    node.answers.set("default/configmap/cm", { ErrStatus: { reason: "NotFound", message: "not found" } });
    await node.start();
    await node.put("default/pod/web", podOf("web", { containers }));
    await node.pass(5_000);
    expect(node.asked).toHaveLength(1);
    expect(node.store.meta.get("default/configmap/cm")).toBeUndefined();
    await node.pass(10_000);
    expect(node.asked).toHaveLength(2);
  });

  it("change in the volumes of running pods when they change in the store", async () => {
    const node = new TestNode();
    await node.start();
    await node.put("default/configmap/cm", configMap({ a: "1", old: "x" }));
    const volumes = [{ name: "v", configMap: { name: "cm" } }];
    const main = { name: "main", image: "app:1", volumeMounts: [{ name: "v", mountPath: "/etc/v" }] };
    await node.put("default/pod/web", podOf("web", { volumes, containers: [main] }));
    await node.pass(1_000);
    const mount = node.runtime.container("main").spec.mounts[0];
    expect(mount).toMatchObject({ containerPath: "/etc/v", readOnly: true });
    const file = join(mount?.hostPath ?? "", "a");
    expect(readFileSync(file, "utf8")).toBe("1");
    await node.put("default/configmap/cm", configMap({ a: "2" }));
    await node.pass(1_000);
    expect(readFileSync(file, "utf8")).toBe("2");
    // What came while the agent was away, and while the next one had not looked at its pods yet.
    await node.stop();
    await node.put("default/configmap/cm", configMap({ a: "3" }));
    node.edged = node.newEdged();
    await node.start();
    await node.pass(2_000);
    expect(readFileSync(file, "utf8")).toBe("3");
    expect(node.runtime.calls.filter((call) => call === "start main")).toHaveLength(1);
  });

  it("a token of the pod's service account is asked for as KubeEdge does, and kept", async () => {
    const node = new TestNode();
    node.connected = true;
    const endsAt = "2026-01-01T01:00:07Z";
    node.answers.set("default/serviceaccounttoken/default", {
      metadata: {},
      spec: {},
      status: { token: "secret", expirationTimestamp: endsAt },
    });
    await node.start();
    const volumes = [
      {
        name: "t",
        projected: { sources: [{ serviceAccountToken: { path: "token", expirationSeconds: 3607 } }] },
      },
    ];
    const main = { name: "main", image: "app:1", volumeMounts: [{ name: "t", mountPath: "/t" }] };
    await node.put("default/pod/web", podOf("web", { volumes, containers: [main] }));
    await node.pass(2_000);
    expect(node.asked).toEqual(["query default/serviceaccounttoken/default"]);
    const { hostPath } = node.runtime.container("main").spec.mounts[0] ?? { hostPath: "" };
    expect(readFileSync(join(hostPath, "token"), "utf8")).toBe("secret");
    await node.pass(2_000_000);
    expect(node.asked).toHaveLength(1);
    await node.pass(1_000_000);
    expect(node.asked).toHaveLength(2);
  });
});
