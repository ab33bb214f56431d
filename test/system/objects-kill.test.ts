import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import type { ObjectChange, ResourceStore } from "../../cloudhub/store/resource-store.ts";
import { Program, temporaryDirectory } from "../support/processes.ts";
import { keyOf, openResources } from "../support/resource-store.ts";
import { randomOf, seeds } from "../support/seeds.ts";
import type { ResolvedWrite } from "./object-writer.ts";

const kills = 12;

it("keeps every write that resolved, whenever its process is killed", async () => {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const file = join(path, "resources.db");
  const random = randomOf(seeds(1)[0] as number);
  const writes = new Map<number, ResolvedWrite>();
  let next = 0;
  for (let kill = 0; kill < kills; kill++) {
    const program = new Program("test/system/object-writer.ts", [file, String(next)]);
    const newest = Math.max(0, ...writes.keys());
    const started = new Promise((resolve, reject) => {
      void program.ended.then(() => reject(new Error(program.stderr.join("\n"))));
      program.onMessage((message) => {
        if (message === "ready") return resolve(undefined);
        const write = message as ResolvedWrite;
        // No revision is given twice, and none that is older than those before the kill.
        expect(writes.has(write.revision)).toBe(false);
        expect(write.revision).toBeGreaterThan(newest);
        writes.set(write.revision, write);
        next = Math.max(next, write.value + 1);
      });
    });
    await started;
    await pause(100 + 300 * random());
    await program.kill();
    // What was being written may be there or not; it is not written again.
    next += 1_000;
    await check(file, writes);
  }
  expect(writes.size).toBeGreaterThan(kills * 10);
});

/** Every object is as its last resolved write left it, or as a later one did that nobody was told of. */
async function check(file: string, writes: ReadonlyMap<number, ResolvedWrite>): Promise<void> {
  const store = await openResources({ file, create: false, changes: 600 });
  const last = new Map<string, ResolvedWrite>();
  for (const write of [...writes.values()].sort((a, b) => a.revision - b.revision))
    last.set(write.name, write);
  for (const { name, revision, value } of last.values()) {
    const found = store.get(keyOf(name));
    if (found?.revision === revision) expect((found.object.data as { value: number }).value).toBe(value);
    else if (found !== undefined) expect(found.revision).toBeGreaterThan(revision);
    else if (value !== -1) expect(await removedAfter(store, name, revision)).toBe(true);
  }
  await store.close();
}

async function removedAfter(store: ResourceStore, name: string, after: number): Promise<boolean> {
  const removals: ObjectChange[] = [];
  const end = new AbortController();
  // By then it has told of all that has happened.
  setImmediate(() => end.abort());
  for await (const change of store.follow("configmaps", after, end.signal)) {
    if (change.deleted && change.key.name === name) removals.push(change);
  }
  return removals.length > 0;
}
