import type { TallyResult } from "./tally.ts";

/** Which way messages went, and of which class they were. */
export const streams = ["updates down", "events down", "events up"] as const;
export type Stream = (typeof streams)[number];

/** What was seen of one stream. */
export interface StreamReport extends TallyResult {
  readonly stream: Stream;
  /** From the sending to the first arrival, ms; `null`: nothing arrived. */
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number } | null;
}

/** What a verdict rests on. */
export interface Evidence {
  readonly streams: readonly StreamReport[];
  /** Connections of the node that ended during the test. */
  readonly linksLost: number;
  /** Messages a sender may have sent and not seen acked when a link ends. */
  readonly window: number;
  /** The slowest 1 % may take so long, ms; `undefined`: any time. */
  readonly maxP99Ms: number | undefined;
}

/**
 * What speaks against a link and its hub; empty: they keep the promises of docs/delivery.md §3. What was unacked when a
 * link ended may come twice, and nothing else may.
 */
export function faultsOf({ streams, linksLost, window, maxP99Ms }: Evidence): string[] {
  const mayRepeat = linksLost * window;
  return streams.flatMap(({ stream, sent, lost, duplicated, outOfOrder, strange, latencyMs }) => {
    const p99 = latencyMs?.p99 ?? 0;
    const isSlow = maxP99Ms !== undefined && p99 > maxP99Ms;
    const said: [boolean, string][] = [
      [sent === 0, "none could be sent"],
      [lost > 0, `${lost} lost`],
      [outOfOrder > 0, `${outOfOrder} out of order`],
      [
        duplicated > mayRepeat,
        `${duplicated} arrived twice, of which ${mayRepeat} are excused by links that ended`,
      ],
      [strange > 0, `${strange} arrived that nobody sent`],
      [isSlow, `p99 of ${Math.round(p99)} ms, and ${maxP99Ms} ms were allowed`],
    ];
    return said.filter(([is]) => is).map(([, words]) => `${stream}: ${words}`);
  });
}
