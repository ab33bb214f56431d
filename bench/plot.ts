import { init } from "echarts";
import type { Results } from "./report.ts";
import { type Figure, median } from "./scenario.ts";

/** What KubeEdge reached, as a number: `< 1.6` counts as 1.6. */
const kubeedgeOf = (figure: Figure): number => Number(figure.kubeedge?.replace(/[^\d.]/g, ""));

/** The throughput to one node over links of growing length, beside KubeEdge's, as an SVG picture. */
export function plotOf(results: Results): string {
  const figures = results.scenarios
    .flatMap((one) => one.figures)
    .filter((figure) => figure.name.startsWith("acked updates/s"));
  const chart = init(null, null, { renderer: "svg", ssr: true, width: 860, height: 420 });
  const label = {
    show: true,
    position: "top" as const,
    formatter: ({ value }: { value: unknown }) => Math.round(Number(value)).toLocaleString("en-US"),
  };
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    title: {
      text: "Acked 200-byte ConfigMap updates per second to one node",
      left: "center",
      textStyle: { fontSize: 16 },
    },
    legend: { bottom: 0 },
    grid: { left: 70, right: 20, top: 60, bottom: 90 },
    xAxis: {
      type: "category",
      data: figures.map((figure) =>
        figure.name
          .replace(/acked updates\/s to one (agent|peer), ?/, "")
          .replace("acked updates/s to one peer speaking kubeedge, ", "kubeedge dialect, "),
      ),
      axisLabel: { interval: 0, width: 140, overflow: "break" },
    },
    yAxis: { type: "log", name: "updates/s (log)", min: 1 },
    series: [
      {
        name: "this hub",
        type: "bar",
        data: figures.map((figure) => Math.round(median(figure.rounds))),
        label,
        itemStyle: { color: "#2563eb" },
      },
      {
        name: "KubeEdge 1.15",
        type: "bar",
        data: figures.map(kubeedgeOf),
        label: {
          ...label,
          formatter: ({ dataIndex }: { dataIndex: number }) => figures[dataIndex]?.kubeedge ?? "",
        },
        itemStyle: { color: "#9ca3af" },
      },
    ],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
