import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { ProcessRuntime } from "../../edgehub/edged/process-runtime.ts";
import type { KubeObject } from "../../kubernetes/index.ts";
import { systemClock } from "../../platform/clock.ts";
import { silentLogger } from "../../platform/logger.ts";
import { temporaryDirectory, until } from "../support/processes.ts";
import { messagesOf, readCapture } from "./capture.ts";
import { RecordedController } from "./recorded-controller.ts";
import { agentForTest } from "./test-agent.ts";

/** Our agent, with pods, at a stock cloudcore with its EdgeController. */

const conversation = messagesOf(readCapture("b-pod-lifecycle-edged"), "cloud");

function recorded(resource: string): KubeObject {
  const found = conversation.find(({ message }) => message.route.resource === resource);
  return found?.message.content as KubeObject;
}

/** The recorded pod, with a command in place of its image's. */
function pod(): KubeObject {
  const whole = recorded("default/pod/pb");
  const spec = whole.spec as { containers: object[] };
  const command = ["/bin/sh", "-c", "while :; do sleep 1; done"];
  const containers = spec.containers.map((one) => ({ ...one, command }));
  return { ...whole, spec: { ...spec, nodeName: "edge-a", containers, terminationGracePeriodSeconds: 1 } };
}

it("registers, renews its lease, runs the recorded pod and ends it", async () => {
  const { path, remove } = temporaryDirectory();
  onTestFinished(async () => {
    const runtime = new ProcessRuntime({ clock: systemClock, log: silentLogger }, join(path, "process"));
    for (const { sandboxId } of await runtime.pods()) await runtime.removeSandbox(sandboxId);
    await runtime.close();
    remove();
  });
  const edged = { enable: true, runtime: "process", rootDirectory: path, syncMs: 50 } as const;
  const { cloud } = await agentForTest({ edge: { edged }, parts: { clock: systemClock } });
  const needed = ["secret/sb", "configmap/cmb", "configmap/kube-root-ca.crt", "serviceaccounttoken/default"];
  const objects = new Map(needed.map((one) => [`default/${one}`, recorded(`default/${one}`)]));
  const controller = new RecordedController(await cloud.nextLink(), objects);

  await until("it has a lease", () => controller.lease?.metadata.name === "edge-a");
  const { conditions } = (controller.node?.status ?? {}) as { conditions?: object[] };
  expect(conditions).toContainEqual(expect.objectContaining({ type: "Ready", status: "True" }));
  const owner = { apiVersion: "v1", kind: "Node", name: "edge-a", uid: controller.node?.metadata.uid };
  expect(controller.lease?.metadata.ownerReferences).toEqual([owner]);

  controller.push("insert", "default/pod/pb", pod());
  await until("the pod runs", () => controller.podStatuses.get("pb")?.phase === "Running");
  expect(controller.acked).toContain("insert default/pod/pb");
  expect(controller.asked).toEqual(expect.arrayContaining(needed.map((one) => `query default/${one}`)));

  const ending = { deletionTimestamp: "2026-11-20T10:12:21Z", deletionGracePeriodSeconds: 1 };
  const whole = pod();
  controller.push("update", "default/pod/pb", { ...whole, metadata: { ...whole.metadata, ...ending } });
  await until("the pod has ended", () => controller.asked.includes("delete default/pod/pb"));
  controller.push("delete", "default/pod/pb", whole);
  await until("its deletion is acked", () => controller.acked.includes("delete default/pod/pb"));
  expect(controller.faults).toEqual([]);
});
