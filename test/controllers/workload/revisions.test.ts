import { expect, it } from "vitest";
import { planRevisions, revisionOf } from "../../../controllers/workload-controller/revisions.ts";
import type { KubeObject } from "../../../kubernetes/index.ts";

const deployment = (image: string, spec: object = {}, cause?: string): KubeObject => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: {
    name: "web",
    namespace: "default",
    uid: "u1",
    ...(cause ? { annotations: { "kubernetes.io/change-cause": cause } } : {}),
  },
  spec: {
    selector: { matchLabels: { app: "web" } },
    template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image }] } },
    ...spec,
  },
});

/** What becomes of the ReplicaSets when a Deployment has these templates, one after the other. */
function history(images: readonly string[], spec: object = {}): KubeObject[] {
  let sets: KubeObject[] = [];
  for (const image of images) {
    const plan = planRevisions(deployment(image, spec), sets, []);
    const gone = new Set(plan.remove.map(({ metadata }) => metadata.name));
    sets = sets.map((set) => {
      const patch = plan.change.find((one) => one.set === set)?.patch as
        | Pick<KubeObject, "metadata">
        | undefined;
      const annotations = { ...set.metadata.annotations, ...patch?.metadata.annotations };
      return { ...set, metadata: { ...set.metadata, annotations } };
    });
    sets = [
      ...sets.filter(({ metadata }) => !gone.has(metadata.name)),
      ...(plan.create ? [plan.create] : []),
    ];
  }
  return sets;
}

const imageOf = (set: KubeObject): string | undefined =>
  /"image":"([^"]*)"/.exec(JSON.stringify(set.spec))?.[1];
const shown = (sets: readonly KubeObject[]): string[] =>
  sets.map((set) => `${revisionOf(set)} ${imageOf(set)}`).sort();

it("numbers templates in their order, and one that comes again anew", () => {
  expect(shown(history(["a", "a", "b"]))).toEqual(["1 a", "2 b"]);
  expect(shown(history(["a", "b", "a"]))).toEqual(["2 b", "3 a"]);
});

it("keeps so many as it is told", () => {
  expect(shown(history(["a", "b", "c", "d"], { revisionHistoryLimit: 1 }))).toEqual(["3 c", "4 d"]);
  expect(shown(history(["a", "b"], { revisionHistoryLimit: 0 }))).toEqual(["2 b"]);
});

it("takes no template of a Deployment that is paused", () => {
  const sets = history(["a"]);
  const plan = planRevisions(deployment("b", { paused: true }), sets, []);
  expect(plan).toMatchObject({ current: 1, create: undefined, change: [], remove: [] });
});

it("says why a template came, and how many pods have it", () => {
  const [set] = history(["a"]) as [KubeObject];
  const hash = set.metadata.labels?.["pod-template-hash"] ?? "";
  const pod: KubeObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web-1", namespace: "default", labels: { "pod-template-hash": hash } },
    status: { phase: "Running" },
  };
  const { change } = planRevisions(deployment("a", {}, "because"), [set], [pod]);
  expect(change).toMatchObject([
    {
      patch: {
        metadata: { annotations: { "kubernetes.io/change-cause": "because" } },
        spec: { replicas: 1 },
      },
      status: { replicas: 1, readyReplicas: 0 },
    },
  ]);
});
