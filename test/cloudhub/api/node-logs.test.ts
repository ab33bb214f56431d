import { describe, expect, it } from "vitest";
import { NodeLogs, type NodeLogsParts } from "../../../cloudhub/api/node-logs.ts";
import type { PodLogOptions } from "../../../cloudhub/api/pod-logs.ts";
import type { KubeObject } from "../../../kubernetes/index.ts";
import {
  createMessage,
  HubError,
  type Message,
  type PodLogQuery,
  type PublishDraft,
  volatile,
} from "../../../protocol/index.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const running = { phase: "Running", containerStatuses: [{ name: "main", state: { running: {} } }] };
const pod = (status: unknown = running, uid = "u1"): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web", namespace: "shop", uid },
  spec: { nodeName: "edge-1", containers: [{ name: "main" }] },
  status,
});
const options = (given: Partial<PodLogOptions> = {}): PodLogOptions => ({
  container: "main",
  follow: false,
  previous: false,
  timestamps: false,
  ...given,
});

type Answer = { text: string; position: string; ended?: boolean } | { code: string; text: string } | HubError;

/** A node that gives these answers, one after the other. */
function world(answers: readonly Answer[], given: Partial<NodeLogsParts> = {}) {
  const asked: PodLogQuery[] = [];
  const clock = new FakeClock();
  let now: KubeObject | undefined = pod();
  const request = async (draft: PublishDraft): Promise<Message> => {
    const answer = answers[asked.length];
    asked.push(draft.content as PodLogQuery);
    if (answer === undefined) throw new Error("it asked too often");
    if (answer instanceof HubError) throw answer;
    const isError = "code" in answer;
    const content = isError ? answer : { ...answer, bytes: Buffer.from(answer.text).toString("base64") };
    return createMessage(
      { node: "edge-1", operation: isError ? "error" : "response", resource: "shop/podlogs/web", content },
      { id: crypto.randomUUID(), timestamp: 0, delivery: () => volatile },
    );
  };
  const logs = new NodeLogs({
    hub: { request },
    dialectOf: () => "native",
    podNow: () => now,
    clock,
    ...given,
  });
  const signal = new AbortController();
  return {
    logs,
    asked,
    clock,
    signal,
    become: (next: KubeObject | undefined) => {
      now = next;
    },
    read: async (wish: Partial<PodLogOptions> = {}, of = pod()): Promise<string> => {
      let text = "";
      for await (const bytes of await logs.read(of, options(wish), signal.signal))
        text += Buffer.from(bytes).toString();
      return text;
    },
  };
}

describe("a log from a node", () => {
  it("is asked for piece by piece, until nothing comes", async () => {
    const { read, asked } = world([
      { text: "a", position: "1" },
      { text: "b", position: "2" },
      { text: "", position: "2" },
    ]);
    expect(await read({ tailLines: 5 })).toBe("ab");
    expect(asked.map((one) => [one.position, one.waitMs, one.tailLines, one.uid])).toEqual([
      ["", 0, 5, "u1"],
      ["1", 0, 5, "u1"],
      ["2", 0, 5, "u1"],
    ]);
  });

  it("is followed with questions that wait, until the node says that it has ended", async () => {
    const { read, asked } = world([
      { text: "a", position: "1" },
      { text: "", position: "1" },
      { text: "b", position: "2", ended: true },
    ]);
    expect(await read({ follow: true })).toBe("ab");
    expect(asked.map((one) => one.waitMs > 0)).toEqual([false, true, true]);
  });

  it.each([
    ["the pod is gone", undefined],
    ["another pod has its name", pod(running, "u2")],
    ["the pod has failed", pod({ phase: "Failed" })],
    ["the container has ended", pod({ containerStatuses: [{ name: "main", state: { terminated: {} } }] })],
    [
      "the container waits to be started again",
      pod({ containerStatuses: [{ name: "main", state: { waiting: {} }, lastState: { terminated: {} } }] }),
    ],
  ])("ends with its last words when %s", async (_what, then) => {
    const w = world([
      { text: "a", position: "1" },
      { text: "last words", position: "2" },
      { text: "", position: "2" },
    ]);
    w.become(then);
    expect(await w.read({ follow: true })).toBe("alast words");
  });

  it("waits a little for the last words of a container that ends while it is followed", async () => {
    const answers = [
      { text: "a", position: "1" },
      { text: "", position: "1" },
      { text: "last words", position: "2" },
      { text: "", position: "2" },
    ];
    const w = world(answers, { podNow: () => (w.asked.length < 2 ? pod() : pod({ phase: "Succeeded" })) });
    expect(await w.read({ follow: true })).toBe("alast words");
    const [first, second = 0, third = 0, fourth] = w.asked.map((one) => one.waitMs);
    expect([first, third]).toEqual([0, fourth]);
    expect(third).toBeGreaterThan(0);
    expect(second).toBeGreaterThan(third);
  });

  it("has no more bytes than were asked for", async () => {
    expect(await world([{ text: "abcdef", position: "1" }]).read({ limitBytes: 4 })).toBe("abcd");
    const two = world([
      { text: "abc", position: "1" },
      { text: "def", position: "2" },
    ]);
    expect(await two.read({ limitBytes: 4 })).toBe("abcd");
  });

  it("goes on from the same place after the link was cut", async () => {
    const w = world([
      { text: "a", position: "1" },
      new HubError("E_LINK_LOST", "edge-1 is not connected"),
      new HubError("E_TIMEOUT", "edge-1 has not answered"),
      { text: "b", position: "2", ended: true },
    ]);
    const reading = w.read({ follow: true });
    await w.clock.advance(5_000);
    expect(await reading).toBe("ab");
    expect(w.asked.map((one) => one.position)).toEqual(["", "1", "1", "1"]);
  });

  it("breaks off when the link stays away", async () => {
    const lost = Array.from({ length: 100 }, () => new HubError("E_LINK_LOST", "edge-1 is not connected"));
    const w = world([{ text: "a", position: "1" }, ...lost]);
    const reading = w.read({ follow: true }).catch((error: unknown) => error);
    await w.clock.advance(120_000);
    expect(await reading).toMatchObject({ code: "E_LINK_LOST" });
  });

  it("ends quietly when its reader goes", async () => {
    const w = world([
      { text: "a", position: "1" },
      new HubError("E_ABORTED", "gave up waiting for an answer"),
    ]);
    const reading = w.read({ follow: true });
    w.signal.abort();
    expect(await reading).toBe("a");
  });
});

