import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, test } from "vitest";
import { Resume, type ResumeOutcome } from "../../cloudhub/resume.ts";
import type { SaidToHold } from "../../cloudhub/store/hub-store.ts";
import { startControllers } from "../../controllers/index.ts";
import { pods } from "../../controllers/runtime/kinds.ts";
import { systemClock } from "../../platform/clock.ts";
import { silentLogger } from "../../platform/logger.ts";
import {
  BucketDigest,
  bucketsFor,
  digestBytes,
  type HeldVersion,
  type HubError,
  heldParts,
  type ResourceVersion,
} from "../../protocol/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { until } from "../support/processes.ts";
import { startWorld } from "../support/world.ts";

const held = (entries: Readonly<Record<string, string>>): HeldVersion[] =>
  Object.entries(entries).map(([resource, version]) => ({ resource, version: version as ResourceVersion }));
const digestOf = (entries: readonly HeldVersion[], count: number) => {
  const digest = new BucketDigest(count);
  for (const { resource, version } of entries) digest.add(resource, version);
  return digest.buckets;
};

/** The hub's half, which thinks that the node has this. */
function resumeOf(thought: Readonly<Record<string, string>>) {
  const known = held(thought);
  const clock = new FakeClock();
  const asked: Uint8Array[] = [];
  const faults: HubError[] = [];
  const outcomes: ResumeOutcome[] = [];
  const corrections: SaidToHold[] = [];
  const resume = new Resume({
    clock,
    storeId: "this hub",
    known: {
      digest: (count) => Promise.resolve(digestOf(known, count)),
      held: () => Promise.resolve(known),
      correct: (said) => {
        corrections.push(...said);
        return Promise.resolve();
      },
    },
    send: ({ body }) => asked.push(body),
    fault: (error) => faults.push(error),
    ended: (outcome) => outcomes.push(outcome),
  });
  let done = false;
  void resume.done.then(() => (done = true));
  const digest = (entries: Readonly<Record<string, string>>) => {
    const count = bucketsFor(Object.keys(entries).length);
    resume.take({ type: "digest", body: digestBytes(digestOf(held(entries), count)) });
    return count;
  };
  return { resume, clock, asked, faults, outcomes, corrections, digest, isDone: () => done };
}

