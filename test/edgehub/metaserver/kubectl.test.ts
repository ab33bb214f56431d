import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { contentOf, createMessage, type Message, state, volatile } from "../../../protocol/index.ts";
import { temporaryDirectory } from "../../support/processes.ts";
import { configMap, fromCloud, putConfigMap, startServer } from "./support.ts";

const hasKubectl = spawnSync("kubectl", ["version", "--client"]).status === 0;
const run = promisify(execFile);

/** A cloud that approves every write, and knows of no object. */
async function approving(question: Message): Promise<Message> {
  const application = contentOf(question) as { Verb: string; ReqBody: string | null };
  const isRead = ["get", "list", "watch"].includes(application.Verb);
  const ErrStatus = { status: "Failure", reason: "NotFound", code: 404, message: "no" };
  const outcome = isRead
    ? { Status: "Rejected", Error: { ErrStatus } }
    : { Status: "Approved", RespBody: application.ReqBody };
  return createMessage(
    {
      node: "edge-1",
      operation: "applicationResponse",
      resource: "ignore/Application/ignore",
      parentId: question.id,
      content: { ...application, ...outcome },
    },
    { id: crypto.randomUUID(), timestamp: 0, delivery: () => volatile },
  );
}

describe.skipIf(!hasKubectl)("kubectl", () => {
  async function withKubectl() {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const started = await startServer();
    const at = [`--server=http://127.0.0.1:${started.server.port}`, `--cache-dir=${join(path, "cache")}`];
    const kubectl = async (...words: string[]): Promise<string> => {
      const { stdout } = await run("kubectl", [...at, ...words], {
        env: { ...process.env, KUBECONFIG: "/dev/null" },
      });
      return stdout;
    };
    return { ...started, directory: path, kubectl };
  }

  it("shows objects of this node", async () => {
    const { agent, kubectl } = await withKubectl();
    await putConfigMap(agent, "limits", 1, { labels: { app: "x" } });
    const content = { spec: { containers: [{ name: "c" }] }, status: { phase: "Running" } };
    await fromCloud(agent, { resource: "default/pod/web", content });
    expect(await kubectl("get", "cm", "-l", "app=x")).toMatch(/NAME +DATA +AGE\nlimits +1 +<unknown>\n/);
    expect(JSON.parse(await kubectl("get", "cm", "limits", "-o", "json"))).toEqual(
      configMap("limits", 1, { labels: { app: "x" } }),
    );
    expect(await kubectl("get", "all", "-A")).toMatch(/default +pod\/web +0\/1 +Running/);
    expect(await kubectl("wait", "--for=jsonpath={.status.phase}=Running", "pod/web")).toMatch(
      /condition met/,
    );
    expect(await kubectl("describe", "pod", "web")).toMatch(/Status: +Running/);
  });

  it("shows how pods are, and what they have written", async () => {
    const { agent, logs, kubectl } = await withKubectl();
    const metadata = { name: "web", namespace: "default", uid: "u1" };
    const spec = { nodeName: "edge-1", containers: [{ name: "main" }] };
    await fromCloud(agent, { resource: "default/pod/web", content: { metadata, spec } });
    const containerStatuses = [{ name: "main", ready: true, restartCount: 3, state: { running: {} } }];
    const status = { phase: "Running", podIP: "192.0.2.7", containerStatuses };
    const content = JSON.stringify({ metadata: { uid: "u1" }, status });
    await agent.publish({ operation: "patch", resource: "default/podpatch/web", content, delivery: state });
    const row = /web +1\/1 +Running +3 +<unknown> +192\.0\.2\.7 +edge-1/;
    expect(await kubectl("get", "pods", "-o", "wide")).toMatch(row);
    const folder = join(logs, "default_web_u1", "main");
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, "0.log"),
      "2026-01-01T00:00:00Z stdout F one\n2026-01-01T00:00:01Z stderr F two\n",
    );
    expect(await kubectl("logs", "web")).toBe("one\ntwo\n");
    expect(await kubectl("logs", "web", "--tail=1")).toBe("two\n");
  });

  it("writes through the cloud", async () => {
    const { agent, directory, kubectl } = await withKubectl();
    agent.connected = true;
    agent.cloud = approving;
    const file = join(directory, "new.json");
    writeFileSync(file, JSON.stringify(configMap("new", 1)));
    expect(await kubectl("create", "-f", file)).toBe("configmap/new created\n");
    expect(await kubectl("delete", "cm", "new", "--wait=false")).toMatch(/deleted/);
  });

  it("is told why something cannot be done", async () => {
    const { kubectl } = await withKubectl();
    await expect(kubectl("delete", "cm", "any")).rejects.toThrow(
      /ServiceUnavailable.*not connected to the cloud/,
    );
    await expect(kubectl("get", "cm", "nope")).rejects.toThrow(/NotFound.*configmaps "nope" not found/);
  });
});
