import { expect, it, test } from "vitest";
import { targetsOf } from "../../cli/targets.ts";
import type { NodeView } from "../../sdk/index.ts";

const nodes = [
  { node: "edge-1", labels: { site: "a" } },
  { node: "edge-2", labels: { site: "b", line: "7" } },
] as unknown as NodeView[];
const ask = () => Promise.resolve(nodes);
const none = { node: [], allNodes: false, selector: undefined };

test.each([
  [{ ...none, node: ["x", "y", "x"] }, ["x", "y"]],
  [{ ...none, allNodes: true }, ["edge-1", "edge-2"]],
  [{ ...none, selector: { site: "b", line: "7" } }, ["edge-2"]],
])("%j means %j", async (choice, targets) => {
  expect(await targetsOf(choice, ask)).toEqual(targets);
});

it("wants one way of saying it", async () => {
  await expect(targetsOf(none, ask)).rejects.toThrow(/say to which nodes: --node NAME/);
  await expect(targetsOf({ ...none, node: ["a"], allNodes: true }, ask)).rejects.toThrow(
    /only one of the three/,
  );
});

it("names the labels there are when none fits", async () => {
  await expect(targetsOf({ ...none, selector: { site: "c" } }, ask)).rejects.toThrow(
    /no node has these labels; there are: site=a, site=b, line=7/,
  );
  await expect(targetsOf({ ...none, allNodes: true }, () => Promise.resolve([]))).rejects.toThrow(
    /knows no nodes yet/,
  );
});