describe("the hub, before it sends to a node that is back", () => {
  it("asks nothing where both have the same", async () => {
    const w = resumeOf({ a: "1", b: "2" });
    w.resume.greeted(true);
    w.digest({ b: "2", a: "1" });
    await w.clock.advance(0);
    expect([w.asked, w.outcomes, w.isDone(), w.corrections]).toEqual([[], ["same"], true, []]);
  });

  it("takes what a node says in its hello, if it is about this hub", async () => {
    for (const [storeId, outcomes] of [
      ["this hub", ["same"]],
      ["another hub", []],
    ] as const) {
      const w = resumeOf({ a: "1" });
      w.resume.greeted(true, { storeId, digest: digestBytes(digestOf(held({ a: "1" }), 1)) });
      await w.clock.advance(0);
      expect([w.outcomes, w.isDone()]).toEqual([outcomes, outcomes.length > 0]);
      if (outcomes.length === 0) w.digest({ a: "1" });
      await w.clock.advance(0);
      expect([w.outcomes, w.faults]).toEqual([["same"], []]);
    }
  });

  it("goes on without the word of a node that says nonsense in its hello", async () => {
    const w = resumeOf({ a: "1" });
    w.resume.greeted(true, { storeId: "this hub", digest: new Uint8Array(7) });
    await w.clock.advance(0);
    expect([w.outcomes, w.isDone()]).toEqual([["unusable"], true]);
    expect(w.faults.map(({ code }) => code)).toEqual(["E_BAD_MESSAGE"]);
  });

  it("waits for nobody who does not say what he has", async () => {
    const w = resumeOf({ a: "1" });
    w.resume.greeted(false);
    await w.clock.advance(0);
    expect(w.isDone()).toBe(true);
  });

  it("learns what differs: lost, older, newer, unknown", async () => {
    const w = resumeOf({ same: "1", lost: "1", older: "5", newer: "5" });
    w.resume.greeted(true);
    const node = { same: "1", older: "4", newer: "6", unknown: "7" };
    const count = w.digest(node);
    await w.clock.advance(0);
    expect(w.isDone()).toBe(false);
    for (const body of heldParts(held(node), [0], count)) w.resume.take({ type: "held", body });
    await w.clock.advance(0);
    expect(Object.fromEntries(w.corrections)).toEqual({
      older: "4",
      newer: "6",
      unknown: "7",
      lost: undefined,
    });
    expect([w.outcomes, w.isDone()]).toEqual([["different"], true]);
  });

  it("sends what waits all the same to one that falls silent", async () => {
    for (const steps of [0, 1]) {
      const w = resumeOf({ a: "1" });
      w.resume.greeted(true);
      if (steps > 0) w.digest({});
      await w.clock.advance(9_000);
      expect(w.isDone()).toBe(false);
      await w.clock.advance(2_000);
      expect([w.isDone(), w.outcomes]).toEqual([true, ["silent"]]);
    }
  });

  test.each([
    ["a digest of seven bytes", [["digest", new Uint8Array(7)]]],
    ["a digest of a megabyte", [["digest", new Uint8Array(1 << 20)]]],
    [
      "a list that makes no sense",
      [
        ["digest", new Uint8Array(8)],
        ["held", new Uint8Array(50)],
      ],
    ],
  ] as const)("uses nothing of a lie: %s", async (_what, frames) => {
    const w = resumeOf({ a: "1" });
    w.resume.greeted(true);
    for (const [type, body] of frames) {
      w.resume.take({ type, body });
      await w.clock.advance(0);
    }
    expect([w.outcomes, w.isDone(), w.corrections, w.faults.map((one) => one.code)]).toEqual([
      ["unusable"],
      true,
      [],
      ["E_BAD_MESSAGE"],
    ]);
  });

  it("is not held up by parts that say nothing", async () => {
    const w = resumeOf({ a: "1" });
    w.resume.greeted(true);
    w.digest({});
    await w.clock.advance(0);
    w.resume.take({ type: "held", body: new Uint8Array(2) });
    await w.clock.advance(0);
    expect([w.outcomes, w.isDone(), w.faults.map((one) => one.code)]).toEqual([
      ["unusable"],
      true,
      ["E_BAD_MESSAGE"],
    ]);
  });

  it("believes a node only so many resources that nobody has sent to it, over all parts", async () => {
    const w = resumeOf({ a: "1" });
    w.resume.greeted(true);
    const made = held(Object.fromEntries(Array.from({ length: 120_000 }, (_, i) => [`made/up/${i}`, "1"])));
    const count = bucketsFor(made.length);
    w.resume.take({ type: "digest", body: digestBytes(digestOf(made, count)) });
    await w.clock.advance(0);
    const wanted = Array.from({ length: count }, (_, bucket) => bucket);
    for (const body of heldParts(made, wanted, count)) w.resume.take({ type: "held", body });
    await w.clock.advance(0);
    expect(w.outcomes).toEqual(["unusable"]);
    expect(w.corrections.length).toBeLessThanOrEqual(100_001);
  });

  it("follows no word of a link that has ended: the next one says what is so then", async () => {
    const known = held(Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`a/${i}`, "1"])));
    const corrected: number[] = [];
    let goOn = (): void => undefined;
    const resume = new Resume({
      clock: new FakeClock(),
      storeId: "this hub",
      known: {
        digest: (count) => Promise.resolve(digestOf(known, count)),
        held: () => Promise.resolve(known),
        correct: (said) => {
          corrected.push(said.length);
          return new Promise((resolve) => (goOn = resolve));
        },
      },
      send: () => undefined,
      fault: () => undefined,
      ended: () => undefined,
    });
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    resume.greeted(true);
    resume.take({ type: "digest", body: digestBytes(digestOf([], 2)) });
    await turn();
    for (const bucket of [0, 1])
      for (const body of heldParts([], [bucket], 2)) resume.take({ type: "held", body });
    await turn();
    resume.close();
    goOn();
    await turn();
    expect(corrected).toHaveLength(1);
  });

  it("takes no second digest, and no list that it has not asked for", async () => {
    const w = resumeOf({ a: "1" });
    w.resume.greeted(true);
    w.digest({ a: "1" });
    await w.clock.advance(0);
    w.digest({});
    w.resume.take({ type: "held", body: new Uint8Array(10) });
    await w.clock.advance(0);
    expect([w.faults.length, w.corrections, w.asked]).toEqual([2, [], []]);
  });
});

const put = (name: string, version: string) => ({
  node: "edge-1",
  resource: `default/configmap/${name}`,
  operation: "update",
  resourceVersion: version,
  content: { kind: "ConfigMap", data: { version } },
});

