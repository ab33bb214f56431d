import { describe, expect, it } from "vitest";
import {
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  volumeAttachments,
} from "../../controllers/runtime/kinds.ts";
import { EdgeWorld } from "./edge-world.ts";

/** What a node reads of volumes: those of its pods, and what is attached to it. */

async function ask(world: EdgeWorld, resource: string, node = "edge-1") {
  const { id, outcome } = world.hub.says({ node, operation: "query", resource, content: null });
  await world.settle();
  expect(await outcome).toBe("ack");
  return world.hub.answerTo(id);
}

const refused = (kind: string, name: string, why: string) => ({
  content: {
    ErrStatus: {
      reason: "Forbidden",
      code: 403,
      message: `${kind} "${name}" is forbidden: ${why}`,
      details: { kind, name },
    },
  },
});

async function claim(world: EdgeWorld, name: string, namespace = "default"): Promise<void> {
  const metadata = { name, namespace };
  await world.objects.create(persistentVolumeClaims, {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata,
    // A claim may name any volume: that does not bind it.
    spec: { volumeName: "pv-theirs" },
  });
}

async function volume(world: EdgeWorld, name: string, claimRef?: object): Promise<void> {
  const spec = { ...(claimRef === undefined ? {} : { claimRef }), hostPath: { path: "/data" } };
  const object = { apiVersion: "v1", kind: "PersistentVolume", metadata: { name }, spec };
  await world.objects.create(persistentVolumes, object);
}

async function attachment(world: EdgeWorld, name: string, nodeName: string): Promise<void> {
  const spec = { attacher: "disks.example", nodeName, source: { persistentVolumeName: "pv-mine" } };
  await world.objects.create(volumeAttachments, {
    apiVersion: "storage.k8s.io/v1",
    kind: "VolumeAttachment",
    metadata: { name },
    spec,
  });
}

async function podWith(world: EdgeWorld, name: string, node: string, volumes: object[]): Promise<void> {
  const spec = { nodeName: node, containers: [{ name: "main", image: "busybox" }], volumes };
  const metadata = { name, namespace: "default" };
  await world.objects.create(pods, { apiVersion: "v1", kind: "Pod", metadata, spec });
}

const using = (claimName: string) => ({ name: "data", persistentVolumeClaim: { claimName } });

/** `edge-1` has a pod with the claim `mine` and an ephemeral volume, `edge-2` one with `theirs`. */
async function started(): Promise<EdgeWorld> {
  const world = new EdgeWorld();
  await podWith(world, "reader", "edge-1", [using("mine"), { name: "scratch", ephemeral: {} }]);
  await podWith(world, "other", "edge-2", [using("theirs"), { name: "scratch", ephemeral: {} }]);
  for (const name of ["mine", "theirs", "nobodys", "reader-scratch", "other-scratch"])
    await claim(world, name);
  await claim(world, "mine", "elsewhere");
  for (const name of ["mine", "theirs", "nobodys", "reader-scratch"])
    await volume(world, `pv-${name}`, { namespace: "default", name });
  await volume(world, "pv-elsewhere", { namespace: "elsewhere", name: "mine" });
  await volume(world, "pv-free");
  await attachment(world, "att-mine", "edge-1");
  await attachment(world, "att-theirs", "edge-2");
  return await world.start();
}

describe("a node reads", () => {
  it.each([
    ["a claim that its pod uses", "default/persistentvolumeclaim/mine"],
    ["the claim of an ephemeral volume", "default/persistentvolumeclaim/reader-scratch"],
    ["a volume that such a claim is bound to", "null/persistentvolume/pv-mine"],
    ["the volume behind an ephemeral one", "default/persistentvolume/pv-reader-scratch"],
    ["what is attached to it", "null/volumeattachment/att-mine"],
  ])("%s", async (_name, resource) => {
    const world = await started();
    const answer = await ask(world, resource);
    const name = resource.split("/")[2];
    expect(answer?.content).toMatchObject({ metadata: { name } });
    expect(answer?.resourceVersion).toMatch(/^\d+$/);
  });

  it("a claim that its pod uses and nobody has made: there is none", async () => {
    const world = await started();
    await podWith(world, "early", "edge-1", [using("later")]);
    await world.settle();
    expect(await ask(world, "default/persistentvolumeclaim/later")).toMatchObject({
      content: { ErrStatus: { reason: "NotFound" } },
    });
  });
});

describe("a node does not read", () => {
  const unused = "no pod of node edge-1 uses it";
  const unbound = "it is bound to no claim that a pod of node edge-1 uses";
  it.each([
    ["another's claim", "default/persistentvolumeclaim/theirs", unused],
    ["another's ephemeral one", "default/persistentvolumeclaim/other-scratch", unused],
    ["a claim that nobody uses", "default/persistentvolumeclaim/nobodys", unused],
    ["one of that name in another namespace", "elsewhere/persistentvolumeclaim/mine", unused],
    ["a claim that is not there", "default/persistentvolumeclaim/none", unused],
    ["a volume of another's claim, though its own names it", "null/persistentvolume/pv-theirs", unbound],
    ["a volume of another namespace's claim", "null/persistentvolume/pv-elsewhere", unbound],
    ["a volume of no claim", "null/persistentvolume/pv-free", unbound],
    ["a volume that is not there", "null/persistentvolume/pv-none", unbound],
    ["another's attachment", "null/volumeattachment/att-theirs", "it is not that of node edge-1"],
    ["an attachment that is not there", "null/volumeattachment/none", "it is not that of node edge-1"],
  ])("%s", async (_name, resource, why) => {
    const world = await started();
    const [, kind = "", name = ""] = resource.split("/");
    expect(await ask(world, resource)).toMatchObject(refused(`${kind}s`, name, why));
  });

  it("what its pod has used before", async () => {
    const world = await started();
    await world.objects.delete(pods, { namespace: "default", name: "reader" }, { gracePeriodSeconds: 0 });
    await world.settle();
    for (const path of ["default/persistentvolumeclaim/mine", "null/persistentvolume/pv-mine"])
      expect(await ask(world, path)).toMatchObject({ content: { ErrStatus: { reason: "Forbidden" } } });
  });
});

it("says once a minute that a node asks for what it may not, and how often", async () => {
  const world = await started();
  const told = () => world.log.lines.filter(({ event }) => event === "a node asks for what it may not");
  for (const name of ["a", "b", "c"]) await ask(world, `null/volumeattachment/${name}`);
  expect(told()).toMatchObject([{ node: "edge-1", resource: "null/volumeattachment/a" }]);
  await world.clock.advance(61_000);
  await ask(world, "null/volumeattachment/d");
  expect(told()).toMatchObject([{}, { resource: "null/volumeattachment/d", heldBack: 2 }]);
});
