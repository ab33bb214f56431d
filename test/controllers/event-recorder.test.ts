import { expect, it, onTestFinished } from "vitest";
import { startControllers } from "../../controllers/index.ts";
import { EventRecorder } from "../../controllers/runtime/event-recorder.ts";
import { deployments, events, nodes, pods } from "../../controllers/runtime/kinds.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FakeObjects } from "../support/fake-objects.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { FakeHub } from "./fake-hub.ts";

function world() {
  const clock = new FakeClock();
  const objects = new FakeObjects(() => clock.wallTime());
  const log = recordingLogger();
  const told = async (): Promise<string[]> =>
    (await objects.list(events)).items.map(
      ({ type, reason, message, count }) => `${type} ${reason}: ${message} x${count}`,
    );
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 60; i++) await clock.advance(0);
  };
  return { clock, objects, log, told, settle };
}

it("writes one event for all times that the same is found, and counts them once a minute", async () => {
  const { clock, objects, log, told, settle } = world();
  const recorder = new EventRecorder({ objects, clock, log }, "tester");
  const node = { apiVersion: "v1", kind: "Node", metadata: { name: "edge-1", uid: "u1" } };
  recorder.warn(node, "TooHot", "the node is hot");
  recorder.warn(node, "TooHot", "the node is hot");
  recorder.normal(node, "Cooled", "the node is cool");
  await settle();
  await clock.advance(61_000);
  recorder.warn(node, "TooHot", "the node is hot");
  await settle();
  expect(await told()).toEqual(["Warning TooHot: the node is hot x2", "Normal Cooled: the node is cool x1"]);
  expect(log.lines.map(({ event }) => event)).toEqual(["the node is hot", "the node is hot"]);
});

it("tells what becomes of Deployments, pods and nodes", async () => {
  const { clock, objects, log, told, settle } = world();
  const hub = new FakeHub(["edge-1"]);
  const parts = { hub: hub.api, objects, clock, log };
  const controllers = startControllers(parts, { enable: ["edge", "workload"] });
  onTestFinished(() => controllers.close());
  const node = { apiVersion: "v1", kind: "Node", metadata: { name: "edge-1" }, spec: {} };
  await objects.create(nodes, node);
  await settle();
  const ready = (status: string) =>
    objects.patch(
      nodes,
      { name: "edge-1" },
      "strategic",
      { status: { conditions: [{ type: "Ready", status }] } },
      { subresource: "status" },
    );
  await ready("True");
  await settle();
  const template = {
    metadata: { labels: { app: "web" } },
    spec: { containers: [{ name: "web", image: "w" }] },
  };
  await objects.create(deployments, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "default" },
    spec: { replicas: 1, selector: { matchLabels: { app: "web" } }, template },
  });
  await settle();
  const [pod] = (await objects.list(pods)).items;
  expect(await told()).toEqual(
    expect.arrayContaining([
      "Normal NodeReady: Node edge-1 status is now: NodeReady x1",
      expect.stringMatching(/^Normal ScalingReplicaSet: Scaled up by 1, to pods of template \w{10} x1$/),
      `Normal Scheduled: Successfully assigned default/${pod?.metadata.name} to edge-1 x1`,
    ]),
  );
  await ready("False");
  await settle();
  expect(await told()).toContain("Warning NodeNotReady: Node edge-1 status is now: NodeNotReady x1");
});