/** A copy of a data directory, to be put back later. */
function backupOf(directory: string) {
  const copy = `${directory}.backup`;
  cpSync(directory, copy, { recursive: true });
  onTestFinished(() => rmSync(copy, { recursive: true, force: true }));
  return () => {
    rmSync(directory, { recursive: true });
    cpSync(copy, directory, { recursive: true });
  };
}

describe("a node that comes back", () => {
  it("is not sent what it has though its acks were lost", async () => {
    const world = await startWorld();
    const first = await world.agent("edge-1");
    await until("it is connected", () => first.connected);
    await first.close();
    const published = [];
    for (let i = 0; i < 20; i++) published.push(await world.hub.publish(put(`c${i}`, "1")));
    let hub = await world.stopHub();
    const restore = backupOf(join(world.directory, "hub"));
    await hub.start();
    const agent = await world.agent("edge-1");
    await until("it has all", () => agent.status().resources === 20);
    await Promise.all(published.map((one) => world.hub.acked(one, { timeoutMs: 10_000 })));
    // The hub dies, and forgets the acks.
    hub = await world.stopHub();
    restore();
    const { received } = agent.counters;
    await hub.start();
    await Promise.all(published.map((one) => world.hub.acked(one, { timeoutMs: 20_000 })));
    expect(agent.counters.received - received).toBe(0);
    const [entry] = await world.hub.where({ node: "edge-1", id: (published[7] as { id: string }).id });
    expect(entry).toMatchObject({ state: "persisted", sends: 0 });
  });

  it("with an older store gets again what it has lost, and keeps no more than it should", async () => {
    const world = await startWorld();
    const tell = { drafts: [put("kept", "1"), put("changed", "1"), put("deleted", "1")] };
    const first = await world.agent("edge-1");
    await until("it is connected", () => first.connected);
    for (const draft of tell.drafts) await world.hub.publish(draft, { until: "acked" });
    await first.close();
    const restore = backupOf(join(world.directory, "edge-1"));
    const second = await world.agent("edge-1");
    const later = [put("changed", "2"), put("new", "1"), { ...put("deleted", "2"), operation: "delete" }];
    for (const draft of later) await world.hub.publish(draft, { until: "acked" });
    await second.close();
    restore();

    // A controller that looks, at each "connected", at what the node is to get.
    const wanted = [put("kept", "1"), put("changed", "2"), put("new", "1")];
    const subscription = world.hub.subscribe({ groups: [], presence: true });
    onTestFinished(() => subscription.close());
    void (async () => {
      for await (const { message, ack } of subscription) {
        ack();
        if (message.operation !== "connected") continue;
        const views = new Map(
          (await world.hub.resources({ node: "edge-1" })).map((one) => [one.resource, one]),
        );
        for (const draft of wanted)
          if (views.get(draft.resource)?.accepted !== draft.resourceVersion) await world.hub.publish(draft);
      }
    })();
    const agent = await world.agent("edge-1");
    const now = () => agent.store.meta.list().map(({ key, version }) => [key.split("/")[2], version]);
    await until(
      "it has what it should have",
      () =>
        JSON.stringify(now()) ===
        JSON.stringify([
          ["changed", "2"],
          ["kept", "1"],
          ["new", "1"],
        ]),
    );
    const metrics = await world.hub.metrics();
    expect(metrics).toContain('hub_resources_corrected_total{what="lost"} 2');
    expect(metrics).toContain('hub_resources_corrected_total{what="deleted"} 1');
  });

  it("with its pods lost gets them again from the hub's own controllers", async () => {
    const world = await startWorld();
    const first = await world.agent("edge-1");
    await until("it is connected", () => first.connected);
    await first.close();
    const restore = backupOf(join(world.directory, "edge-1"));
    const second = await world.agent("edge-1");
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "web", namespace: "default" },
      spec: { nodeName: "edge-1", containers: [{ name: "web", image: "web:1" }] },
    };
    const controllers = startControllers(
      { hub: world.hub, objects: world.hub.objects, clock: systemClock, log: silentLogger },
      { enable: ["edge"], clusterCa: world.hub.ca.pem },
    );
    onTestFinished(() => controllers.close());
    await world.hub.objects.create(pods, pod);
    await until("it has the pod", () => second.store.meta.get("default/pod/web") !== undefined);
    await second.close();
    restore();
    const agent = await world.agent("edge-1");
    await until("it has the pod again", () => agent.store.meta.get("default/pod/web") !== undefined);
  });
});