describe("a log that cannot be had", () => {
  it.each([
    [
      "its node is away",
      { dialectOf: () => undefined },
      [],
      { code: 503, message: /edge-1 is not connected/ },
    ],
    [
      "a stock edgecore runs it",
      { dialectOf: () => "kubeedge" as const },
      [],
      { code: 405, message: /CloudStream/ },
    ],
    [
      "the node goes meanwhile",
      {},
      [new HubError("E_LINK_LOST", "gone")],
      { code: 503, message: /not connected/ },
    ],
    [
      "the node does not answer",
      {},
      [new HubError("E_TIMEOUT", "late")],
      { code: 504, message: /^node edge-1 has not sent the log of container "main" in pod "web" in time/ },
    ],
    [
      "the container has none",
      {},
      [{ code: "E_NOT_FOUND", text: "there is no log yet" }],
      { code: 400, message: /no log yet/ },
    ],
    [
      "too many read",
      {},
      [{ code: "E_BACKLOG_FULL", text: "64 readers" }],
      { code: 429, message: /64 readers/ },
    ],
    ["the node fails", {}, [{ code: "E_NO_SUCH", text: "disk" }], { code: 500, message: /disk/ }],
  ])("is answered so when %s", async (_what, parts, answers, expected) => {
    const { code, message } = expected;
    await expect(world(answers as Answer[], parts).read()).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it("is nobody's fault when its reader has gone first", async () => {
    const gone = new HubError("E_ABORTED", "gave up waiting for an answer");
    await expect(world([gone]).read()).rejects.toBe(gone);
  });

  it("is empty of a pod that has no node yet", async () => {
    expect(await world([]).read({}, { ...pod(), spec: { containers: [{ name: "main" }] } })).toBe("");
  });

  it("is refused for times that are none, or two of them", async () => {
    await expect(world([]).read({ sinceTime: "yesterday" })).rejects.toMatchObject({ code: 400 });
    const both = { sinceTime: "2026-01-01T00:00:00Z", sinceSeconds: 5 };
    await expect(world([]).read(both)).rejects.toMatchObject({ code: 422 });
  });

  it("begins at a time, or so many seconds ago", async () => {
    const end = { text: "", position: "1", ended: true };
    const w = world([end, end]);
    await w.read({ sinceTime: "2026-01-01T00:00:01Z" });
    await w.read({ sinceSeconds: 60 });
    expect(w.asked.map((one) => one.sinceMs)).toEqual([
      Date.UTC(2026, 0, 1, 0, 0, 1),
      w.clock.wallTime() - 60_000,
    ]);
  });
});
