import { type Figure, median } from "./scenario.ts";

/** Where, of what and when something was measured. */
export interface Run {
  /** Processor, cores, memory, kernel, Node.js. */
  readonly machine: string;
  readonly commit: string;
  readonly measuredAt: string;
  readonly command: string;
}

export interface ScenarioResults {
  readonly name: string;
  readonly describes: string;
  readonly figures: readonly Figure[];
  /** Of what was kept from an earlier run; default: the last run. */
  readonly run?: Run;
}

/** The last run, and what it has kept of earlier ones. */
export interface Results extends Run {
  readonly scenarios: readonly ScenarioResults[];
}

/** Scenarios that were not run again keep their last results, and say of which run they are. */
export function merged(fresh: Results, old: Results, order: readonly string[]): Results {
  const { machine, commit, measuredAt, command } = old;
  const kept = (name: string): ScenarioResults[] => {
    const again = fresh.scenarios.find((one) => one.name === name);
    if (again !== undefined) return [again];
    const before = old.scenarios.find((one) => one.name === name);
    return before === undefined ? [] : [{ run: { machine, commit, measuredAt, command }, ...before }];
  };
  return { ...fresh, scenarios: order.flatMap(kept) };
}

/** One run in words. */
export function runText({ command, machine, commit, measuredAt }: Run): string {
  return `\`${command}\` on ${machine}, ${measuredAt.slice(0, 10)}, commit ${commit}`;
}

/** All runs in words, with what is of each where there are several. */
export function runsText(results: Results): string {
  const byRun = new Map<string, string[]>();
  for (const { name, run = results } of results.scenarios) {
    const text = runText(run);
    byRun.set(text, [...(byRun.get(text) ?? []), name]);
  }
  const texts = [...byRun];
  if (texts.length < 2) return texts[0]?.[0] ?? runText(results);
  return texts.map(([text, names]) => `${names.join(", ")}: ${text}`).join("; ");
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
  const said = `${runsText(results)}:`;
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
