import { describe, expect, it } from "vitest";
import { podOf, TestNode } from "./node.ts";

/** What the cloud makes of a pod's status, and when it is told again. */

const refusal = (reason: string): object => ({
  Object: null,
  Err: { ErrStatus: { status: "Failure", reason, message: reason } },
});

/** Id of the message that tells the newest status. */
async function toldBy(node: TestNode): Promise<string | undefined> {
  return (await node.upstream()).findLast(({ resource }) => resource.path === "default/podpatch/web")?.id;
}

function link(node: TestNode, connected: boolean): void {
  node.connected = connected;
  node.edged.connection(connected);
}

async function runningPod(answer: object | undefined, isKubeEdge = true): Promise<TestNode> {
  const node = new TestNode();
  node.isKubeEdge = isKubeEdge;
  if (answer) node.answers.set("default/podpatch/web", answer);
  await node.start();
  link(node, true);
  await node.put("default/pod/web", podOf("web"));
  await node.pass(2_000);
  expect((await node.status("web")).phase).toBe("Running");
  return node;
}

describe("a pod's status", () => {
  it("that the cloud refuses is told again after ten seconds until it is taken, and logged once", async () => {
    const node = await runningPod(refusal("InternalError"));
    const ids = new Set([await toldBy(node)]);
    for (let i = 0; i < 3; i++) {
      await node.pass(11_000);
      ids.add(await toldBy(node));
    }
    expect(ids.size).toBe(4);
    const complaints = node.logged.filter(({ event }) => event.includes("has not taken the status"));
    expect(complaints).toEqual([expect.objectContaining({ pod: "web", reason: "InternalError" })]);
    node.answers.set("default/podpatch/web", { Object: { metadata: { name: "web" } }, Err: null });
    await node.pass(11_000);
    const taken = await toldBy(node);
    await node.pass(60_000);
    expect(await toldBy(node)).toBe(taken);
  });

  it.each(["NotFound", "Conflict"])(
    "is not told again to a cloud that answers %s: the pod is gone",
    async (reason) => {
      const node = await runningPod(refusal(reason));
      const told = await toldBy(node);
      await node.pass(60_000);
      expect(await toldBy(node)).toBe(told);
    },
  );

  it("is told again when a KubeEdge cloud is back, for it acks nothing", async () => {
    const node = await runningPod({ Object: {}, Err: null });
    const told = await toldBy(node);
    link(node, false);
    await node.pass(5_000);
    expect(await toldBy(node)).toBe(told);
    link(node, true);
    await node.pass(2_000);
    expect(await toldBy(node)).not.toBe(told);
  });

  it("is told again of a pod that has ended and is forgotten by the runtime", async () => {
    const node = await runningPod({ Object: {}, Err: null });
    await node.put("default/pod/web", podOf("web", { activeDeadlineSeconds: 1 }));
    await node.until("it has failed", () => node.edged.pods()[0]?.status?.phase === "Failed");
    await node.pass(5_000);
    const told = await toldBy(node);
    link(node, false);
    link(node, true);
    await node.pass(2_000);
    expect(await toldBy(node)).not.toBe(told);
    expect((await node.status("web")).phase).toBe("Failed");
  });

  it("is not told again to a hub that acks, whatever becomes of the link", async () => {
    const node = await runningPod(undefined, false);
    const told = await toldBy(node);
    link(node, false);
    link(node, true);
    await node.pass(5_000);
    expect(await toldBy(node)).toBe(told);
  });
});
