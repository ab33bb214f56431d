import { describe, expect, it } from "vitest";
import { podOf, TestNode } from "./node.ts";

describe("probes", () => {
  const probed = (probes: object): object =>
    podOf("web", { containers: [{ name: "main", image: "app:1", ...probes }] });
  const probe = { exec: { command: ["check"] }, periodSeconds: 2, failureThreshold: 2 };

  it("a readiness probe decides whether the pod is ready", async () => {
    const node = new TestNode();
    let code = 1;
    node.runtime.execResult = () => code;
    await node.start();
    await node.put("default/pod/web", probed({ readinessProbe: probe }));
    await node.pass(3_000);
    expect((await node.status("web")).conditions.find((one) => one.type === "Ready")).toMatchObject({
      status: "False",
      reason: "ContainersNotReady",
    });
    code = 0;
    await node.pass(3_000);
    expect((await node.status("web")).containerStatuses[0]).toMatchObject({ ready: true });
    expect(node.runtime.calls.filter((call) => call.startsWith("stop"))).toEqual([]);
  });

  it("a liveness probe that fails often enough restarts the container", async () => {
    const node = new TestNode();
    let code = 0;
    node.runtime.execResult = () => code;
    await node.start();
    await node.put(
      "default/pod/web",
      probed({ livenessProbe: { ...probe, terminationGracePeriodSeconds: 4 } }),
    );
    await node.pass(6_000);
    code = 1;
    await node.pass(6_000);
    expect(node.runtime.calls).toContain("stop main 4");
    expect(node.runtime.calls).toContain("create main 1");
  });

  it("until a startup probe succeeds no other is asked, and the container is not started", async () => {
    const node = new TestNode();
    const asked: string[] = [];
    let code = 1;
    node.runtime.execResult = (_id, [command]) => {
      asked.push(command ?? "");
      return command === "startup" ? code : 0;
    };
    const of = (command: string) => ({
      exec: { command: [command] },
      periodSeconds: 1,
      failureThreshold: 100,
    });
    await node.start();
    await node.put("default/pod/web", probed({ startupProbe: of("startup"), livenessProbe: of("liveness") }));
    await node.pass(4_000);
    expect(new Set(asked)).toEqual(new Set(["startup"]));
    expect((await node.status("web")).containerStatuses[0]).toMatchObject({ started: false, ready: false });
    code = 0;
    await node.pass(3_000);
    expect(asked.at(-1)).toBe("liveness");
    expect((await node.status("web")).containerStatuses[0]).toMatchObject({ started: true, ready: true });
  });
});
