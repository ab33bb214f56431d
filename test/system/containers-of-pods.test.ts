import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { CriRuntime } from "../../edgehub/edged/cri-runtime.ts";
import type { RuntimeContainer } from "../../edgehub/edged/runtime.ts";
import { systemClock } from "../../platform/clock.ts";
import { connectHub } from "../../sdk/index.ts";
import { Containerd, pauseImage } from "../support/containerd.ts";
import { until } from "../support/processes.ts";
import { startWorld } from "../support/world.ts";

const obstacle = await Containerd.install();
const image = "localhost/app:test";
const node = "edge-1";

describe.skipIf(obstacle !== undefined)(`what pods ask for, in containerd ${obstacle ?? ""}`, () => {
  let containerd: Containerd;
  let cri: CriRuntime;
  let data: string;

  beforeAll(async () => {
    containerd = new Containerd();
    await containerd.start();
    cri = new CriRuntime(systemClock, { endpoint: containerd.endpoint, node });
    await containerd.importImage(pauseImage, ["sleep", "2147483647"]);
    await containerd.importImage(image);
    data = join(containerd.directory, "data");
    mkdirSync(data);
    // Users of containers write there.
    writeFileSync(join(data, "order"), "");
    for (const path of [data, join(data, "order")]) chmodSync(path, 0o777);
  });
  afterAll(async () => {
    await cri.close();
    await containerd.remove();
  });

  /** An agent whose pods a test publishes. */
  async function agent(): Promise<
    (operation: string, object: object, resource?: string) => Promise<unknown>
  > {
    const world = await startWorld();
    await world.hub.admin.addNode(node);
    const client = await connectHub(JSON.parse(readFileSync(world.hub.adminFile, "utf8")));
    onTestFinished(() => client.close());
    const edged = { enable: true, remoteRuntimeEndpoint: containerd.endpoint, syncMs: 100 };
    await world.agent(node, { edged });
    return (operation, content, resource = "default/pod/web") =>
      client.publish({ node, operation, resource, resourceVersion: "next", content }, { until: "acked" });
  }

  const podWith = (spec: object, metadata: object = {}): object => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default", uid: "uid-web", ...metadata },
    spec: { nodeName: node, volumes: [{ name: "data", hostPath: { path: data } }], ...spec },
  });

  /** A container that says in a file that it has ended. */
  const ending = (name: string, more: object = {}): object => ({
    name,
    image,
    imagePullPolicy: "IfNotPresent",
    command: [
      "sh",
      "-c",
      `trap 'echo ${name} >> /data/order; exit 0' TERM; echo ${name} >> /data/order; while :; do sleep 0.1; done`,
    ],
    volumeMounts: [
      { name: "data", mountPath: "/data" },
      { name: "shared", mountPath: "/shared" },
    ],
    ...more,
  });

  const running = async (name: string): Promise<RuntimeContainer | undefined> =>
    (await cri.pods())
      .flatMap((pod) => pod.containers)
      .find((one) => one.name === name && one.state === "running");
  const order = (): string[] => readFileSync(join(data, "order"), "utf8").match(/\w+/g) ?? [];

  it("is there: sidecars in order, groups, memory, names, processes, settings of the kernel", async () => {
    const publish = await agent();
    const spec = {
      shareProcessNamespace: true,
      hostAliases: [{ ip: "192.0.2.7", hostnames: ["plc"] }],
      dnsConfig: { options: [{ name: "ndots", value: "7" }] },
      securityContext: {
        fsGroup: 2_345,
        supplementalGroups: [3_456],
        sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "81" }],
      },
      volumes: [
        { name: "data", hostPath: { path: data } },
        { name: "shared", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
      ],
      initContainers: [
        ending("first", {
          restartPolicy: "Always",
          startupProbe: {
            exec: { command: ["sh", "-c", "test -e /data/go"] },
            periodSeconds: 1,
            failureThreshold: 99,
          },
        }),
        ending("second", { restartPolicy: "Always" }),
      ],
      containers: [ending("main", { securityContext: { runAsUser: 1_000 } })],
    };
    await publish("insert", podWith(spec));
    await until("the first sidecar runs", async () => (await running("first")) !== undefined);
    const first = (await running("first")) as RuntimeContainer;
    await until("it is at work", () => order().length > 0);
    expect(await running("second")).toBeUndefined();
    await cri.exec(first.id, ["sh", "-c", "echo > /data/go"], 10_000);
    await until("the container runs", async () => (await running("main")) !== undefined);
    await until("all are at work", () => order().length === 3);
    expect(order()).toEqual(["first", "second", "main"]);

    const main = (await running("main")) as RuntimeContainer;
    const said = async (script: string): Promise<string> =>
      Buffer.from((await cri.exec(main.id, ["sh", "-c", script], 10_000)).stdout)
        .toString()
        .trim();
    expect((await said("id -G")).split(" ")).toEqual(expect.arrayContaining(["2345", "3456"]));
    expect(await said("echo > /shared/mine; ls -ln /shared/mine")).toMatch(/ 1000 +2345 /);
    expect(await said("cat /proc/mounts")).toMatch(/ \/shared tmpfs .*size=1024k/);
    const hosts = await said("cat /etc/hosts");
    expect(hosts).toMatch(/^# Kubernetes-managed hosts file\./);
    expect(hosts).toMatch(/10\.213\.0\.\d+\tweb/);
    expect(hosts).toContain("192.0.2.7\tplc");
    expect(await said("cat /etc/resolv.conf")).toContain("ndots:7");
    expect(await said("cat /proc/sys/net/ipv4/ip_unprivileged_port_start")).toBe("81");
    expect(await said("cat /proc/[0-9]*/cmdline")).toContain("echo first");

    const metadata = { deletionTimestamp: new Date().toISOString(), deletionGracePeriodSeconds: 30 };
    await publish("update", podWith(spec, metadata));
    await until("all have ended", () => order().length === 6);
    expect(order().slice(3)).toEqual(["main", "second", "first"]);
    await publish("delete", podWith(spec));
    await until("nothing is left", async () => (await cri.pods()).length === 0);
    await until("nor in memory", () => !readFileSync("/proc/mounts", "utf8").includes("uid-web/volumes"));
  });

  it("has volumes inside read-only ones, and folders of volumes for any user; a dead sandbox is replaced", async () => {
    const publish = await agent();
    const metadata = { name: "cm", namespace: "default", uid: "uid-cm" };
    await publish("insert", { metadata, data: { key: "value" } }, "default/configmap/cm");
    const main = {
      name: "main",
      image,
      imagePullPolicy: "IfNotPresent",
      command: ["sleep", "2147483647"],
      securityContext: { runAsUser: 1_000 },
      volumeMounts: [
        { name: "settings", mountPath: "/settings" },
        { name: "own", mountPath: "/settings/inner" },
        { name: "own", mountPath: "/own", subPath: "deep/er" },
      ],
    };
    const volumes = [
      { name: "settings", configMap: { name: "cm" } },
      { name: "own", emptyDir: {} },
    ];
    const pod = podWith({ volumes, terminationGracePeriodSeconds: 0, containers: [main] });
    await publish("insert", pod);
    await until("it runs", async () => (await running("main")) !== undefined);
    const said = async (script: string): Promise<string> => {
      const { id } = (await running("main")) as RuntimeContainer;
      const { stdout, stderr } = await cri.exec(id, ["sh", "-c", script], 10_000);
      return Buffer.concat([stdout, stderr]).toString().trim();
    };
    expect(await said("cat /settings/key")).toBe("value");
    expect(await said("echo > /settings/other")).toContain("Read-only file system");
    expect(await said("echo mine > /own/file; cat /settings/inner/deep/er/file")).toBe("mine");

    const [sandbox] = await cri.pods();
    await containerd.ctr("tasks", "kill", "-s", "SIGKILL", sandbox?.sandboxId ?? "");
    await until("it runs in another", async () => (await running("main"))?.attempt === 1);
    expect(await said("cat /own/file")).toBe("mine");
    await publish("delete", pod);
    await until("nothing is left", async () => (await cri.pods()).length === 0);
  });

  it("ends at once, though it has a long grace", async () => {
    const publish = await agent();
    const command = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"];
    const main = { name: "main", image, imagePullPolicy: "IfNotPresent", command };
    const spec = { terminationGracePeriodSeconds: 600, containers: [main], volumes: [] };
    await publish("insert", podWith(spec));
    await until("it runs", async () => (await running("main")) !== undefined);
    const deletion = (graceSeconds: number): object => ({
      deletionTimestamp: new Date().toISOString(),
      deletionGracePeriodSeconds: graceSeconds,
    });
    await publish("update", podWith(spec, deletion(600)));
    await publish("update", podWith(spec, deletion(0)));
    await until("it has ended", async () => (await running("main")) === undefined);
    await publish("delete", podWith(spec));
    await until("nothing is left", async () => (await cri.pods()).length === 0);
  });
});
