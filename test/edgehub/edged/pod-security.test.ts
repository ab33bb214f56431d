import { expect, it } from "vitest";
import type { PodContext, Problems } from "../../../edgehub/edged/environment.ts";
import { isBad, parsePod } from "../../../edgehub/edged/pod.ts";
import { containerSpecOf } from "../../../edgehub/edged/pod-spec.ts";
import type { ContainerSpec } from "../../../edgehub/edged/runtime.ts";
import { podOf } from "./node.ts";

const context: PodContext = {
  find: () => undefined,
  isAwaited: () => false,
  nodeName: "edge-1",
  hostIp: "192.0.2.1",
  podIp: "10.0.0.9",
  allocatable: { cpuMillis: 2_000, memoryBytes: 1_000_000 },
};

/** What a container gets of its own securityContext and its pod's. */
function securityOf(own: object, pod: object): ContainerSpec["security"] & { problems: Problems } {
  const containers = [{ name: "main", image: "app:1", securityContext: own }];
  const parsed = parsePod(podOf("web", { containers, securityContext: pod }));
  if (isBad(parsed)) throw new Error(parsed.problem);
  const [container] = parsed.containers;
  if (container === undefined) throw new Error("no container");
  const problems: Problems = [];
  const parts = { attempt: 0, image: "app:1", mounts: [] };
  return { ...containerSpecOf(parsed, container, parts, context, problems).security, problems };
}

it.each([
  [{}, {}, { nonRoot: false, seccompDefault: false }],
  [{}, { runAsNonRoot: true }, { nonRoot: true }],
  [{ runAsNonRoot: false }, { runAsNonRoot: true }, { nonRoot: false }],
  [{}, { seccompProfile: { type: "RuntimeDefault" } }, { seccompDefault: true }],
  [
    { seccompProfile: { type: "Unconfined" } },
    { seccompProfile: { type: "RuntimeDefault" } },
    { seccompDefault: false },
  ],
])("a container with %j in a pod with %j has %j", (own, pod, expected) => {
  expect(securityOf(own, pod)).toMatchObject({ ...expected, problems: [] });
});

it("refuses a seccomp profile that it cannot apply, instead of running without one", () => {
  const seccompProfile = { type: "Localhost", localhostProfile: "strict.json" };
  expect(securityOf({ seccompProfile }, {}).problems).toEqual([
    "seccomp profiles of the node are not supported",
  ]);
});

it("a container is in the group of its pod's volumes, and in its pod's other groups", () => {
  const pod = { fsGroup: 2_000, supplementalGroups: [3_000, 3_001, "x"] };
  expect(securityOf({}, pod).supplementalGroups).toEqual([2_000, 3_000, 3_001]);
});
