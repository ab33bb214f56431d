import { describe, expect, it } from "vitest";
import { configMaps, leases, nodes, pods } from "../../controllers/runtime/kinds.ts";
import type { KubeObject } from "../../kubernetes/index.ts";
import { messagesOf, readCapture } from "./capture.ts";
import { Cloud, recordedPod } from "./cloud.ts";
import { apply, exists, ofPods, phaseOf, readyOf, started, withPod } from "./edged-cloud.ts";
import { LeapingClock } from "./leaping-clock.ts";
import { eventually } from "./patience.ts";
import { isForControllers } from "./replay.ts";
import { connect } from "./stock-edge.ts";
import { lines } from "./stock-edgecore.ts";

/** A stock edgecore with edged on, over TLS, against a hub with all its controllers. */

describe.each(lines)("an edgecore of %s", (_name, line) => {
  it("registers, becomes ready and renews its lease", async () => {
    const { cloud, kubelet } = await started(line);
    await kubelet.connect();
    expect(await readyOf(cloud, kubelet.node)).toBe("True");
    const node = await cloud.objects.get(nodes, { name: kubelet.node });
    expect(node.metadata.labels).toMatchObject({ "node-role.kubernetes.io/edge": "" });
    const lease = { namespace: "kube-node-lease", name: kubelet.node };
    const versions = new Set<string | undefined>();
    await eventually(async () => {
      versions.add((await cloud.objects.get(leases, lease)).metadata.resourceVersion);
      return versions.size;
    }).toBeGreaterThan(3);
    expect(kubelet.faults).toEqual([]);
  });

  it("finds its node where another database has registered it", async () => {
    const { cloud, kubelet } = await started(line);
    await kubelet.connect();
    kubelet.cut();
    kubelet.rows.clear();
    await kubelet.connect();
    if (line.readsNodeLocally)
      await eventually(() => kubelet.pushed).toContain(`update null/node/${kubelet.node}`);
    expect(await readyOf(cloud, kubelet.node)).toBe("True");
    expect(kubelet.faults).toEqual([]);
  });

  it("is unknown when it renews its lease no more, and ready when it is back", async () => {
    const clock = new LeapingClock();
    const { cloud, kubelet } = await started(line, { clock });
    await kubelet.connect();
    kubelet.cut();
    await eventually(async () => {
      await clock.leap(10_000);
      return readyOf(cloud, kubelet.node);
    }).toBe("Unknown");
    const taints = async () => (await cloud.objects.get(nodes, { name: kubelet.node })).spec;
    const unreachable = { key: "node.kubernetes.io/unreachable" };
    await eventually(taints).toMatchObject({ taints: [unreachable, unreachable] });
    await kubelet.connect();
    await eventually(() => readyOf(cloud, kubelet.node)).toBe("True");
    await eventually(async () => JSON.stringify(await taints())).not.toContain(unreachable.key);
    expect(kubelet.faults).toEqual([]);
  });

  it("runs a pod with its ConfigMap, Secret and token, reports it, and ends it", async () => {
    const { cloud, kubelet } = await started(line);
    await kubelet.connect();
    await apply(cloud, kubelet.node);
    await eventually(() => phaseOf(cloud, "pb")).toBe("Running");
    expect(await cloud.objects.get(pods, { namespace: "default", name: "pb" })).toMatchObject({
      status: {
        podIP: "10.244.77.6",
        conditions: [{ type: "Initialized" }, { type: "Ready", status: "True" }, {}, {}],
      },
    });
    await cloud.objects.delete(pods, { namespace: "default", name: "pb" });
    await eventually(() => exists(cloud, "pb")).toBe(false);
    await eventually(() => [...kubelet.rows.keys()].filter((key) => key.includes("/pod/"))).toEqual([]);
    const ofPod = kubelet.pushed.filter((one) => one.endsWith("/pod/pb"));
    expect(ofPod.at(0)).toBe("insert default/pod/pb");
    expect(ofPod.at(-1)).toBe("delete default/pod/pb");
    expect(kubelet.tokens.map(claimsIn)).toEqual([
      expect.objectContaining({ sub: "system:serviceaccount:default:default", pod: "pb" }),
    ]);
    expect(kubelet.faults).toEqual([]);
  });
});

