/** One measured figure of a scenario. */
export interface Figure {
  /** What was measured, with the conditions: `acked updates/s, RTT 200 ms`. */
  readonly name: string;
  readonly unit: "1/s" | "ms" | "ratio" | "MiB" | "KiB" | "B" | "us";
  /** One value per round. */
  readonly rounds: readonly number[];
  /** What bounds it from above, or from below if less is better: measured in the same run, in the same unit. */
  readonly ceiling?: { readonly name: string; readonly rounds: readonly number[] };
  /** The same on KubeEdge, measured on the same kind of machine; `undefined`: not measured. */
  readonly kubeedge?: string;
  /** What we want to reach. */
  readonly goal?: number;
  /** True: a smaller value is a better one. */
  readonly lessIsBetter?: boolean;
}

export interface Scenario {
  readonly name: string;
  readonly describes: string;
  /** Takes minutes, or much of the machine: only run by name, or with `--all`. */
  readonly heavy?: boolean;
  /** @param say Tells people how far it is. */
  run(options: ScenarioOptions, say: (text: string) => void): Promise<Figure[]>;
}

export interface ScenarioOptions {
  /** A directory of the scenario's own. */
  readonly directory: string;
  readonly rounds: number;
  readonly roundMs: number;
  readonly seed: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** The value below which the given share of all lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] as number;
}
