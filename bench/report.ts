import { type Figure, median } from "./scenario.ts";

export interface Results {
  /** Processor, cores, memory, kernel, Node.js. */
  readonly machine: string;
  readonly commit: string;
  readonly measuredAt: string;
  readonly command: string;
  readonly scenarios: readonly {
    readonly name: string;
    readonly describes: string;
    readonly figures: readonly Figure[];
  }[];
}

/** The results as a Markdown table, see {@link rowsOf}. @param isShown Default: all. */
export function tableOf(results: Results, isShown: (figure: Figure) => boolean = () => true): string {
  const rows = results.scenarios.flatMap(({ figures }) => rowsOf(figures.filter(isShown)));
  return [
    "| measured | median | lowest – highest | ceiling, same run | KubeEdge | goal |",
    "|---|---|---|---|---|---|",
    ...rows.map((cells) => `| ${cells.join(" | ")} |`),
  ].join("\n");
}

/** Of each figure: its name, median, spread, the ceiling of the same run, what KubeEdge does, what we want. */
export function rowsOf(figures: readonly Figure[]): string[][] {
  return figures.map((figure) => {
    const { name, unit, rounds, ceiling, kubeedge, goal } = figure;
    const value = median(rounds);
    const spread = `${shown(Math.min(...rounds), unit)} – ${shown(Math.max(...rounds), unit)}`;
    const bound = ceiling && `${shown(median(ceiling.rounds), unit)}${unitOf(unit)}, ${ceiling.name}`;
    const wanted =
      goal === undefined
        ? ""
        : `${figure.lessIsBetter ? "≤" : "≥"} ${shown(goal, unit)} ${reached(figure, value) ? "✓" : "✗"}`;
    return [name, `${shown(value, unit)}${unitOf(unit)}`, spread, bound ?? "", kubeedge ?? "", wanted];
  });
}

/** Pages that show results between two marks, and which of them. */
export const pages: readonly { readonly file: string; readonly isShown: (figure: Figure) => boolean }[] = [
  { file: "README.md", isShown: ({ goal, kubeedge }) => goal !== undefined || kubeedge !== undefined },
  { file: "docs/performance.md", isShown: () => true },
];

const marks = /(<!-- results -->\n)[\s\S]*?(<!-- \/results -->)/;

/** The page with these results between its marks. */
export function withResults(page: string, results: Results, isShown?: (figure: Figure) => boolean): string {
  const { command, machine, commit, measuredAt } = results;
  const said = `\`${command}\` on ${machine}, ${measuredAt.slice(0, 10)}, commit ${commit}:`;
  return page.replace(
    marks,
    (_, from: string, to: string) => `${from}\n${said}\n\n${tableOf(results, isShown)}\n\n${to}`,
  );
}

function reached(figure: Figure, value: number): boolean {
  const goal = figure.goal ?? 0;
  return figure.lessIsBetter ? value <= goal : value >= goal;
}

/** A unit behind a number, with a space. */
export function unitOf(unit: Figure["unit"]): string {
  return unit === "1/s" || unit === "ratio" ? "" : ` ${unit === "us" ? "µs" : unit}`;
}

export function shown(value: number, unit: Figure["unit"]): string {
  if (unit === "ratio") return value.toFixed(2);
  if (value >= 1_000) return Math.round(value).toLocaleString("en-US");
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}
