import { expect, it } from "vitest";
import { NodeResources } from "../../controllers/runtime/node-resources.ts";
import type { PublishOutcome, ResourceView } from "../../sdk/index.ts";

const path = "default/configmap/a";

it("asks again when the hub may have forgotten while it was being asked", async () => {
  const answers = [[{ resource: path } as ResourceView], []];
  const published: string[] = [];
  let asked = (): void => {};
  const resources = new NodeResources<string, string>(
    {
      node: "edge-1",
      perRound: 10,
      hub: {
        resources: async () => {
          const answer = answers.shift() ?? [];
          asked();
          return answer;
        },
        publishBatch: async (drafts) => {
          published.push(...drafts.map(({ resource }) => resource));
          return drafts.map(() => ({ ok: true, published: {} }) as PublishOutcome);
        },
      },
    },
    {
      patterns: ["*/configmap/*"],
      read: () => "here",
      paths: () => [path],
      compare: () => 0,
      plan: (resource, sent) => ({
        wanted: "here",
        drafts: sent === "here" ? [] : [{ node: "edge-1", operation: "update", resource }],
      }),
      sentNow: (wanted) => wanted,
      untaken: () => undefined,
      above: () => undefined,
      refused: () => {},
    },
  );
  // The node's link tells of it while the first answer is on its way.
  asked = () => {
    asked = () => {};
    resources.reload();
  };
  await resources.round();
  expect(published).toEqual([path]);
});
