import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { pageBytes, readPage } from "../../../edgehub/podlogs/log-page.ts";
import type { PodLogQuery } from "../../../protocol/index.ts";
import { temporaryDirectory } from "../../support/processes.ts";

const query = (given: Partial<PodLogQuery> = {}): PodLogQuery => ({
  namespace: "shop",
  pod: "web",
  uid: "u1",
  container: "main",
  previous: false,
  position: "",
  tailLines: -1,
  sinceMs: 0,
  timestamps: false,
  waitMs: 0,
  ...given,
});

/** A container's folder, and how it is written to. */
function world() {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  return logsIn(path);
}

function logsIn(root: string) {
  const folder = join(root, "shop_web_u1", "main");
  mkdirSync(folder, { recursive: true });
  const file = (attempt: number) => join(folder, `${attempt}.log`);
  let rotations = 0;
  return {
    root,
    folder,
    raw: (text: string, attempt = 0) => appendFileSync(file(attempt), text),
    write: (text: string, tag = "F", second = 0, attempt = 0) =>
      appendFileSync(
        file(attempt),
        `2026-01-01T00:00:${String(second).padStart(2, "0")}Z stdout ${tag} ${text}\n`,
      ),
    rotate: () => renameSync(file(0), `${file(0)}.2026010${rotations++}`),
  };
}

/** Reads until nothing comes. */
function readAll(root: string, given: PodLogQuery): { text: string; position: string; ended: boolean } {
  let text = "";
  let { position } = given;
  for (let pages = 0; pages < 10_000; pages++) {
    const page = readPage(root, { ...given, position });
    text += Buffer.from(page.bytes, "base64").toString();
    const still = page.position === position;
    position = page.position;
    if (page.ended || (page.bytes === "" && still)) return { text, position, ended: page.ended };
  }
  throw new Error("it never ends");
}

describe("a log", () => {
  it("is read as people read it: without heads, parts joined, with times if asked for", () => {
    const { root, write } = world();
    write("one");
    write("long ", "P", 1);
    write("line", "F", 2);
    expect(readAll(root, query()).text).toBe("one\nlong line\n");
    expect(readAll(root, query({ timestamps: true })).text).toBe(
      "2026-01-01T00:00:00Z one\n2026-01-01T00:00:01Z long line\n",
    );
  });

  it("goes on where the last piece ended, over lines that grow and files that are turned away", () => {
    const { root, write, raw, rotate } = world();
    write("one");
    let { position } = readAll(root, query());
    const more = (): string => {
      const read = readAll(root, query({ position }));
      position = read.position;
      return read.text;
    };
    raw("2026-01-01T00:00:00Z stdout F tw");
    expect(more()).toBe("");
    raw("o\n");
    expect(more()).toBe("two\n");
    write("three");
    rotate();
    expect(more()).toBe("three\n");
    write("four");
    expect(more()).toBe("four\n");
    rotate();
    write("five");
    rotate();
    write("six");
    expect(more()).toBe("five\nsix\n");
  });

  it("ends when the container is started again, or its pod is gone", () => {
    const { root, folder, write } = world();
    write("old");
    const { position, ended } = readAll(root, query());
    expect(ended).toBe(false);
    write("last words");
    write("new", "F", 0, 1);
    expect(readAll(root, query({ position }))).toMatchObject({ text: "last words\n", ended: true });
    expect(readAll(root, query()).text).toBe("new\n");
    expect(readAll(root, query({ previous: true }))).toMatchObject({
      text: "old\nlast words\n",
      ended: true,
    });
    rmSync(join(folder, ".."), { recursive: true });
    expect(readPage(root, query({ position }))).toMatchObject({ bytes: "", ended: true });
  });

  it("goes on with the oldest file there is when its own was removed", () => {
    const { root, folder, write, rotate } = world();
    write("one");
    const { position } = readAll(root, query());
    rotate();
    write("two");
    rmSync(join(folder, "0.log.20260100"));
    expect(readAll(root, query({ position })).text).toBe("two\n");
  });

  it("shows lines since a time, whatever the form of the time", () => {
    const { root, raw } = world();
    raw(
      "2026-01-01T00:00:01.5Z stdout F a\n2026-01-01T00:00:01.512345678Z stdout F b\n2026-01-01T02:00:02+02:00 stdout F c\nno time\n",
    );
    const since = (text: string) => readAll(root, query({ sinceMs: Date.parse(text) })).text;
    expect(since("2026-01-01T00:00:01.505Z")).toBe("b\nc\nno time\n");
    expect(since("2026-01-01T00:00:02Z")).toBe("c\nno time\n");
  });

  it("shows a line that is longer than a piece", () => {
    const { root, raw } = world();
    const long = "x".repeat(3 * pageBytes);
    raw(`${long}\nshort\n`);
    expect(readAll(root, query()).text.replaceAll("\n", "")).toBe(`${long}short`);
  });

  it("is of the pod and container that are named, and no other path", () => {
    const { root, write } = world();
    write("one");
    writeFileSync(join(root, "secret.log"), "2026-01-01T00:00:00Z stdout F secret\n");
    for (const wrong of [
      { container: ".." },
      { container: "../.." },
      { pod: "web_u1/..", uid: "" },
      { uid: "u2" },
      { namespace: ".." },
    ])
      expect(() => readPage(root, query(wrong))).toThrow(/has no log on this node/);
    expect(() => readPage(root, query({ previous: true }))).toThrow(/no log of an earlier start/);
    for (const position of ["x", "0:0", "0:1:-1:0", "0:1:2:0:4"])
      expect(() => readPage(root, query({ position }))).toThrow(/position must be/);
  });

  it("of which a runtime has taken back half a line is read on from there", () => {
    const { root, raw, folder } = world();
    raw("2026-01-01T00:00:00Z stdout F one\n");
    const { position } = readAll(root, query());
    writeFileSync(join(folder, "0.log"), "");
    raw("2026-01-01T00:00:00Z stdout F two\n");
    expect(readAll(root, query({ position })).ended).toBe(false);
  });
});

