import { expect, it } from "vitest";
import type { Manifest } from "../../cli/index.ts";
import { boardLines, countStages, newestOf } from "../../examples/demo/board.ts";
import { nodeLines, partsIn } from "../../examples/demo/node-facts.ts";
import { summaryLines } from "../../examples/demo/summary.ts";
import { problemsOf } from "../../examples/demo/verify.ts";
import type { LedgerEntry, ResourceView } from "../../sdk/index.ts";

const manifest = (name: string): Manifest => ({
  object: { kind: "ConfigMap", metadata: { name } },
  resource: `default/configmap/${name}`,
  source: "edgecontroller",
  resourceVersion: undefined,
  origin: "f:1",
});

const entry = (name: string, change: object): LedgerEntry =>
  ({
    resource: `default/configmap/${name}`,
    state: "accepted",
    version: "1",
    sends: 0,
    acceptedAt: 1_000,
    ...change,
  }) as LedgerEntry;

const objects = { named: [manifest("limits")], burst: [manifest("a"), manifest("b")] };
const entries = [
  entry("limits", { version: "9", sends: 2, firstSentAt: 1_010 }),
  entry("limits", { state: "superseded", version: "3" }),
  entry("a", { state: "persisted", sends: 1, firstSentAt: 1_005, persistedAt: 1_020, endedAt: 1_021 }),
];

it("shows the newest message of each object, and the burst in counts", () => {
  const lines = boardLines(objects, newestOf(entries), { colours: false });
  expect(lines.slice(1).map((line) => line.split(/ {2,}/))).toEqual([
    ["ConfigMap limits", "9", "yes", "+10ms (2×)", "-", "-"],
    ["burst of 2 ConfigMaps", "-", "1/2", "1/2", "1/2", "1/2"],
  ]);
});

it("counts how many objects have come how far", () => {
  const all = ["limits", "a", "b"].map((name) => `default/configmap/${name}`);
  expect(countStages(all, newestOf(entries))).toEqual({
    total: 3,
    accepted: 2,
    sent: 2,
    persisted: 1,
    checkpointed: 1,
  });
});

it("sums up in words", () => {
  const facts = {
    objects: 2,
    published: 3,
    sentAgain: 1,
    repeated: 1,
    hubDownMs: 900,
    linkDownMs: 2_000,
    totalMs: 9_000,
  };
  const text = summaryLines(entries, facts).join("\n");
  expect(text).toMatch(/NOTHING LOST: all 2 objects/);
  expect(text).toMatch(/superseded {4}1 by a newer version/);
  expect(text).toMatch(/on the way {4}20ms to 20ms/);
});

it("sums up what the node did by itself", () => {
  const facts = {
    device: { confirmed: 60, takenBefore: 0, taken: 60 },
    pod: { process: 71, atKill: 6, withoutHub: 21 },
    service: { path: "/tools/tool-2", status: 200, text: "{}", ms: 12 },
  };
  const text = nodeLines(facts, 19_000).join("\n");
  expect(text).toMatch(/60 reports confirmed without a link, 0 of them in the cloud; then 60 of 60/);
  expect(text).toMatch(/process 71 all the time: 6 parts when .* 21 before/);
  expect(text).toMatch(/GET \/tools\/tool-2: 200 in 12ms .* the same 2 characters/);
});

it("reads what the pod has written, and nothing else", () => {
  const at = "2026-01-01T00:00:00.000000000Z";
  const log = `${at} stdout F process 7 part 1\n${at} stderr F process 7 part 9\n${at} stdout P process 7\n${at} stdout F process 7 part 2\n`;
  expect(partsIn(log)).toEqual([
    { process: 7, part: 1 },
    { process: 7, part: 2 },
  ]);
});

const expected = new Map([["default/configmap/a", { version: "4", object: { kind: "ConfigMap" } }]]);
const atEdge = { resource: "default/configmap/a", version: "4", content: { kind: "ConfigMap" } };
const atHub = [
  { resource: "default/configmap/a", checkpoint: { version: "4" } },
] as unknown as ResourceView[];

it.each([
  ["nothing is wrong", [atEdge], atHub, []],
  ["an object is missing", [], atHub, ["default/configmap/a is not at the edge"]],
  [
    "a version is old",
    [{ ...atEdge, version: "3" }],
    atHub,
    ["default/configmap/a has version 3 at the edge, published was 4"],
  ],
  [
    "a content differs",
    [{ ...atEdge, content: {} }],
    atHub,
    ["default/configmap/a has another content at the edge than was published"],
  ],
  [
    "the hub knows nothing of it",
    [atEdge],
    [],
    ["default/configmap/a: the hub's checkpoint is missing, the edge has 4"],
  ],
  [
    "there is too much",
    [atEdge, { ...atEdge, resource: "x" }],
    atHub,
    ["x is at the edge, and nobody published it"],
  ],
])("notices when %s", (_what, edge, hub, problems) => {
  expect(problemsOf(expected, edge, hub)).toEqual(problems);
});
