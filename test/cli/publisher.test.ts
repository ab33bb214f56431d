import { describe, expect, it } from "vitest";
import { failureReport, plainOutcome, progressLine, summaryOf } from "../../cli/publish-report.ts";
import { type Job, type Outcome, publishAll } from "../../cli/publisher.ts";
import { HubError, type PublishDraft, type Published } from "../../sdk/index.ts";

function jobs(count: number, size = 10): Job[] {
  return Array.from({ length: count }, (_, i) => ({
    draft: {
      node: "edge-1",
      resource: `default/configmap/c${i}`,
      operation: "update",
      content: new Uint8Array(size),
    },
    origin: `file:${i}`,
  }));
}

const published = ({ node, resource }: PublishDraft): Published =>
  ({ id: resource, node, resource, version: "1", stale: false }) as Published;

/** A hub that answers when it is told to, and remembers how much was asked of it at once. */
function slowHub(answer: (draft: PublishDraft) => Published = published) {
  const order: string[] = [];
  const seen = { open: 0, most: 0 };
  return {
    order,
    seen,
    publish: async (draft: PublishDraft): Promise<Published> => {
      order.push(draft.resource);
      seen.most = Math.max(seen.most, ++seen.open);
      await new Promise((resolve) => setImmediate(resolve));
      seen.open--;
      return answer(draft);
    },
    acked: (): Promise<void> => Promise.resolve(),
  };
}

const options = {
  until: "accepted" as const,
  timeoutMs: undefined,
  signal: new AbortController().signal,
  moved: () => {},
};

describe("publishing", () => {
  it("keeps the order and bounds how much is open", async () => {
    const hub = slowHub();
    const outcomes = await publishAll(hub, jobs(2_000), options);
    expect(outcomes.map((one) => one.resource)).toEqual(hub.order);
    expect(hub.seen.most).toBe(500);
  });

  it("bounds the bytes that are open, and lets one through that is larger than the bound", async () => {
    const hub = slowHub();
    await publishAll(hub, [...jobs(5, 30 << 20), ...jobs(1, 100 << 20)], options);
    expect(hub.seen.most).toBe(2);
    expect(hub.order).toHaveLength(6);
  });

  it("goes on after a failure and tells which one failed", async () => {
    const hub = slowHub((draft) => {
      if (draft.resource.endsWith("c1")) throw new HubError("E_TOO_LARGE", "too large");
      return published(draft);
    });
    const outcomes = await publishAll(hub, jobs(3), options);
    expect(outcomes.map((one) => one.error?.code)).toEqual([undefined, "E_TOO_LARGE", undefined]);
  });

  it("accepts everything although no ack comes, and stops when interrupted", async () => {
    const interrupted = new AbortController();
    const hub = {
      ...slowHub(),
      acked: (_published: Published, { signal }: { signal?: AbortSignal } = {}) =>
        new Promise<void>((_resolve, reject) => {
          const abort = (): void => reject(new HubError("E_ABORTED", "gave up"));
          if (signal?.aborted) abort();
          signal?.addEventListener("abort", abort);
        }),
    };
    const outcomes = await publishAll(hub, jobs(3), {
      ...options,
      until: "acked",
      signal: interrupted.signal,
      moved: (counts) => counts.accepted === 3 && interrupted.abort(),
    });
    expect(outcomes.map((one) => [one.published?.version, one.error?.code])).toEqual(
      Array(3).fill(["1", "E_ABORTED"]),
    );
  });
});

describe("the report", () => {
  const good: Outcome = {
    node: "edge-1",
    resource: "r",
    origin: "f:1",
    published: published({ node: "edge-1", resource: "r" } as PublishDraft),
    acked: false,
    error: undefined,
  };
  const bad: Outcome = { ...good, published: undefined, error: new HubError("E_BACKLOG_FULL", "full") };

  it("tells each kind of failure once, with examples and what to do", () => {
    expect(failureReport([good, bad, bad, bad, bad, bad])).toEqual([
      "hubctl: E_BACKLOG_FULL: full",
      "  r to edge-1 (f:1)",
      "  r to edge-1 (f:1)",
      "  r to edge-1 (f:1)",
      "  and 2 more",
      expect.stringMatching(/wait until the node has caught up/),
    ]);
  });

  it("sums up", () => {
    expect(summaryOf([good, { ...good, acked: true }, bad], 1_200)).toBe(
      "2 of 3 messages to 1 node accepted, 1 acked by the node, 1 failed, in 1.2s",
    );
  });

  it("gives programs the same keys for every outcome", () => {
    expect(Object.keys(plainOutcome(good))).toEqual(Object.keys(plainOutcome(bad)));
    expect(plainOutcome(bad)).toMatchObject({
      state: "failed",
      error: { code: "E_BACKLOG_FULL", origin: "f:1" },
    });
  });

  it("draws progress", () => {
    const line = progressLine({ total: 200, accepted: 150, acked: 100, failed: 1 }, "acked", 2_000);
    expect(line).toBe("[############············] 150/200 accepted, 100 acked, 1 failed  2s");
  });
});
