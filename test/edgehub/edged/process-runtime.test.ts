import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ProcessRuntime } from "../../../edgehub/edged/process-runtime.ts";
import type { ContainerSpec, RuntimeContainer, SandboxSpec } from "../../../edgehub/edged/runtime.ts";
import { systemClock } from "../../../platform/clock.ts";
import { silentLogger } from "../../../platform/logger.ts";
import { containerSpec, sandbox } from "../../support/pod-specs.ts";
import { temporaryDirectory, until } from "../../support/processes.ts";

/** A runtime on a directory of its own, and agents after it on the same one. */
function machine() {
  const { path, remove } = temporaryDirectory();
  const open = () => new ProcessRuntime({ clock: systemClock, log: silentLogger }, join(path, "process"));
  const made = { path, runtime: open(), restart: async () => {} };
  made.restart = async () => {
    await made.runtime.close();
    made.runtime = open();
  };
  onTestFinished(async () => {
    for (const { sandboxId } of await made.runtime.pods()) await made.runtime.removeSandbox(sandboxId);
    await made.runtime.close();
    remove();
  });
  return made;
}

function sandboxOf(path: string): SandboxSpec {
  return sandbox({ uid: "u1", logDirectory: join(path, "logs") });
}

function specOf(command: readonly string[], more: Partial<ContainerSpec> = {}): ContainerSpec {
  return containerSpec({ image: "any", command, ...more });
}

type Machine = ReturnType<typeof machine>;

async function run(m: Machine, spec: ContainerSpec): Promise<string> {
  const sandbox = await m.runtime.runSandbox(sandboxOf(m.path));
  const id = await m.runtime.createContainer(sandbox, spec);
  await m.runtime.startContainer(id);
  return id;
}

async function stateOf({ runtime }: Machine, id: string): Promise<RuntimeContainer> {
  const all = (await runtime.pods()).flatMap((pod) => pod.containers);
  const found = all.find((container) => container.id === id);
  if (found === undefined) throw new Error("no such container");
  return found;
}

const hasEnded = async (m: Machine, id: string): Promise<boolean> =>
  (await stateOf(m, id)).state === "exited";
const logOf = ({ path }: Machine): string => {
  const file = join(path, "logs/main/0.log");
  return existsSync(file) ? readFileSync(file, "utf8") : "";
};
const sh = (script: string): string[] => ["/bin/sh", "-c", script];

