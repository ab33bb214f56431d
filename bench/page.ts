import { chartOf } from "./chart.ts";
import { type Results, rowsOf, runText } from "./report.ts";

/** All scenarios on one page that needs nothing but itself: a picture and a table of each, under a line on the machine. */
export function pageOf(results: Results): string {
  const sections = results.scenarios.map(
    ({ name, describes, figures, run = results }) => `<section id="${escaped(name)}">
<h2>${escaped(name)}</h2>
<p>${escaped(describes)}<br><small>${escaped(runText(run).replaceAll("`", ""))}</small></p>
${chartOf(describes, figures)}
<table>
<thead><tr>${header.map((title) => `<th>${escaped(title)}</th>`).join("")}</tr></thead>
<tbody>
${rowsOf(figures)
  .map((cells) => `<tr>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join("")}</tr>`)
  .join("\n")}
</tbody>
</table>
</section>`,
  );
  const links = results.scenarios.map(({ name }) => `<a href="#${escaped(name)}">${escaped(name)}</a>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Benchmarks</title>
<style>${style}</style>
</head>
<body>
<h1>Benchmarks</h1>
<p>Bars are medians of the rounds, dots the lowest and the highest round, red lines the goals. What limits each figure is
told in docs/performance.md. Under each title stands the run that it is of.</p>
<nav>${links.join(" ")}</nav>
${sections.join("\n")}
</body>
</html>
`;
}

const header = ["measured", "median", "lowest – highest", "ceiling, same run", "KubeEdge", "goal"];

const style = `body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem;color:#1f2937}
nav a{margin-right:1rem}section{margin-top:3rem}svg{max-width:100%;height:auto}
table{border-collapse:collapse;font-size:13px;width:100%}th,td{border:1px solid #d1d5db;padding:.25rem .5rem;text-align:left}
td:not(:first-child){white-space:nowrap}`;

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
