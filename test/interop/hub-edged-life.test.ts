import { describe, expect, it } from "vitest";
import { configMaps, events, leases, nodes, pods } from "../../controllers/runtime/kinds.ts";
import { type Cloud, recordedPod } from "./cloud.ts";
import { apply, exists, ofPods, phaseOf, readyOf, started, withPod } from "./edged-cloud.ts";
import { LeapingClock } from "./leaping-clock.ts";
import { eventually } from "./patience.ts";
import { current, lines } from "./stock-edgecore.ts";

/** A stock edgecore with edged on, whose link is cut, whose acks are late, and which restarts, as the hub does. */

const at = (name: string) => ({ namespace: "default", name });
const pb = at("pb");
const cmb = at("cmb");
const write = (cloud: Cloud, text: string) =>
  cloud.objects.patch(configMaps, cmb, "merge", { data: { k: text } });

describe.each(lines)("an edgecore of %s with a pod", (_name, line) => {
  it("goes on after a restart, with what was written meanwhile, and asks for its token again", async () => {
    const { cloud, kubelet } = await withPod(line);
    kubelet.stop();
    await write(cloud, "meanwhile");
    await kubelet.connect();
    await eventually(() => kubelet.rows.get("default/configmap/cmb")).toMatchObject({
      data: { k: "meanwhile" },
    });
    await eventually(() => kubelet.tokens.length).toBe(2);
    expect(await readyOf(cloud, kubelet.node)).toBe("True");
    expect(await phaseOf(cloud, "pb")).toBe("Running");
    await eventually(() => ofPods(kubelet)).toEqual(["insert default/pod/pb"]);
    expect(kubelet.faults).toEqual([]);
  });

  it("goes on after a restart of the hub, under whose link it was, and after one while it was away", async () => {
    const { cloud, kubelet } = await withPod(line);
    const begin = await cloud.stop();
    await kubelet.ended();
    await begin();
    await kubelet.connect();
    await write(cloud, "after one");
    await eventually(() => kubelet.rows.get("default/configmap/cmb")).toMatchObject({
      data: { k: "after one" },
    });
    kubelet.cut();
    await write(cloud, "while away");
    await cloud.objects.delete(pods, pb);
    await cloud.restart();
    await kubelet.connect();
    await eventually(() => exists(cloud, "pb")).toBe(false);
    await eventually(() => [...kubelet.rows.keys()].filter((key) => key.includes("default/"))).not.toContain(
      "default/pod/pb",
    );
    expect(await readyOf(cloud, kubelet.node)).toBe("True");
    expect(kubelet.faults).toEqual([]);
  });

  it("is given everything again that it has not acked, and runs it once", async () => {
    const clock = new LeapingClock();
    const { cloud, kubelet } = await started(line, { clock, ofHub: true });
    await kubelet.connect();
    kubelet.edge.hold();
    await apply(cloud, kubelet.node);
    await eventually(() => ofPods(kubelet).length).toBe(1);
    await clock.leap(5_500);
    await eventually(() => ofPods(kubelet).length).toBe(2);
    kubelet.edge.release();
    await eventually(() => phaseOf(cloud, "pb")).toBe("Running");
    await eventually(() => cloud.hub.where({ node: kubelet.node, state: "accepted" })).toEqual([]);
    expect(kubelet.tokens).toHaveLength(1);
    expect(kubelet.faults).toEqual([]);
  });

  it("ends a pod that was deleted while it was away", async () => {
    const { cloud, kubelet } = await withPod(line);
    kubelet.cut();
    await cloud.objects.delete(pods, pb);
    expect(await exists(cloud, "pb")).toBe(true);
    await kubelet.connect();
    await eventually(() => exists(cloud, "pb")).toBe(false);
    await eventually(() => kubelet.rows.has("default/pod/pb")).toBe(false);
    expect(kubelet.faults).toEqual([]);
  });

  it("keeps its pods while it is lost, but for those that say how long they may be", async () => {
    const clock = new LeapingClock();
    const { cloud, kubelet } = await started(line, { clock });
    const { pod, needed } = recordedPod(kubelet.node);
    for (const [resource, object] of needed) await cloud.objects.create(resource, object);
    await cloud.objects.create(pods, pod);
    const key = "node.kubernetes.io/unreachable";
    const tolerations = [{ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 30 }];
    const { containers } = pod.spec as { containers: readonly object[] };
    const brief = { nodeName: kubelet.node, containers, tolerations, automountServiceAccountToken: false };
    const spec = { ...brief, containers: containers.map((one) => ({ ...one, volumeMounts: [] })) };
    await cloud.objects.create(pods, { ...pod, metadata: { ...pod.metadata, name: "brief" }, spec });
    await kubelet.connect();
    for (const name of ["pb", "brief"]) await eventually(() => phaseOf(cloud, name)).toBe("Running");
    kubelet.cut();
    const ending = async (name: string): Promise<boolean> =>
      (await cloud.objects.get(pods, { namespace: "default", name })).metadata.deletionTimestamp !==
      undefined;
    await eventually(async () => {
      await clock.leap(10_000);
      return ending("brief");
    }).toBe(true);
    expect(await ending("pb")).toBe(false);
    expect(await readyOf(cloud, kubelet.node)).toBe("Unknown");
    await kubelet.connect();
    await eventually(() => exists(cloud, "brief")).toBe(false);
    expect(await phaseOf(cloud, "pb")).toBe("Running");
    expect(kubelet.faults).toEqual([]);
  });

  it("is cut off when its Node is deleted, registers anew when it is back, and keeps its pods if that is soon", async () => {
    const { cloud, kubelet } = await withPod(line);
    await cloud.objects.delete(nodes, { name: kubelet.node });
    await kubelet.ended();
    await kubelet.connect();
    await eventually(() => readyOf(cloud, kubelet.node)).toBe("True");
    expect(await phaseOf(cloud, "pb")).toBe("Running");
    expect(kubelet.faults).toEqual([]);
  });

  it("loses its Lease and pods with its Node after a while, and ends them when it is back", async () => {
    const clock = new LeapingClock();
    const { cloud, kubelet } = await withPod(line, { clock });
    await cloud.objects.delete(nodes, { name: kubelet.node });
    await kubelet.ended();
    await eventually(async () => {
      await clock.leap(10_000);
      return exists(cloud, "pb");
    }).toBe(false);
    const lease = { namespace: "kube-node-lease", name: kubelet.node };
    await expect(cloud.objects.get(leases, lease)).rejects.toMatchObject({ reason: "NotFound" });
    await kubelet.connect();
    await eventually(() => kubelet.rows.has("default/pod/pb")).toBe(false);
    expect(await readyOf(cloud, kubelet.node)).toBe("True");
  });
});

