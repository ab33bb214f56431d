import { describe, expect, it, test } from "vitest";
import { ledgerColumns, ledgerDetails, stageOf } from "../../cli/ledger-view.ts";
import { formatTable } from "../../platform/table.ts";
import type { LedgerEntry } from "../../sdk/index.ts";

const now = Date.UTC(2026, 0, 1, 12);

function entry(change: Partial<LedgerEntry>): LedgerEntry {
  return {
    node: "edge-1",
    position: 4,
    id: "m-1",
    resource: "default/pod/a",
    operation: "update",
    kind: "state",
    version: "7",
    size: 200,
    state: "accepted",
    acceptedAt: now - 10_000,
    expiresAt: undefined,
    sends: 0,
    firstSentAt: undefined,
    lastSentAt: undefined,
    persistedAt: undefined,
    endedAt: undefined,
    code: undefined,
    text: undefined,
    ...change,
  } as LedgerEntry;
}

test.each([
  [{}, "accepted"],
  [{ sends: 1, firstSentAt: now }, "sent"],
  [{ state: "persisted", sends: 1, persistedAt: now }, "persisted"],
  [{ state: "persisted", sends: 1, persistedAt: now, endedAt: now }, "checkpointed"],
  [{ state: "superseded", endedAt: now }, "superseded"],
  [{ state: "expired", endedAt: now }, "expired"],
  [{ state: "refused", endedAt: now }, "refused"],
] as [Partial<LedgerEntry>, string][])("the stage of %j is %s", (change, stage) => {
  expect(stageOf(entry(change))).toBe(stage);
});

describe("for people", () => {
  it("counts times from acceptance", () => {
    const times = {
      state: "persisted" as const,
      sends: 2,
      firstSentAt: now - 9_990,
      lastSentAt: now - 5_000,
    };
    const [, line] = formatTable(
      [entry({ ...times, persistedAt: now - 4_000, endedAt: now - 3_995 })],
      ledgerColumns(now),
    );
    expect(line).toBe(
      "default/pod/a        7  update     checkpointed  10s ago   +10ms (2×)  +6s        +6s",
    );
  });

  it("says why it ended otherwise", () => {
    const refused = entry({ state: "refused", endedAt: now, code: "E_BAD_OPERATION", text: "not patch" });
    expect(formatTable([refused], ledgerColumns(now))[1]).toMatch(/refused .* E_BAD_OPERATION: not patch$/);
    expect(ledgerDetails(refused, now)).toContainEqual(["reason", "E_BAD_OPERATION: not patch"]);
  });
});
