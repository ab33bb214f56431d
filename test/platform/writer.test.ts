import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GroupCommit } from "../../platform/sqlite.ts";
import { inlineWriter, startWriter, type Writer } from "../../platform/writer.ts";
import { HubError } from "../../protocol/index.ts";
import { type NoteOp, NoteTables } from "./note-tables.ts";

/** The writer's two forms keep the same promises. */

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "cloud-edge-hub-writer-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe.each([
  [
    "in a thread",
    (file: string) =>
      startWriter<NoteOp>(new URL("./note-writer.ts", import.meta.url), file, () => undefined),
  ],
  ["on this thread", (file: string) => Promise.resolve(inlineWriter<NoteOp>(new NoteTables(file)))],
])("%s", (_where, open) => {
  let writer: Writer<NoteOp>;
  let file: string;
  beforeEach(async () => {
    file = join(directory, "notes.db");
    writer = await open(file);
  });
  afterEach(() => writer.close());
  const stored = (): unknown[] => {
    const database = new Database(file, { readonly: true });
    const texts = database.prepare("SELECT text FROM note ORDER BY id").pluck().all();
    database.close();
    return texts;
  };

  it("has written what it has answered", async () => {
    await writer.call({ op: "add", text: "a" });
    expect(stored()).toEqual(["a"]);
  });

  it("answers in the order of the calls, from one transaction a turn", async () => {
    const counts = await Promise.all(["a", "b", "c"].map((text) => writer.call<number>({ op: "add", text })));
    expect(counts).toEqual([1, 2, 3]);
    expect(await writer.call<number>({ op: "transactions" })).toBe(1);
  });

  it("carries bytes, each with its own operation", async () => {
    const bytes = [new Uint8Array([1, 2]), new Uint8Array(0), new Uint8Array([3])];
    const sums = await Promise.all(bytes.map((blob) => writer.call<number>({ op: "sum" }, blob)));
    expect(sums).toEqual([3, 0, 3]);
    expect(await writer.call<number>({ op: "sum" })).toBe(-1);
  });

  it("asks for a late operation when the turn is over", async () => {
    let text = "early";
    const late = writer.callLater<number>(() => ({ op: "add", text }));
    text = "late";
    await late;
    expect(stored()).toEqual(["late"]);
  });

  it("fails the guilty operation alone when the database refuses it", async () => {
    const outcomes = await Promise.allSettled([
      writer.call({ op: "add", text: "a" }),
      writer.call({ op: "break" }),
      writer.call({ op: "add", text: "b" }),
    ]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(outcomes[1]).toMatchObject({ reason: { code: "E_STORAGE" } });
    expect(stored()).toEqual(["a", "b"]);
  });

  it("fails an operation that decides against itself without a second try for the others", async () => {
    const outcomes = await Promise.allSettled([
      writer.call({ op: "add", text: "a" }),
      writer.call({ op: "refuse" }),
      writer.call({ op: "add", text: "b" }),
    ]);
    expect(outcomes[1]).toMatchObject({ reason: { code: "E_BACKLOG_FULL", retryable: true } });
    expect(await writer.call<number>({ op: "transactions" })).toBe(1);
    expect(stored()).toEqual(["a", "b"]);
  });

  it("writes everything that was called before it closes, and nothing afterwards", async () => {
    const last = writer.call({ op: "add", text: "last" });
    await writer.close();
    await last;
    expect(stored()).toEqual(["last"]);
    await expect(writer.call({ op: "add", text: "too late" })).rejects.toMatchObject({ code: "E_CLOSED" });
  });
});

describe("the thread", () => {
  it("reports why it could not open its database", async () => {
    const starting = startWriter<NoteOp>(
      new URL("./note-writer.ts", import.meta.url),
      "/nowhere/notes.db",
      () => undefined,
    );
    await expect(starting).rejects.toMatchObject({ code: "E_STORAGE" });
  });

  it("says so when it dies, and fails what waits", async () => {
    let death: HubError | undefined;
    const writer = await startWriter<NoteOp>(
      new URL("./note-writer.ts", import.meta.url),
      join(directory, "n.db"),
      (error) => {
        death = error;
      },
    );
    await expect(writer.call({ op: "die" })).rejects.toMatchObject({ code: "E_INTERNAL" });
    expect(death).toBeInstanceOf(HubError);
    await expect(writer.call({ op: "add", text: "a" })).rejects.toMatchObject({ code: "E_INTERNAL" });
  });
});

describe("group commit", () => {
  it("puts all work of a turn into one transaction and resolves after it", async () => {
    const database = new Database(":memory:");
    database.exec("CREATE TABLE note (text)");
    const ends: (() => void)[] = [];
    const commit = new GroupCommit({ database, file: "memory", atTurnEnd: (run) => void ends.push(run) });
    const add = (text: string) =>
      commit.run(() => database.prepare("INSERT INTO note VALUES (?)").run(text).changes);
    const both = Promise.all([add("a"), add("b")]);
    expect(ends).toHaveLength(1);
    expect(database.prepare("SELECT count(*) FROM note").pluck().get()).toBe(0);
    ends[0]?.();
    expect(await both).toEqual([1, 1]);
    commit.close();
    await expect(add("c")).rejects.toMatchObject({ code: "E_CLOSED" });
  });

  it.each([
    ["SQLITE_CORRUPT", "E_STORE_CORRUPT"],
    ["SQLITE_FULL", "E_STORAGE_FULL"],
    ["SQLITE_IOERR_WRITE", "E_STORAGE"],
  ])("refuses work for now at %s, and lives on when undoing fails too", async (code, refusal) => {
    const database = new Database(":memory:");
    const ends: (() => void)[] = [];
    const parts = { database, file: "memory", atTurnEnd: (run: () => void) => void ends.push(run) };
    const failing = (): never => {
      throw Object.assign(new Error("the disk is gone"), { code });
    };
    const commit = new GroupCommit(parts, failing);
    const refused = expect(commit.run(failing)).rejects.toMatchObject({ code: refusal, retryable: true });
    ends[0]?.();
    await refused;
    const well = commit.run(() => "well again");
    ends[1]?.();
    expect(await well).toBe("well again");
    commit.close();
  });
});