it("is answered what only later lines ask, and not what they only tell", async () => {
  const { cloud, kubelet } = await started(current);
  await kubelet.connect();
  const { meta } = kubelet.edge;
  expect(await meta.askForCa()).toBe(cloud.hub.ca.pem);
  const involvedObject = { kind: "Pod", apiVersion: "v1", ...pb };
  const times = { firstTimestamp: "2026-11-20T10:00:00Z", lastTimestamp: "2026-11-20T10:00:00Z" };
  const told = { reason: "Started", message: "Started container", type: "Normal", count: 1, ...times };
  const event = { metadata: at("pb.1"), involvedObject, source: { component: "edged" }, ...told };
  meta.tell("insert", "default/event/pb.1", event);
  const patchData = JSON.stringify({ count: 2 });
  meta.tell("patch", "default/event/pb.1", { event, patchData });
  await eventually(() => cloud.objects.get(events, at("pb.1"))).toMatchObject({
    reason: "Started",
    count: 2,
  });
  const request = Buffer.from("no request").toString("base64");
  const csr = {
    apiVersion: "certificates.k8s.io/v1",
    kind: "CertificateSigningRequest",
    metadata: { name: "serving-1" },
    spec: { request, signerName: "kubernetes.io/kubelet-serving", usages: ["server auth"] },
  };
  const place = "default/certificatesigningrequest/serving-1";
  const { content } = await meta.request("insert", place, csr);
  expect(content).toHaveProperty("Err");
  expect(content).toHaveProperty("Object");
  expect(kubelet.faults).toEqual([]);
});
