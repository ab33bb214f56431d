import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { type CriCall, criCalls } from "../../edgehub/edged/cri/calls.ts";
import { temporaryDirectory } from "../support/processes.ts";
import { frame, listen, respond, socketPath } from "./edged/grpc-server.ts";
import { edgehub } from "./inspect-run.ts";

/** `edgehub exec` and `check` at a container runtime that a test plays. */

const labels = {
  "io.kubernetes.pod.uid": "uid-1",
  "io.kubernetes.pod.name": "web",
  "io.kubernetes.pod.namespace": "default",
};

const answers: readonly (readonly [CriCall<never, never>, object])[] = [
  answer(criCalls.version, { version: "v1", runtimeName: "containerd", runtimeVersion: "1.7.2" }),
  answer(criCalls.listPodSandbox, { items: [{ id: "s1", state: "ready", labels }] }),
  answer(criCalls.podSandboxStatus, { status: { state: "ready", network: { ip: "10.0.0.1" } } }),
  answer(criCalls.listContainers, {
    containers: [
      {
        id: "old",
        podSandboxId: "s1",
        metadata: { name: "main", attempt: 0 },
        state: "exited",
        createdAt: 1,
      },
      {
        id: "new",
        podSandboxId: "s1",
        metadata: { name: "main", attempt: 1 },
        state: "running",
        createdAt: 2,
      },
      {
        id: "side",
        podSandboxId: "s1",
        metadata: { name: "side", attempt: 0 },
        state: "exited",
        createdAt: 3,
      },
    ],
  }),
  answer(criCalls.execSync, { stdout: Buffer.from("out\n"), stderr: Buffer.from("err\n"), exitCode: 5 }),
];

function answer<In, Out>(call: CriCall<In, Out>, body: object): readonly [CriCall<never, never>, object] {
  return [call as unknown as CriCall<never, never>, body];
}

/** @returns The command line's end, and what the runtime was asked. */
async function runtime(): Promise<{ argv: string[]; asked: Map<string, unknown> }> {
  const asked = new Map<string, unknown>();
  const path = socketPath();
  await listen(path, (stream, method, request) => {
    const [call, body] = answers.find(([{ path }]) => path === method) ?? [];
    if (call) asked.set(method.slice(method.lastIndexOf("/") + 1), call.request.decode(request));
    if (call && body) {
      const bytes = call.response.encode(body as never);
      return respond(frame(bytes), 1, { "grpc-status": "0" })(stream, method, request);
    }
    const { containerId } = criCalls.containerStatus.request.decode(request) as { containerId: string };
    const status = { id: containerId, state: containerId === "new" ? "running" : "exited", exitCode: 3 };
    const bytes = criCalls.containerStatus.response.encode({ status } as never);
    return respond(frame(bytes), 1, { "grpc-status": "0" })(stream, method, request);
  });
  const { path: directory, remove } = temporaryDirectory();
  onTestFinished(remove);
  writeFileSync(join(directory, "edge.db"), "");
  const endpoint = ["--edged.remoteRuntimeEndpoint", `unix://${path}`];
  return { argv: ["--data-dir", directory, "--node", "edge-1", ...endpoint], asked };
}

it("runs a command in the newest start of a container, and ends as it does", async () => {
  const { argv, asked } = await runtime();
  const ran = await edgehub(["exec", "web", "-c", "main", "--timeout", "9s", ...argv, "--", "ls", "-l"]);
  expect(ran).toEqual({ code: 5, out: "out\n", err: "err\n" });
  expect(asked.get("ExecSync")).toMatchObject({ containerId: "new", cmd: ["ls", "-l"], timeout: 9 });
  expect(JSON.stringify(asked.get("ListContainers"))).toContain("edge-1");
});

it("does not enter a container that has ended", async () => {
  const { argv, asked } = await runtime();
  const { code, err } = await edgehub(["exec", "web", "-c", "side", ...argv, "--", "ls"]);
  expect([code, asked.has("ExecSync")]).toEqual([1, false]);
  expect(err).toMatch(/side does not run, it ended with exit code 3; see edgehub logs web -c side/);
  expect((await edgehub(["exec", "web", ...argv, "--", "ls"])).err).toMatch(/several containers: main, side/);
});

it("is named by check", async () => {
  const { argv } = await runtime();
  const { out } = await edgehub([
    "check",
    "--edged.enable",
    "true",
    "--hub.server",
    "wss://127.0.0.1:1",
    ...argv,
  ]);
  expect(out).toMatch(/^ok +runtime +containerd 1\.7\.2$/m);
});
