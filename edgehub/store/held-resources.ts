import type { Database, Statement } from "../../platform/sqlite.ts";
import type { HeldVersion } from "../../protocol/index.ts";

/** What this node has, and in which version: what it tells a hub that it comes back to. */
export class HeldResources {
  readonly #held: Statement<unknown[]>;
  readonly #count: Statement<unknown[]>;

  constructor(database: Database) {
    const rows = "FROM meta WHERE origin = ? AND deleted = 0 AND version IS NOT NULL";
    this.#held = database.prepare(`SELECT key AS resource, version ${rows}`);
    this.#count = database.prepare(`SELECT count(*) AS count ${rows}`);
  }

  /** @param origin The store that numbered the versions. */
  countHeld(origin: string): number {
    return (this.#count.get(origin) as { count: number }).count;
  }

  held(origin: string): Iterable<HeldVersion> {
    return this.#held.iterate(origin) as Iterable<HeldVersion>;
  }
}
