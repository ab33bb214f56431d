import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makePrivateDirectory, readIfThere, writeDurably } from "../../platform/private-files.ts";

describe("private files", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "hub-files-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("are written as a whole, with the given mode, and nothing is left beside them", () => {
    const file = join(directory, "key");
    writeDurably(file, "old", 0o600);
    writeDurably(file, "new", 0o600);
    expect(readFileSync(file, "utf8")).toBe("new");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(["key"]);
  });

  it("do not take over the mode of what a crash left behind", () => {
    const file = join(directory, "key");
    writeFileSync(`${file}.new`, "half", { mode: 0o644 });
    writeDurably(file, "new", 0o600);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("stay as they were if writing fails", () => {
    const file = join(directory, "key");
    writeDurably(file, "old", 0o600);
    mkdirSync(`${file}.new`);
    writeFileSync(join(`${file}.new`, "full"), "");
    expect(() => writeDurably(file, "new", 0o600)).toThrow(expect.objectContaining({ code: "E_STORAGE" }));
    expect(readFileSync(file, "utf8")).toBe("old");
  });

  it("are undefined where there are none, and an error where they cannot be read", () => {
    expect(readIfThere(join(directory, "none"))).toBeUndefined();
    expect(() => readIfThere(directory)).toThrow(expect.objectContaining({ code: "E_STORAGE" }));
  });

  it("lie in directories of mode 0700, new or not", () => {
    const deep = join(directory, "a", "b");
    makePrivateDirectory(deep);
    expect(statSync(deep).mode & 0o777).toBe(0o700);
    chmodSync(deep, 0o755);
    makePrivateDirectory(deep);
    expect(statSync(deep).mode & 0o777).toBe(0o700);
  });

  it("say so if a directory cannot be made", () => {
    writeFileSync(join(directory, "file"), "");
    expect(() => makePrivateDirectory(join(directory, "file", "below"))).toThrow(
      expect.objectContaining({ code: "E_STORAGE" }),
    );
  });
});
