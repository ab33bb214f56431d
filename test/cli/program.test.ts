import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { configMap, startTestHub, type TestHub } from "./support.ts";

/** The program itself, as a process: what only shows there. */
const program = resolve(import.meta.dirname, "../../cli/main.ts");
let hub: TestHub;

beforeAll(async () => {
  hub = await startTestHub();
  await hub.edge("edge-1");
});
afterAll(() => hub.close());

function start(argv: readonly string[]): ChildProcess {
  const env = { ...process.env, HUBCTL_CONFIG: hub.config, NO_COLOR: "" };
  return spawn(process.execPath, [program, ...argv], { env });
}

async function ended(child: ChildProcess): Promise<{ code: number; err: string }> {
  const err = text(child.stderr as NodeJS.ReadableStream);
  const [code] = (await once(child, "exit")) as [number];
  return { code, err: await err };
}

describe("hubctl as a process", () => {
  it("reads standard input, prints the result and ends with 0", async () => {
    const child = start(["publish", "-f", "-", "--node", "edge-1", "--until", "acked", "-o", "json"]);
    child.stdin?.end(configMap("from-stdin"));
    const [out, { code, err }] = await Promise.all([
      text(child.stdout as NodeJS.ReadableStream),
      ended(child),
    ]);
    expect([code, err]).toEqual([0, ""]);
    expect(JSON.parse(out)).toMatchObject([{ resource: "default/configmap/from-stdin", state: "acked" }]);
  });

  it("ends with the code of what went wrong", async () => {
    expect(await ended(start(["get", "ghost"]))).toEqual({
      code: 3,
      err: expect.stringMatching(/^hubctl: E_UNKNOWN_NODE: /),
    });
  });

  it("ends without a word when nobody reads its output any more", async () => {
    const child = start(["nodes", "list", "-w", "-o", "json"]);
    await once(child.stdout as NodeJS.ReadableStream, "data");
    child.stdout?.destroy();
    // A node that comes is the next thing it wants to tell.
    await hub.hub.admin.addNode("edge-2");
    expect(await ended(child)).toEqual({ code: 141, err: "" });
  });

  it("ends with 130 on Ctrl-C", async () => {
    const child = start(["nodes", "list", "-w"]);
    await once(child.stdout as NodeJS.ReadableStream, "data");
    child.kill("SIGINT");
    expect(await ended(child)).toEqual({ code: 130, err: "" });
  });

  it("keeps what was accepted, and says so, when it is interrupted while it waits for acks", async () => {
    await hub.hub.admin.addNode("edge-3");
    const child = start([
      "publish",
      "-f",
      hub.file("w.yaml", configMap("w")),
      "--node",
      "edge-3",
      "--until",
      "acked",
    ]);
    const out = text(child.stdout as NodeJS.ReadableStream);
    await expect.poll(async () => (await hub.hub.resources({ node: "edge-3" })).length).toBe(1);
    child.kill("SIGINT");
    expect((await ended(child)).code).toBe(130);
    expect(await out).toMatch(/edge-3 +default\/configmap\/w +\d+ +accepted, then E_ABORTED\n/);
  });

  it("tells its version", async () => {
    const child = start(["--version"]);
    expect(await text(child.stdout as NodeJS.ReadableStream)).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("the edge agent's own view", () => {
  const agent = resolve(import.meta.dirname, "../../edgehub/main.ts");
  const edgehub = (argv: readonly string[]) => spawn(process.execPath, [agent, ...argv]);

  it("reads the database while the agent runs", async () => {
    const child = edgehub(["get", "configmaps", "--data-dir", join(hub.directory, "edge-1"), "-o", "json"]);
    const [out, { code }] = await Promise.all([text(child.stdout as NodeJS.ReadableStream), ended(child)]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject([
      { resource: "default/configmap/from-stdin", type: "configmap", content: { data: { a: "1" } } },
    ]);
  });
});
