import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { CriRuntime } from "../../edgehub/edged/cri-runtime.ts";
import type { ContainerSpec, RuntimeContainer, SandboxSpec } from "../../edgehub/edged/runtime.ts";
import { systemClock } from "../../platform/clock.ts";
import { Containerd, pauseImage } from "../support/containerd.ts";
import { containerSpec, sandbox } from "../support/pod-specs.ts";
import { until } from "../support/processes.ts";

const obstacle = await Containerd.install();
const app = "localhost/app:test";
const shell = (script: string): Partial<ContainerSpec> => ({ command: ["sh", "-c", script] });
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe.skipIf(obstacle !== undefined)(`containers of containerd ${obstacle ?? ""}`, () => {
  let containerd: Containerd;
  let pods = 0;

  beforeAll(async () => {
    containerd = new Containerd();
    await containerd.start();
    await containerd.importImage(pauseImage, ["sleep", "2147483647"]);
    await containerd.importImage(app);
  });
  afterAll(() => containerd.remove());

  function runtime(node = "edge-1", endpoint = containerd.endpoint): CriRuntime {
    const made = new CriRuntime(systemClock, { endpoint, node });
    onTestFinished(() => made.close());
    return made;
  }

  /** Runs a pod with one container in it. */
  async function pod(
    cri: CriRuntime,
    container: Partial<ContainerSpec>,
    more: Partial<SandboxSpec> = {},
  ): Promise<{ sandboxId: string; id: string; uid: string; logs: string }> {
    const uid = `uid-${++pods}`;
    const logs = join(containerd.directory, "logs", uid);
    mkdirSync(logs, { recursive: true });
    const sandboxId = await cri.runSandbox(
      sandbox({ uid, name: `pod-${pods}`, logDirectory: logs, ...more }),
    );
    onTestFinished(async () => {
      const client = new CriRuntime(systemClock, { endpoint: containerd.endpoint, node: "edge-1" });
      await client.stopSandbox(sandboxId);
      await client.removeSandbox(sandboxId);
      await client.close();
    });
    const id = await cri.createContainer(sandboxId, containerSpec({ image: app, ...container }));
    await cri.startContainer(id);
    return { sandboxId, id, uid, logs };
  }

  async function containerNow(cri: CriRuntime, id: string): Promise<RuntimeContainer> {
    const found = (await cri.pods()).flatMap((one) => one.containers).find((one) => one.id === id);
    if (found === undefined) throw new Error(`no container ${id}`);
    return found;
  }

  async function ended(cri: CriRuntime, id: string): Promise<RuntimeContainer> {
    await until("the container ends", async () => (await containerNow(cri, id)).state === "exited");
    return await containerNow(cri, id);
  }

  it("says who it is", async () => {
    expect(await runtime().version()).toMatch(/^containerd \d+\.\d+/);
  });

  it("runs a pod and knows it again, with its address and times", async () => {
    const cri = runtime();
    const { sandboxId, id, uid, logs } = await pod(
      cri,
      { ...shell("sleep 1000"), attempt: 3 },
      { attempt: 2 },
    );
    const found = (await cri.pods()).find((one) => one.uid === uid);
    expect(found).toMatchObject({
      sandboxId,
      namespace: "default",
      attempt: 2,
      ready: true,
      ip: expect.stringMatching(/^10\.213\.0\.\d+$/),
      containers: [
        {
          id,
          name: "main",
          attempt: 3,
          state: "running",
          image: app,
          imageId: await cri.imageId(app),
          finishedAt: undefined,
          exitCode: undefined,
          logPath: join(logs, "main/0.log"),
        },
      ],
    });
    const [container] = found?.containers ?? [];
    expect(container?.startedAt).toBeGreaterThanOrEqual(container?.createdAt ?? Number.NaN);
    expect(found?.createdAt).toBeGreaterThan(Date.UTC(2020));
  });

  it("gives a container its environment, directory, files and name", async () => {
    const cri = runtime();
    const data = join(containerd.directory, "data");
    mkdirSync(data, { recursive: true });
    writeFileSync(join(data, "greeting"), "hello");
    const { id } = await pod(
      cri,
      {
        ...shell("sleep 1000"),
        env: { WHO: "edge = näher" },
        workingDir: "/tmp",
        mounts: [{ hostPath: data, containerPath: "/data", readOnly: true }],
      },
      { hostname: "lamp" },
    );
    const script = 'echo "$WHO,$(hostname),$(cat /data/greeting)"; ls -d $PWD; echo x > /data/x';
    const result = await cri.exec(id, ["sh", "-c", script], 10_000);
    expect(textOf(result.stdout)).toBe("edge = näher,lamp,hello\n/tmp\n");
    expect(textOf(result.stderr)).toContain("Read-only file system");
    expect(result.exitCode).toBe(1);
  });

  it("limits memory and CPU, and says when a container ran out of memory", async () => {
    const cri = runtime();
    const resources = {
      cpuMillis: 250,
      cpuRequestMillis: 100,
      memoryBytes: 32 << 20,
      oomScoreAdj: 500,
    };
    const { id } = await pod(cri, { ...shell("sleep 1000"), resources });
    const read = async (...files: string[]): Promise<string> =>
      textOf((await cri.exec(id, ["cat", ...files], 10_000)).stdout).trim();
    expect(await read("/proc/1/oom_score_adj")).toBe("500");
    const first = await read("/proc/1/cgroup");
    const limits = first.startsWith("0::")
      ? await read("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/cpu.max")
      : await read(
          "/sys/fs/cgroup/memory/memory.limit_in_bytes",
          "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
          "/sys/fs/cgroup/cpu/cpu.cfs_period_us",
        );
    expect(limits.split(/\s+/)).toEqual([String(32 << 20), "25000", "100000"]);

    // `tail` keeps what has no line end.
    const greedy = await pod(cri, { command: ["tail", "/dev/zero"], resources });
    await ended(cri, greedy.id);
    await until("it is known why", async () => (await containerNow(cri, greedy.id)).reason === "OOMKilled");
    expect((await containerNow(cri, greedy.id)).exitCode).toBe(137);
  });

  it("runs as the user, with the capabilities and the file system it is told", async () => {
    const cri = runtime();
    const security = {
      ...containerSpec().security,
      runAsUser: 1_000,
      runAsGroup: 2_000,
      noNewPrivileges: true,
      nonRoot: true,
      seccompDefault: true,
      readOnlyRootFilesystem: true,
      dropCapabilities: ["ALL"],
    };
    const { id } = await pod(cri, { ...shell("sleep 1000"), security });
    const script = "id -u; id -g; cat /proc/self/status; echo > /tmp/x";
    const { stdout, stderr } = await cri.exec(id, ["sh", "-c", script], 10_000);
    expect(textOf(stdout)).toMatch(/^1000\n2000\n/);
    expect(textOf(stdout)).toMatch(/Seccomp:\s+2/);
    expect(textOf(stdout)).toMatch(/NoNewPrivs:\s+1/);
    expect(textOf(stdout)).toMatch(/CapBnd:\s+0{16}/);
    expect(textOf(stderr)).toContain("Read-only file system");
  });

  it("takes the image's user where only a group is told, and refuses it where it must not be root", async () => {
    const cri = runtime();
    const security = { ...containerSpec().security, runAsGroup: 2_000 };
    const { id, sandboxId } = await pod(cri, { ...shell("sleep 1000"), security });
    const { stdout } = await cri.exec(id, ["sh", "-c", "id -u; id -g; cat /proc/self/status"], 10_000);
    expect(textOf(stdout)).toMatch(/^0\n2000\n/);
    expect(textOf(stdout)).toMatch(/Seccomp:\s+0/);
    const root = containerSpec({ name: "root", image: app, security: { ...security, nonRoot: true } });
    await expect(cri.createContainer(sandboxId, root)).rejects.toMatchObject({
      code: "E_REFUSED",
      message: expect.stringContaining("runAsNonRoot"),
    });
  });

  it("runs a privileged container in a sandbox that expects one", async () => {
    const cri = runtime();
    const security = { ...containerSpec().security, privileged: true };
    const { id } = await pod(cri, { ...shell("sleep 1000"), security }, { privileged: true });
    const { stdout } = await cri.exec(id, ["cat", "/proc/self/status"], 10_000);
    expect(textOf(stdout)).not.toMatch(/CapEff:\s+0000000/);
  });

  it("gives a pod the node's network", async () => {
    const cri = runtime();
    const { id, uid } = await pod(cri, shell("sleep 1000"), { hostNetwork: true });
    const { stdout } = await cri.exec(id, ["cat", "/proc/net/route"], 10_000);
    expect(textOf(stdout)).toBe(readFileSync("/proc/net/route", "utf8"));
    expect((await cri.pods()).find((one) => one.uid === uid)?.ip).toBeUndefined();
  });

  it("tells the runtime of ports and resolvers", async () => {
    const cri = runtime();
    const dns = { servers: ["192.0.2.53"], searches: ["edge.example"], options: ["ndots:2"] };
    const ports = [{ protocol: "UDP", containerPort: 53, hostPort: 5_353, hostIp: "127.0.0.1" }] as const;
    const { id, sandboxId } = await pod(cri, shell("sleep 1000"), { dns, ports });
    const { stdout } = await cri.exec(id, ["cat", "/etc/resolv.conf"], 10_000);
    expect(textOf(stdout)).toContain("nameserver 192.0.2.53");
    expect(textOf(stdout)).toContain("search edge.example");
    expect(textOf(stdout)).toContain("options ndots:2");
    expect(await containerd.sandboxConfig(sandboxId)).toMatchObject({
      port_mappings: [{ protocol: 1, container_port: 53, host_port: 5_353, host_ip: "127.0.0.1" }],
    });
  });

  it("writes logs line by line where it is told, and to a new file after a rotation", async () => {
    const cri = runtime();
    const script =
      "echo out; echo err >&2; echo -n part; while ! test -e /tmp/go; do sleep 0.1; done; echo; echo new; sleep 1000";
    const { id, logs } = await pod(cri, shell(script));
    const file = join(logs, "main/0.log");
    await until("two lines", () => readFileSync(file, "utf8").split("\n").length > 2);
    const line = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d) (stdout|stderr) F (out|err)$/;
    expect(
      readFileSync(file, "utf8")
        .split("\n")
        .filter((one) => line.test(one)),
    ).toHaveLength(2);

    renameSync(file, `${file}.1`);
    await cri.reopenLog(id);
    await cri.exec(id, ["sh", "-c", "echo > /tmp/go"], 10_000);
    await until("the new line", () => readFileSync(file, "utf8").includes(" stdout F new"));
    expect(readFileSync(`${file}.1`, "utf8")).not.toContain("new");
  });

  it("tells how a container ended", async () => {
    const cri = runtime();
    const [fine, failed] = await Promise.all([pod(cri, shell("exit 0")), pod(cri, shell("exit 3"))]);
    expect(await ended(cri, fine.id)).toMatchObject({ exitCode: 0, reason: "Completed" });
    const end = await ended(cri, failed.id);
    expect(end).toMatchObject({ exitCode: 3, reason: "Error" });
    expect(end.finishedAt).toBeGreaterThanOrEqual(end.startedAt ?? Number.NaN);
  });

  it("lets a container end by itself when it is stopped, and kills it when it does not", async () => {
    const cri = runtime();
    const ready = async (one: { logs: string }): Promise<void> =>
      until("it is ready", () => readFileSync(join(one.logs, "main/0.log"), "utf8").includes("ready"));
    const polite = await pod(
      cri,
      shell("trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.1; done"),
    );
    const deaf = await pod(cri, shell("trap '' TERM; echo ready; while :; do sleep 0.1; done"));
    await Promise.all([ready(polite), ready(deaf)]);
    await Promise.all([cri.stopContainer(polite.id, 60), cri.stopContainer(deaf.id, 1)]);
    expect(await containerNow(cri, polite.id)).toMatchObject({ state: "exited", exitCode: 7 });
    expect(await containerNow(cri, deaf.id)).toMatchObject({ state: "exited", exitCode: 137 });
    expect(readFileSync(join(polite.logs, "main/0.log"), "utf8")).toContain("bye");
  });

  it("runs commands to their end, or to the end of their time", async () => {
    const cri = runtime();
    const { id } = await pod(cri, shell("sleep 1000"));
    const result = await cri.exec(id, ["sh", "-c", "echo a; echo b >&2; exit 5"], 10_000);
    expect([textOf(result.stdout), textOf(result.stderr), result.exitCode]).toEqual(["a\n", "b\n", 5]);
    const large = await cri.exec(id, ["head", "-c", "3000000", "/dev/zero"], 10_000);
    expect(large.stdout).toHaveLength(3_000_000);
    await expect(cri.exec(id, ["sleep", "100"], 1_000)).rejects.toMatchObject({ code: "E_TIMEOUT" });
    await expect(cri.exec("nobody", ["sleep", "1"], 1_000)).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  });

  it("says what is wrong with an image or a command", async () => {
    const cri = runtime();
    const { sandboxId } = await pod(cri, shell("sleep 1000"));
    expect(await cri.imageId("localhost/missing:1")).toBeUndefined();
    const missing = containerSpec({ name: "missing", image: "localhost/missing:1" });
    await expect(cri.createContainer(sandboxId, missing)).rejects.toMatchObject({
      code: "E_NOT_FOUND",
      message: expect.stringContaining("localhost/missing:1"),
    });
    await expect(cri.pullImage("localhost:1/missing:1")).rejects.toMatchObject({
      code: "E_REFUSED",
      retryable: true,
      message: expect.stringContaining("localhost:1/missing:1"),
    });
    const wrong = containerSpec({ name: "wrong", image: app, command: ["/bin/nothing"] });
    const id = await cri.createContainer(sandboxId, wrong);
    await expect(cri.startContainer(id)).rejects.toMatchObject({
      code: "E_REFUSED",
      message: expect.stringContaining("/bin/nothing"),
    });
    expect(await containerNow(cri, id)).toMatchObject({ state: "exited", exitCode: 128 });
    await expect(cri.createContainer("nobody", wrong)).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  });

  it("lists images, removes them and knows their disk", async () => {
    const cri = runtime();
    await containerd.importImage("localhost/old:1", ["sleep", "1"]);
    await until("the image is known", async () => (await cri.imageId("localhost/old:1")) !== undefined);
    const old = (await cri.images()).find((one) => one.tags.includes("localhost/old:1"));
    expect(old?.id).toBe(await cri.imageId("localhost/old:1"));
    expect(old?.pinned).toBe(false);
    expect((await cri.images()).find((one) => one.tags.includes(pauseImage))?.pinned).toBe(true);
    expect(old?.sizeBytes).toBeGreaterThan(100_000);
    await cri.removeImage(old?.id ?? "");
    await cri.removeImage(old?.id ?? "");
    expect(await cri.imageId("localhost/old:1")).toBeUndefined();
    expect((await cri.imageDisk())?.path).toContain(containerd.directory);
  });

  it("touches no pod of another agent or of a kubelet", async () => {
    const { uid } = await pod(runtime("edge-1"), shell("sleep 1000"));
    expect((await runtime("edge-1").pods()).map((one) => one.uid)).toContain(uid);
    const other = runtime("edge-2");
    expect(await other.pods()).toEqual([]);
    const isPinned = async (cri: CriRuntime): Promise<boolean | undefined> =>
      (await cri.images()).find((one) => one.tags.includes(app))?.pinned;
    expect([await isPinned(runtime("edge-1")), await isPinned(other)]).toEqual([false, true]);
  });

  it("ends what is gone already without complaint", async () => {
    const cri = runtime();
    const { sandboxId, id } = await pod(cri, shell("sleep 1000"));
    for (let time = 0; time < 2; time++) {
      await cri.stopContainer(id, 0);
      await cri.removeContainer(id);
      await cri.stopSandbox(sandboxId);
      await cri.removeSandbox(sandboxId);
    }
    await cri.stopContainer("nobody", 0);
    await cri.stopSandbox("nobody");
    expect((await cri.pods()).map((one) => one.sandboxId)).not.toContain(sandboxId);
  });

  it("finds its pods again after containerd was restarted, and makes containers in them", async () => {
    const cri = runtime();
    const { id, sandboxId } = await pod(cri, shell("sleep 1000"));
    await containerd.stop();
    await expect(cri.pods()).rejects.toMatchObject({ code: "E_NO_MODULE", retryable: true });
    await containerd.start();
    expect(await containerNow(cri, id)).toMatchObject({ state: "running" });
    // As an agent that was restarted as well: it remembers nothing of the sandbox.
    const other = runtime();
    const second = await other.createContainer(
      sandboxId,
      containerSpec({
        name: "second",
        image: app,
        logPath: "second/0.log",
        ...shell("hostname; sleep 1000"),
      }),
    );
    await other.startContainer(second);
    const { logPath } = await containerNow(other, second);
    await until("it logs", () => readFileSync(logPath, "utf8").includes("stdout F web"));
  });

  it("is clear about a runtime that is not there", async () => {
    const absent = runtime("edge-1", "unix:///run/nothing-here.sock");
    await expect(absent.version()).rejects.toMatchObject({
      code: "E_NO_MODULE",
      retryable: true,
      message: expect.stringContaining("unix:///run/nothing-here.sock"),
    });
  });
});
