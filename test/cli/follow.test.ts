import { expect, it } from "vitest";
import type { Context } from "../../cli/context.ts";
import { follow } from "../../cli/follow.ts";
import type { LedgerEntry, LedgerQuery } from "../../sdk/index.ts";

const entry = (position: number, change: object = {}): LedgerEntry =>
  ({
    node: "edge-1",
    position,
    id: `m-${position}`,
    resource: "default/pod/a",
    version: String(position),
    state: "accepted",
    sends: 0,
    acceptedAt: 0,
    ...change,
  }) as LedgerEntry;

/** A context whose hub answers `where` from a script, then with nothing. */
function contextOf(answers: LedgerEntry[][], checkpoint?: { version: string }) {
  const lines: string[] = [];
  const asked: LedgerQuery[] = [];
  const hub = {
    where: async (query: LedgerQuery) => {
      asked.push(query);
      return answers.shift() ?? [];
    },
    checkpoint: async () => checkpoint,
  };
  const context = {
    io: { signal: new AbortController().signal, now: () => 0, out: { isTerminal: false } },
    output: { format: "table", say: (line: string) => lines.push(line.slice(line.indexOf("Z") + 3)) },
    timeoutMs: undefined,
    ask: (question: (with_: typeof hub) => Promise<unknown>) => question(hub),
  } as unknown as Context;
  return { context, lines, asked };
}

it("tells each change once, also of what waits beyond the newest ones", async () => {
  const done = { state: "persisted", sends: 1, endedAt: 5 };
  const { context, lines } = contextOf([
    [entry(1)],
    [entry(2, { sends: 1 }), entry(1)],
    [entry(2, done), entry(1, done)],
  ]);
  expect(await follow(context, { node: "edge-1", limit: 1 }, [entry(2)])).toBe(0);
  expect(lines).toEqual([
    "default/pod/a version 1  accepted",
    "default/pod/a version 2  accepted",
    "default/pod/a version 2  sent",
    "default/pod/a version 1  checkpointed",
    "default/pod/a version 2  checkpointed",
  ]);
});

it("asks for what has left the ledger by its checkpoint", async () => {
  const { context, lines } = contextOf([[], [], []], { version: "9" });
  expect(await follow(context, { node: "edge-1", resource: "default/pod/a" }, [entry(9)])).toBe(0);
  expect(lines.at(-1)).toBe("default/pod/a version 9  persisted");
  const replaced = contextOf([[], [], []], { version: "9" });
  await follow(replaced.context, { node: "edge-1", resource: "default/pod/a" }, [entry(10)]);
  expect(replaced.lines.at(-1)).toMatch(/superseded/);
});

it("fails if one was refused, and lets its reason do no harm to the terminal", async () => {
  const refused = entry(1, { state: "refused", code: "E_REFUSED", text: "no\u001b[2J" });
  const { context, lines } = contextOf([]);
  expect(await follow(context, { node: "edge-1", id: "m-1" }, [refused])).toBe(1);
  expect(lines).toEqual(["default/pod/a version 1  refused  E_REFUSED: no [2J"]);
});