describe.each(lines)("what is brought to a node of %s", (_name, line) => {
  it("waits while the link is cut, and comes once", async () => {
    const { cloud, kubelet } = await withPod(line);
    kubelet.cut();
    await cloud.objects.patch(pods, { namespace: "default", name: "pb" }, "merge", {
      metadata: { labels: { a: "b" } },
    });
    const { needed } = recordedPod(kubelet.node);
    const [configMap] = needed.map(([, object]) => object);
    await cloud.objects.update(configMaps, { ...(configMap as KubeObject), data: { other: "words" } });
    await kubelet.connect();
    await eventually(() => kubelet.rows.get("default/configmap/cmb")).toMatchObject({
      data: { other: "words" },
    });
    await eventually(() => ofPods(kubelet)).toEqual(["insert default/pod/pb", "update default/pod/pb"]);
    expect(kubelet.faults).toEqual([]);
  });

  it("is nothing when nothing has changed over restarts of controllers, hub and edgecore", async () => {
    const { cloud, kubelet } = await withPod(line);
    // A node that reads its own Node object hears of its state, too.
    const pushed = () => kubelet.pushed.filter((one) => !one.includes("null/node/"));
    const before = pushed();
    await cloud.stopControllers();
    cloud.startControllers();
    kubelet.cut();
    await cloud.restart();
    await kubelet.connect();
    const marker = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "cmb", namespace: "default" },
      data: {},
    };
    await cloud.objects.update(configMaps, marker);
    await eventually(() => pushed().at(-1)).toBe("update default/configmap/cmb");
    expect(pushed()).toEqual([...before, "update default/configmap/cmb"]);
    expect(await phaseOf(cloud, "pb")).toBe("Running");
    expect(kubelet.faults).toEqual([]);
  });

  it("is what changed while the controllers were away", async () => {
    const { cloud, kubelet } = await withPod(line);
    await cloud.stopControllers();
    await cloud.objects.delete(pods, { namespace: "default", name: "pb" }, { gracePeriodSeconds: 0 });
    cloud.startControllers();
    await eventually(() => ofPods(kubelet).at(-1)).toBe("delete default/pod/pb");
    await eventually(() => kubelet.rows.has("default/pod/pb")).toBe(false);
    expect(kubelet.faults).toEqual([]);
  });

  it("is a new pod in place of an old one of the same name", async () => {
    const { cloud, kubelet, pod } = await withPod(line);
    kubelet.cut();
    await cloud.objects.delete(pods, { namespace: "default", name: "pb" }, { gracePeriodSeconds: 0 });
    const again = await cloud.objects.create(pods, recordedPod(kubelet.node).pod);
    await kubelet.connect();
    await eventually(() => kubelet.rows.get("default/pod/pb")).toMatchObject({
      metadata: { uid: again.metadata.uid },
    });
    await eventually(() => phaseOf(cloud, "pb")).toBe("Running");
    expect(again.metadata.uid).not.toBe(pod.metadata.uid);
    expect(ofPods(kubelet).slice(-2)).toEqual(["delete default/pod/pb", "insert default/pod/pb"]);
  });
});

it("answers the recorded requests with a new node as the recorded cloud did", async () => {
  const cloud = await Cloud.start();
  const link = await connect(await cloud.join("edge-b"));
  const conversation = messagesOf(readCapture("b-join-edged-enabled"));
  const first = conversation.findIndex(({ message }) => message.route.operation === "patch");
  for (const request of conversation.slice(0, first).filter(isForControllers)) {
    const { header, route } = request.message;
    const answer = conversation.find(({ message }) => message.header.parent_msg_id === header.msg_id);
    if (answer === undefined) continue;
    link.sendBytes(request.bytes);
    const ours = await link.next();
    expect(ours.route).toEqual(answer.message.route);
    expect(ours.header.parent_msg_id).toBe(header.msg_id);
    // An API server refuses the owner without a uid that edgecore names before its node is known.
    if (route.operation === "insert" && route.resource?.includes("/lease/")) continue;
    expect(Object.keys(ours.header).sort()).toEqual(Object.keys(answer.message.header).sort());
    expect(shapeOf(ours.content)).toEqual(shapeOf(answer.message.content));
  }
});

/** What an edge tells answers apart by. */
function shapeOf(content: unknown): unknown {
  const { Object: object, Err, ErrStatus, kind } = content as Record<string, Record<string, unknown> | null>;
  const told = (ErrStatus ?? Err?.ErrStatus ?? {}) as Record<string, unknown>;
  const { reason, code, status } = told;
  return {
    keys: ErrStatus || kind ? [] : Object.keys(content as object),
    kind,
    isThere: object !== null,
    reason,
    code,
    status,
  };
}

/** Whose token it is, and of which pod. */
function claimsIn(token: string): unknown {
  const text = Buffer.from(token.split(".")[1] ?? "", "base64url").toString();
  const { sub, "kubernetes.io": bound } = JSON.parse(text) as {
    sub: string;
    "kubernetes.io": { pod: { name: string } };
  };
  return { sub, pod: bound.pod.name };
}