describe("plain processes", () => {
  it("run with their environment, and their output is in the log in CRI's format", async () => {
    const m = machine();
    const id = await run(
      m,
      specOf(sh('echo "to $WHOM"; echo wrong >&2; printf unfinished; exit 3'), { env: { WHOM: "you" } }),
    );
    await until("it has ended", () => hasEnded(m, id));
    expect(await stateOf(m, id)).toMatchObject({ state: "exited", exitCode: 3, reason: "Error" });
    await until("its log is there", () => logOf(m).includes("unfinished"));
    const lines = logOf(m).trimEnd().split("\n");
    for (const line of lines)
      expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) [FP] /);
    expect(lines.map((line) => line.slice(31)).sort()).toEqual([
      "stderr F wrong",
      "stdout F to you",
      "stdout F unfinished",
    ]);
  });

  it("run on while no agent is there, and are found again with what they wrote", async () => {
    const m = machine();
    const gate = join(m.path, "gate");
    const id = await run(
      m,
      specOf(sh(`echo before; while [ ! -e ${gate} ]; do sleep 0.05; done; echo after; exec sleep 60`)),
    );
    await until("it writes", () => logOf(m).includes("before"));
    const { startedAt } = await stateOf(m, id);
    await m.restart();
    expect(await stateOf(m, id)).toMatchObject({ state: "running", startedAt });
    writeFileSync(gate, "");
    await until("it writes again", () => logOf(m).includes("after"));
    expect(logOf(m).match(/before/g)).toHaveLength(1);
    await m.runtime.stopContainer(id, 5);
    expect(await stateOf(m, id)).toMatchObject({ state: "exited", exitCode: 143 });
  });

  it("that ended while no agent was there have their exit codes", async () => {
    const m = machine();
    const gate = join(m.path, "gate");
    const id = await run(m, specOf(sh(`while [ ! -e ${gate} ]; do sleep 0.05; done; echo bye; exit 7`)));
    await until("it runs", async () => (await stateOf(m, id)).state === "running");
    await m.runtime.close();
    writeFileSync(gate, "");
    await m.restart();
    await until("it has ended", () => hasEnded(m, id));
    expect(await stateOf(m, id)).toMatchObject({ exitCode: 7 });
    await until("its last words are there", () => logOf(m).includes("bye"));
  });

  it("that ignore SIGTERM are killed with all they have started", async () => {
    const m = machine();
    const pid = join(m.path, "pid");
    const id = await run(
      m,
      specOf(sh(`trap '' TERM; sleep 60 & echo $! > ${pid}; echo up; while :; do sleep 1; done`)),
    );
    await until("it is up", () => logOf(m).includes("up"));
    await m.runtime.stopContainer(id, 1);
    expect(await stateOf(m, id)).toMatchObject({ exitCode: 137 });
    const child = Number(readFileSync(pid, "utf8"));
    await until("its child is gone", () => !isRunning(child));
  });

  it("leave nothing behind in their group when they end by themselves", async () => {
    const m = machine();
    const pid = join(m.path, "pid");
    const id = await run(m, specOf(sh(`sleep 60 & echo $! > ${pid}; exit 0`)));
    await until("it has ended", () => hasEnded(m, id));
    const child = Number(readFileSync(pid, "utf8"));
    await until("its child is gone", () => !isRunning(child));
  });

  it("find their volumes below EDGEHUB_ROOT, also a program that lies in one", async () => {
    const m = machine();
    const script = join(m.path, "hello.sh");
    writeFileSync(script, '#!/bin/sh\ncat "$EDGEHUB_ROOT/etc/app/greeting"\n', { mode: 0o755 });
    writeFileSync(join(m.path, "greeting"), "good day\n");
    const mounts = [
      { hostPath: script, containerPath: "/opt/hello.sh", readOnly: true },
      { hostPath: join(m.path, "greeting"), containerPath: "/etc/app/greeting", readOnly: true },
    ];
    await run(m, specOf(["/opt/hello.sh"], { mounts }));
    await until("it greets", () => logOf(m).includes("good day"));
  });

  it("can be joined by another command, which has a time limit", async () => {
    const m = machine();
    const id = await run(m, specOf(["sleep", "60"], { env: { A: "1" } }));
    const result = await m.runtime.exec(id, sh("echo $A; exit 4"), 5_000);
    expect({ code: result.exitCode, text: Buffer.from(result.stdout).toString() }).toEqual({
      code: 4,
      text: "1\n",
    });
    await expect(m.runtime.exec(id, ["sleep", "60"], 100)).rejects.toMatchObject({ code: "E_TIMEOUT" });
  });

  it.each([
    ["a program that is not there", specOf(["/no/such/program"]), "not found"],
    ["no command at all", specOf([]), "no command"],
  ])("refuse %s", async (_what, spec, text) => {
    const m = machine();
    await expect(run(m, spec)).rejects.toMatchObject({
      code: "E_REFUSED",
      message: expect.stringContaining(text),
    });
  });

  it("refuse a mount inside another one, which would be written into that volume", async () => {
    const m = machine();
    const mounts = ["/data", "/data/inner"].map((containerPath) => ({
      hostPath: m.path,
      containerPath,
      readOnly: false,
    }));
    await expect(run(m, specOf(["true"], { mounts }))).rejects.toMatchObject({ code: "E_REFUSED" });
    expect(existsSync(join(m.path, "inner"))).toBe(false);
  });

  it("refuse to run as another user", async () => {
    const m = machine();
    const other = (process.getuid?.() ?? 0) + 1;
    const security = { ...specOf([]).security, runAsUser: other };
    await expect(run(m, specOf(["true"], { security }))).rejects.toMatchObject({ code: "E_REFUSED" });
  });

  it("belong to a sandbox that does not outlive the machine's restart", async () => {
    const m = machine();
    const id = await m.runtime.runSandbox(sandboxOf(m.path));
    const file = join(m.path, "process", id, "sandbox.json");
    writeFileSync(file, readFileSync(file, "utf8").replace(/"bootId":"[^"]*"/, '"bootId":"another"'));
    await m.restart();
    expect(await m.runtime.pods()).toMatchObject([{ sandboxId: id, ready: false }]);
  });
});

function isRunning(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}
