import { describe, expect, it, onTestFinished } from "vitest";
import { GroupCommit, openDatabase, type Sequence } from "../../platform/sqlite.ts";
import { HubError } from "../../protocol/index.ts";

/** A table that takes rows of any size, up to a few pages in all. */
function smallDatabase() {
  const database = openDatabase({
    file: ":memory:",
    migrations: ["CREATE TABLE rows (id TEXT PRIMARY KEY, bytes BLOB NOT NULL)"],
    applicationId: 1,
    synchronous: "normal",
    maxBytes: 16 * 4_096,
    cacheBytes: 1 << 20,
    checkpointPages: 1_000,
    create: true,
  });
  const commit = new GroupCommit({ database, file: "rows", atTurnEnd: (run) => setImmediate(run) });
  onTestFinished(() => commit.close());
  const insert = database.prepare("INSERT INTO rows (id, bytes) VALUES (?, zeroblob(?))");
  const add = (id: string, size: number, sequence?: Sequence): Promise<unknown> =>
    commit.run(() => insert.run(id, size), sequence);
  const ids = () => database.prepare("SELECT id FROM rows ORDER BY id").pluck().all();
  return { commit, add, ids };
}

const outcomes = async (work: readonly Promise<unknown>[]) =>
  (await Promise.allSettled(work)).map(({ status }) => status === "fulfilled");

describe("work of one sequence", () => {
  it("stops behind the piece that finds the disk full; that of others goes on", async () => {
    const { add, ids } = smallDatabase();
    const sequence: Sequence = {};
    const work = [
      add("a1", 10, sequence),
      add("a2", 100_000, sequence),
      add("b", 10),
      add("a3", 10, sequence),
    ];
    expect((await outcomes(work)).slice(1)).toEqual([false, true, false]);
    expect(sequence.failure).toMatchObject({ code: "E_STORAGE_FULL" });
    await expect(add("a4", 10, sequence)).rejects.toMatchObject({ code: "E_STORAGE_FULL" });
    expect(ids()).not.toEqual(expect.arrayContaining(["a2"]));
    expect(ids()).not.toEqual(expect.arrayContaining(["a3"]));
  });

  it("stops behind a piece that decides against itself for now, and only then", async () => {
    const { add, commit, ids } = smallDatabase();
    const sequence: Sequence = {};
    const refuse = (code: "E_OUTBOX_FULL" | "E_TOO_LARGE"): Promise<unknown> =>
      commit.run(() => {
        throw new HubError(code, "no");
      }, sequence);
    const work = [
      refuse("E_TOO_LARGE"),
      add("1", 1, sequence),
      refuse("E_OUTBOX_FULL"),
      add("2", 1, sequence),
    ];
    expect(await outcomes(work)).toEqual([false, true, false, false]);
    expect(ids()).toEqual(["1"]);
  });
});
