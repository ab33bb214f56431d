import { formatDuration } from "../../platform/quantities.ts";
import type { LedgerEntry } from "../../sdk/index.ts";

export interface Facts {
  readonly objects: number;
  /** Messages accepted by the hub. */
  readonly published: number;
  /** Messages that were on the wire, unacked, when the link was cut. */
  readonly sentAgain: number;
  /** Those of them that had reached the edge already. */
  readonly repeated: number;
  readonly hubDownMs: number;
  readonly linkDownMs: number;
  readonly totalMs: number;
}

/** What the demo has shown, in numbers. Pure. @param entries The ledger of the node. */
export function summaryLines(entries: readonly LedgerEntry[], facts: Facts): string[] {
  const superseded = entries.filter((one) => one.state === "superseded").length;
  const ways = entries
    .filter((one) => one.persistedAt !== undefined)
    .map((one) => (one.persistedAt as number) - one.acceptedAt);
  const slowest = Math.max(0, ...ways);
  const fastest = Math.min(...ways, slowest);
  return [
    "",
    `NOTHING LOST: all ${facts.objects} objects are in the edge's database, in their newest version, as published.`,
    "",
    `  published     ${facts.published} messages for ${facts.objects} objects, each accepted by the hub`,
    `  sent again    ${facts.sentAgain} that were on the wire at the cut; ${facts.repeated} of them had arrived before and changed nothing`,
    `  superseded    ${superseded} by a newer version while they waited, and not sent at all`,
    `  without link  ${formatDuration(facts.linkDownMs)}, without hub ${formatDuration(facts.hubDownMs)}`,
    `  on the way    ${formatDuration(fastest)} to ${formatDuration(slowest)} from acceptance to the edge's disk and back`,
    `  so far        ${formatDuration(facts.totalMs)}`,
  ];
}