describe("pieces and last lines", () => {
  const record = fc.record({
    parts: fc.array(fc.string({ unit: fc.constantFrom("a", "b", " ", "F", "P"), maxLength: 12 }), {
      minLength: 1,
      maxLength: 3,
    }),
    repeat: fc.constantFrom(1, 1, 1, 400),
    rotate: fc.boolean(),
  });

  it("are the same as of the whole log", () => {
    const run = (
      records: readonly { parts: string[]; repeat: number; rotate: boolean }[],
      wanted: number,
    ): void => {
      const { path, remove } = temporaryDirectory();
      try {
        const { root, write, rotate } = logsIn(path);
        const expected: string[] = [];
        write("first");
        expected.push("first\n");
        for (const { parts, repeat, rotate: turned } of records) {
          for (const [i, part] of parts.entries())
            write(part.repeat(repeat), i === parts.length - 1 ? "F" : "P");
          expected.push(`${parts.map((part) => part.repeat(repeat)).join("")}\n`);
          if (!turned) continue;
          rotate();
          write("after");
          expected.push("after\n");
        }
        expect(readAll(root, query()).text).toBe(expected.join(""));
        const tail = wanted === 0 ? [] : expected.slice(-wanted);
        expect(readAll(root, query({ tailLines: wanted })).text).toBe(tail.join(""));
      } finally {
        remove();
      }
    };
    fc.assert(fc.property(fc.array(record, { maxLength: 8 }), fc.nat(12), run), { numRuns: 60 });
  });

  it("are found in a log of many pieces", () => {
    const { root, raw } = world();
    const lines = Array.from({ length: 40_000 }, (_, i) => `line ${i}`);
    raw(lines.map((line) => `2026-01-01T00:00:00Z stdout F ${line}\n`).join(""));
    expect(readAll(root, query({ tailLines: 20_000 })).text).toBe(
      lines
        .slice(-20_000)
        .map((line) => `${line}\n`)
        .join(""),
    );
    expect(readAll(root, query({ tailLines: 50_000 })).text).toHaveLength(lines.join("\n").length + 1);
  });
});
