import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { pages, type Results, withResults } from "../bench/report.ts";
import { version } from "../platform/version.ts";
import { errorTable } from "../protocol/errors.ts";

const root = join(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");

it("explains every error code, and no other, with the meaning and the verdict the code has", () => {
  const rows = [...read("docs/errors.md").matchAll(/^\| `(E_\w+)` \| (yes|no) \| ([^|]+) \| ([^|]+) \|$/gm)];
  const documented = Object.fromEntries(
    rows.map(([, code, again, meaning]) => [code, { retryable: again === "yes", meaning }]),
  );
  expect(documented).toEqual(errorTable);
});

/** Pages that promise something, and name the tests that hold them to it. */
const promising = [
  "delivery",
  "event-bus",
  "device-twin",
  "service-bus",
  "meta-server",
  "edged",
  "resource-store",
  "kinds",
  "kubernetes-api",
  "pod-logs",
  "device-controller",
  "group-controller",
  "edge-controller",
  "router",
].map((name) => `docs/${name}.md`);

it.each(promising)("names only tests that exist for what it promises: %s", (page) => {
  const named = [...read(page).matchAll(/`(test\/[\w./*-]+\.test\.ts)`/g)].map((match) => match[1] as string);
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((file) => !file.includes("*") && !existsSync(join(root, file)))).toEqual([]);
});

it("has one version", () => {
  expect(JSON.parse(read("package.json")).version).toBe(version);
});

it("shows the numbers that were measured, and no others", () => {
  const results = JSON.parse(read("bench/results/results.json")) as Results;
  for (const { file, isShown } of pages) {
    expect(read(file)).toContain("<!-- results -->");
    expect(withResults(read(file), results, isShown)).toBe(read(file));
  }
});

it("links only to files that exist", () => {
  const docs = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
  const pages = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ...docs.map((name) => `docs/${name}`)];
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)]
      .map((match) => join(root, page, "..", match[1] as string))
      .filter((target) => !existsSync(target))
      .map((target) => `${page}: ${target}`),
  );
  expect(broken).toEqual([]);
});
