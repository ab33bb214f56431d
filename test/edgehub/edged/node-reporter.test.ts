import { describe, expect, it } from "vitest";
import { podOf, TestNode } from "./node.ts";

const wrapped = (object: unknown): object => ({ Object: object, Err: null });
const failure = (reason: string): object => ({
  Object: null,
  Err: { ErrStatus: { status: "Failure", reason, message: reason } },
});
const leasePath = "kube-node-lease/lease/edge-1";

/** A cloud that knows how to answer a node. */
function answering(node: TestNode): void {
  node.answers.set("default/node/edge-1", wrapped({ metadata: { name: "edge-1", uid: "n1" } }));
  node.answers.set("default/nodepatch/edge-1", wrapped({ metadata: { name: "edge-1", uid: "n1" } }));
  node.answers.set(
    leasePath,
    wrapped({ metadata: { name: "edge-1", uid: "l1", resourceVersion: "5" }, spec: {} }),
  );
}

const connect = async (node: TestNode): Promise<void> => {
  node.connected = true;
  node.edged.connection(true);
  await node.pass(1_500);
};

describe("a node", () => {
  it("registers itself, tells its status and takes its lease when the link comes up", async () => {
    const node = new TestNode();
    answering(node);
    await node.start();
    expect(node.asked).toEqual([]);
    await connect(node);
    expect(node.asked).toEqual([
      "insert default/node/edge-1",
      "patch default/nodepatch/edge-1",
      `query ${leasePath}`,
      `update ${leasePath}`,
    ]);
  });

  it("renews its lease in a quarter of its life, and tells an unchanged status every five minutes", async () => {
    const node = new TestNode();
    answering(node);
    await node.start();
    await connect(node);
    node.asked.length = 0;
    await node.pass(290_000);
    const count = (what: string): number => node.asked.filter((one) => one === what).length;
    expect(count(`update ${leasePath}`)).toBeGreaterThanOrEqual(28);
    expect(count("patch default/nodepatch/edge-1")).toBe(0);
    await node.pass(20_000);
    expect(count("patch default/nodepatch/edge-1")).toBe(1);
  });

  it("that is known already goes on with the uid the cloud has", async () => {
    const node = new TestNode();
    answering(node);
    node.answers.set("default/node/edge-1", failure("AlreadyExists"));
    await node.start();
    await connect(node);
    expect(node.asked.slice(0, 3)).toEqual([
      "insert default/node/edge-1",
      "query default/node/edge-1",
      "patch default/nodepatch/edge-1",
    ]);
  });

  it("registers itself again when the cloud has lost it", async () => {
    const node = new TestNode();
    answering(node);
    await node.start();
    await connect(node);
    node.answers.set("default/nodepatch/edge-1", failure("NotFound"));
    await node.pass(310_000);
    node.asked.length = 0;
    await node.pass(20_000);
    expect(node.asked).toContain("insert default/node/edge-1");
  });

  it("says that it is not ready while the runtime is down", async () => {
    const node = new TestNode();
    answering(node);
    await node.start();
    await connect(node);
    node.runtime.down = true;
    node.asked.length = 0;
    await node.pass(20_000);
    expect(node.asked).toContain("patch default/nodepatch/edge-1");
    expect(JSON.stringify(node.contents.at(-1))).toContain("EdgeNotReady");
  });

  it("does not call itself not ready while it looks at the runtime for the first time, for ten seconds", async () => {
    const node = new TestNode();
    answering(node);
    const { promise, resolve } = Promise.withResolvers<string>();
    node.runtime.version = () => promise;
    await node.start();
    await connect(node);
    await node.pass(6_000);
    expect(node.asked).toEqual([]);
    resolve("containerd 1.6.20");
    await node.pass(1_000);
    expect(node.asked).toContain("patch default/nodepatch/edge-1");
    expect(JSON.stringify(node.contents)).not.toContain("EdgeNotReady");

    const hung = new TestNode();
    answering(hung);
    hung.runtime.version = () => new Promise(() => {});
    await hung.start();
    await connect(hung);
    await hung.pass(10_000);
    expect(JSON.stringify(hung.contents)).toContain("EdgeNotReady");
  });

  it("whose cloud never answers runs its pods all the same", async () => {
    const node = new TestNode();
    await node.start();
    await connect(node);
    await node.put("default/pod/web", podOf("web"));
    await node.pass(1_000);
    expect((await node.status("web")).phase).toBe("Running");
  });

  it("tells of a shortage as long as it refuses pods for it", async () => {
    const node = new TestNode();
    answering(node);
    await node.start();
    await connect(node);
    const pressure = (): string | undefined => {
      const patch = node.contents.at(-1);
      const { status } = JSON.parse(patch as string) as {
        status: { conditions: { type: string; status: string }[] };
      };
      return status.conditions.find(({ type }) => type === "MemoryPressure")?.status;
    };
    expect(pressure()).toBe("False");
    node.free.memoryBytes = 0;
    await node.pass(25_000);
    expect(pressure()).toBe("True");
    node.free.memoryBytes = 2 ** 30;
    await node.pass(60_000);
    expect(pressure()).toBe("True");
    await node.pass(300_000);
    expect(pressure()).toBe("False");
  });
});
