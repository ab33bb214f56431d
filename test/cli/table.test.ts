import { expect, it } from "vitest";
import { type Column, cut, formatFields, formatTable, singleLine } from "../../platform/table.ts";

interface Fruit {
  readonly name: string;
  readonly count: number | undefined;
}

const columns: Column<Fruit>[] = [
  { title: "NAME", cell: (one) => one.name },
  { title: "COUNT", cell: (one) => one.count, align: "right" },
];

it("makes columns as wide as their longest cell", () => {
  const lines = formatTable(
    [
      { name: "apple", count: 7 },
      { name: "fig", count: 1234567 },
    ],
    columns,
  );
  expect(lines).toEqual(["NAME     COUNT", "apple        7", "fig    1234567"]);
});

it("shows a dash for what is not there, and leaves no blanks at the end of a line", () => {
  const lines = formatTable(
    [{ name: "", count: undefined }],
    [...columns, { title: "X", cell: () => undefined }],
  );
  expect(lines).toEqual(["NAME  COUNT  X", "-         -  -"]);
});

it("cuts the widest column first when the terminal is narrow", () => {
  const [, line] = formatTable([{ name: "a-very-long-name-of-a-fruit", count: 12 }], columns, { width: 20 });
  expect(line).toBe("a-very-long-…     12");
});

it("leaves out optional columns, the last one first, before it cuts any", () => {
  const three: Column<Fruit>[] = [
    { title: "A", cell: () => "aaaa" },
    { title: "B", cell: () => "bbbb", optional: true },
    { title: "C", cell: () => "cccc", optional: true },
  ];
  const fruit = [{ name: "", count: 1 }];
  expect([16, 15, 9].map((width) => formatTable(fruit, three, { width })[1])).toEqual([
    "aaaa  bbbb  cccc",
    "aaaa  bbbb",
    "aaaa",
  ]);
});

it("leaves out sparse columns when no row has anything to say there", () => {
  const reason: Column<Fruit> = {
    title: "REASON",
    cell: (one) => (one.count === 1 ? "ripe" : undefined),
    sparse: true,
  };
  const with_ = [...columns, reason];
  expect(formatTable([{ name: "fig", count: 2 }], with_)[0]).toBe("NAME  COUNT");
  expect(formatTable([{ name: "fig", count: 1 }], with_)[0]).toBe("NAME  COUNT  REASON");
});

it("cuts at the start what is told by its end", () => {
  const paths: Column<Fruit>[] = [{ title: "PATH", cell: (one) => one.name, keep: "end" }];
  expect(formatTable([{ name: "factory/pod/app", count: 1 }], paths, { width: 8 })[1]).toBe("…pod/app");
});

it("does not cut columns below eight characters, whatever the terminal", () => {
  const [, line] = formatTable([{ name: "a-very-long-name", count: 12 }], columns, { width: 3 });
  expect(line).toBe("a-very-…     12");
});

it("lets nobody move the cursor or colour the terminal", () => {
  const [, line] = formatTable([{ name: "a\u001b[2J\nb\u009bc", count: 1 }], columns);
  expect(line).toBe("a [2J b c      1");
  expect(singleLine("plain ÄÖ")).toBe("plain ÄÖ");
});

it("colours cells without counting the colours as width", () => {
  const painted: Column<Fruit>[] = [
    { ...(columns[0] as Column<Fruit>), colour: () => "green" },
    columns[1] as Column<Fruit>,
  ];
  const [, line] = formatTable([{ name: "fig", count: 1 }], painted, { colours: true });
  expect(line).toBe("\u001b[32mfig\u001b[0m       1");
  expect(formatTable([{ name: "fig", count: 1 }], painted)[1]).toBe("fig       1");
});

it("puts fields below one another, without those that are unknown", () => {
  expect(
    formatFields([
      ["node", "edge-1"],
      ["since", undefined],
      ["version", 7],
    ]),
  ).toEqual(["node     edge-1", "version  7"]);
});

it("cuts texts with an ellipsis", () => {
  expect([cut("abc", 3), cut("abcd", 3), cut("abcd", 0)]).toEqual(["abc", "ab…", "…"]);
});
