import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { mountMemory, unmountBelow } from "../../../edgehub/edged/memory-disk.ts";
import { podOf, TestNode } from "./node.ts";

it("a pod whose files find no room says so, and starts once there is some; others run on", async ({
  skip,
}) => {
  const node = new TestNode();
  const pods = join(node.directory, "pods");
  mkdirSync(pods);
  if (mountMemory(pods, 256 << 10) !== undefined) skip("no right to mount");
  onTestFinished(() => unmountBelow(node.directory));
  await node.start();
  await node.put("default/pod/first", podOf("first"));
  await node.pass(1_000);
  const filler = join(pods, "filler");
  expect(() => writeFileSync(filler, Buffer.alloc(1 << 20))).toThrow("ENOSPC");
  await node.put("default/configmap/cm", { metadata: { name: "cm" }, data: { a: "x".repeat(10_000) } });
  const main = { name: "more", image: "app:1", volumeMounts: [{ name: "v", mountPath: "/v" }] };
  await node.put(
    "default/pod/web",
    podOf("web", { containers: [main], volumes: [{ name: "v", configMap: { name: "cm" } }] }),
  );
  await node.pass(2_000);
  const { waiting } = (await node.status("web")).containerStatuses[0]?.state ?? {};
  expect(waiting).toMatchObject({ reason: "CreateContainerConfigError" });
  expect(waiting?.message).toContain("no room to write");
  expect((await node.status("first")).phase).toBe("Running");
  rmSync(filler);
  await node.pass(2_000);
  expect((await node.status("web")).phase).toBe("Running");
});
