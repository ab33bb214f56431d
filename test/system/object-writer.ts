import { openResourceStore } from "../../cloudhub/store/sqlite-resource-store.ts";
import { isReason } from "../../kubernetes/index.ts";
import { systemClock } from "../../platform/clock.ts";
import { keyOf, objectOf } from "../support/resource-store.ts";

/** What a program told of a write that resolved. */
export interface ResolvedWrite {
  readonly name: string;
  readonly revision: number;
  /** -1: removed. */
  readonly value: number;
}

// A program that writes objects as fast as it can, until it is killed. Arguments: the file, the first value.
const [file, first] = process.argv.slice(2) as [string, string];
const store = await openResourceStore(
  {
    file,
    create: first === "0",
    synchronous: "full",
    maxBytes: 0,
    maxObjectCharacters: 1 << 20,
    history: { changes: 600, characters: 1 << 30 },
  },
  systemClock,
  (error) => {
    throw error;
  },
);

let value = Number(first);
const tell = (write: ResolvedWrite): void => void process.send?.(write);

/** Sixteen of them share forty objects: most writes are decided while others of the same object are on their way. */
async function write(): Promise<void> {
  for (;;) {
    const mine = value++;
    const name = `n${(mine * 7) % 40}`;
    const key = keyOf(name);
    try {
      const removed = mine % 9 === 0;
      const { revision } = removed
        ? await store.remove(key, "any")
        : await store.put(
            key,
            objectOf(name, mine),
            mine % 3 === 0 ? (store.get(key)?.revision ?? "absent") : "any",
          );
      tell({ name, revision, value: removed ? -1 : mine });
    } catch (error) {
      if (!["NotFound", "Conflict", "AlreadyExists"].some((reason) => isReason(error, reason as "Conflict")))
        throw error;
    }
  }
}

process.send?.("ready");
await Promise.all(Array.from({ length: 16 }, write));
