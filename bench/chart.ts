import { init } from "echarts";
import { shown, unitOf } from "./report.ts";
import { type Figure, median } from "./scenario.ts";

const colours = {
  measured: "#2563eb",
  ceiling: "#9ca3af",
  kubeedge: "#d97706",
  goal: "#dc2626",
  spread: "#1e3a8a",
};
const names = {
  measured: "this hub",
  ceiling: "ceiling, same run",
  kubeedge: "KubeEdge 1.15",
  goal: "goal",
} as const;
const width = 980;
const nameWidth = 380;
/** Of one figure, of the space below those of one unit, and of the legend. */
const [rowHeight, gapHeight, headHeight] = [46, 66, 74];
/** Values further apart than this are drawn on a logarithmic axis. */
const logarithmicFrom = 50;

/** Figures of one unit: they can share an axis. */
interface Panel {
  readonly unit: Figure["unit"];
  readonly figures: readonly Figure[];
}

/**
 * All figures of a scenario as an SVG picture, one panel for each unit: the median as a bar, the lowest and highest round as
 * a line on it, beside it the ceiling of the same run and what KubeEdge reached, and a mark at the goal.
 */
export function chartOf(title: string, all: readonly Figure[]): string {
  const panels = panelsOf(all);
  const tops = panels.map((_, i) =>
    panels.slice(0, i).reduce((sum, { figures }) => sum + figures.length * rowHeight + gapHeight, headHeight),
  );
  const last = panels.at(-1)?.figures.length ?? 0;
  const height = (tops.at(-1) ?? headHeight) + last * rowHeight + gapHeight;
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    title: { text: title, left: "center", top: 8, textStyle: { fontSize: 16 } },
    legend: { top: 38, data: legendOf(all) },
    grid: panels.map(({ figures }, i) => ({
      left: nameWidth,
      right: 90,
      top: tops[i],
      height: figures.length * rowHeight,
    })),
    xAxis: panels.map((panel, gridIndex) => ({ gridIndex, ...valueAxis(panel) })),
    yAxis: panels.map(({ figures }, gridIndex) => ({
      gridIndex,
      type: "category",
      inverse: true,
      data: figures.map(({ name }) => name),
      // Text is measured without its font here: what a browser draws may be wider.
      axisLabel: { width: nameWidth - 110, fontSize: 11, overflow: "break", interval: 0 },
    })),
    series: panels.flatMap((panel, i) => seriesOf(panel, i)),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

function legendOf(all: readonly Figure[]): string[] {
  return [
    names.measured,
    ...(all.some(({ ceiling }) => ceiling !== undefined) ? [names.ceiling] : []),
    ...(all.some((figure) => kubeedgeOf(figure) !== undefined) ? [names.kubeedge] : []),
    ...(all.some(({ goal }) => goal !== undefined) ? [names.goal] : []),
  ];
}

function panelsOf(all: readonly Figure[]): Panel[] {
  const units = [...new Set(all.map(({ unit }) => unit))];
  return units.map((unit) => ({ unit, figures: all.filter((figure) => figure.unit === unit) }));
}

function valueAxis({ unit, figures }: Panel): object {
  const values = figures.flatMap((figure) => {
    const { ceiling, goal } = figure;
    return [median(figure.rounds), ...(ceiling ? [median(ceiling.rounds)] : []), goal, kubeedgeOf(figure)];
  });
  const positive = values.filter((value): value is number => value !== undefined && value > 0);
  const isWide = Math.max(...positive) / Math.min(...positive) > logarithmicFrom;
  const name = { name: unit === "us" ? "µs" : unit, nameLocation: "end", nameGap: 8 };
  if (!isWide) return { ...name, type: "value", min: 0 };
  return { ...name, type: "log", min: 10 ** Math.floor(Math.log10(Math.min(...positive)) - 0.01) };
}

function seriesOf({ unit, figures }: Panel, index: number): object[] {
  const axes = { xAxisIndex: index, yAxisIndex: index };
  const text = (value: number): string => `${shown(value, unit)}${unitOf(unit)}`;
  const label = (formatter: (at: number) => string): object => ({
    show: true,
    position: "right",
    fontSize: 11,
    formatter: ({ dataIndex }: { dataIndex: number }) => formatter(dataIndex),
  });
  const bar = (
    name: string,
    color: string,
    values: readonly (number | null)[],
    words: (at: number) => string,
  ) => ({
    name,
    type: "bar",
    ...axes,
    data: values,
    barMaxWidth: 14,
    itemStyle: { color },
    label: label((at) => (values[at] === null ? "" : words(at))),
  });
  const measured = figures.map(({ rounds }) => median(rounds));
  const ceilings = figures.map(({ ceiling }) => (ceiling ? median(ceiling.rounds) : null));
  const kubeedge = figures.map((figure) => kubeedgeOf(figure) ?? null);
  const goals = figures.flatMap(({ goal }, at) => (goal === undefined ? [] : [[goal, at]]));
  return [
    bar(names.measured, colours.measured, measured, (at) => text(measured[at] as number)),
    ...(ceilings.some((one) => one !== null)
      ? [bar(names.ceiling, colours.ceiling, ceilings, (at) => text(ceilings[at] as number))]
      : []),
    ...(kubeedge.some((one) => one !== null)
      ? [bar(names.kubeedge, colours.kubeedge, kubeedge, (at) => figures[at]?.kubeedge ?? "")]
      : []),
    {
      name: names.goal,
      type: "scatter",
      ...axes,
      data: goals,
      symbol: "rect",
      symbolSize: [2, rowHeight - 10],
      itemStyle: { color: colours.goal },
    },
    {
      type: "scatter",
      ...axes,
      data: figures.flatMap(({ rounds }, at) =>
        [Math.min(...rounds), Math.max(...rounds)].map((value) => [value, at]),
      ),
      symbol: "circle",
      symbolSize: 4,
      itemStyle: { color: colours.spread },
    },
  ];
}

/** What KubeEdge reached, as a number: `< 1.6` counts as 1.6, a range as its lower end. */
function kubeedgeOf({ kubeedge }: Figure): number | undefined {
  const value = Number(/\d[\d.]*/.exec(kubeedge?.replaceAll(",", "") ?? "")?.[0] ?? Number.NaN);
  return Number.isNaN(value) ? undefined : value;
}
