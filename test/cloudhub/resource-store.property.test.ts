import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Expected, ObjectChange } from "../../cloudhub/store/resource-store.ts";
import type { SqliteResourceStore } from "../../cloudhub/store/sqlite-resource-store.ts";
import { isReason } from "../../kubernetes/index.ts";
import { temporaryDirectory } from "../support/processes.ts";
import { keyOf, objectOf, openResources } from "../support/resource-store.ts";

const types = ["configmaps", "secrets"] as const;
const namespaces = ["a", "a-b", "b"] as const;

/** What a write expects: nothing, anything, the version that is there, or another one. */
type Wish = "absent" | "any" | "newest" | "older";
type Step =
  | {
      readonly do: "write";
      readonly type: number;
      readonly name: string;
      readonly namespace: number;
      readonly remove: boolean;
      readonly wish: Wish;
    }
  | { readonly do: "follow"; readonly type: number; readonly back: number }
  | { readonly do: "list"; readonly type: number; readonly namespace: number; readonly limit: number }
  | { readonly do: "reopen" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("write" as const),
      type: fc.nat(1),
      name: fc.constantFrom("x", "y", "y.z", "y-z", "z"),
      namespace: fc.nat(2),
      remove: fc.boolean(),
      wish: fc.constantFrom<Wish>("absent", "any", "any", "newest", "newest", "older"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("follow" as const), type: fc.nat(1), back: fc.nat(12) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("list" as const),
      type: fc.nat(1),
      namespace: fc.nat(3),
      limit: fc.nat(3),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reopen" as const) }) },
);
/** Steps of one group begin together. */
const history = fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { maxLength: 12 });

interface Fact {
  readonly revision: number;
  readonly type: string;
  readonly id: string;
  /** The value written; `undefined`: removed. */
  readonly value: number | undefined;
}

/** A slow, obvious store: everything that ever happened. `undefined` revisions are filled in when they are known. */
class Model {
  readonly facts: (Omit<Fact, "revision"> & { revision: number | undefined })[] = [];

  /** The fact that is true of an object now, or was at a revision. */
  of(type: string, id: string, asOf = Number.POSITIVE_INFINITY) {
    const fact = this.facts.findLast(
      (one) => one.type === type && one.id === id && (one.revision ?? 0) <= asOf,
    );
    return fact?.value === undefined ? undefined : fact;
  }

  after(type: string, revision: number): Fact[] {
    return (this.facts as Fact[]).filter((one) => one.type === type && one.revision > revision);
  }

  list(type: string, namespace: string | undefined, asOf: number): string[] {
    const ids = new Set(this.facts.filter((one) => one.type === type).map((one) => one.id));
    const inside = [...ids].filter((id) => namespace === undefined || id.startsWith(`${namespace}/`)).sort();
    return inside.flatMap((id) => {
      const fact = this.of(type, id, asOf);
      return fact === undefined ? [] : [`${id}=${fact.value}`];
    });
  }
}

/** A store under test beside its model. */
class Trial {
  readonly #model = new Model();
  readonly #followers: { told: ObjectChange[]; type: string; after: number; ended: Promise<unknown> }[] = [];
  readonly #limits: { file: string; changes: number };
  #store: SqliteResourceStore;
  #stop = new AbortController();
  #values = 0;

  constructor(store: SqliteResourceStore, limits: { file: string; changes: number }) {
    this.#store = store;
    this.#limits = limits;
  }

  async group(steps: readonly Step[]): Promise<void> {
    const writes: Promise<void>[] = [];
    for (const one of steps) {
      if (one.do === "write") writes.push(this.#write(one));
      else if (one.do === "follow") this.#follow(types[one.type] as string, one.back);
    }
    await Promise.all(writes);
    for (const one of steps) {
      if (one.do === "list") await this.#list(one);
      else if (one.do === "reopen") await this.#reopen();
    }
  }

  #write({
    type: typeIndex,
    name,
    namespace: namespaceIndex,
    remove,
    wish,
  }: Extract<Step, { do: "write" }>): Promise<void> {
    const type = types[typeIndex] as string;
    const namespace = namespaces[namespaceIndex] as string;
    const id = `${namespace}/${name}`;
    const key = keyOf(name, namespace, type);
    const found = this.#model.of(type, id);
    const known = this.#store.get(key)?.revision ?? 0;
    // The version that is still being written is known to nobody.
    const expected: Expected =
      wish === "newest"
        ? known
        : wish === "older"
          ? Math.max(known - 1, 1)
          : remove && wish === "absent"
            ? "any"
            : wish;
    const fits =
      expected === "any"
        ? !remove || found !== undefined
        : expected === "absent"
          ? found === undefined
          : found?.revision === expected && known > 0;
    const value = remove ? undefined : ++this.#values;
    const fact = { type, id, value, revision: undefined as number | undefined };
    if (fits) this.#model.facts.push(fact);
    const written = remove
      ? this.#store.remove(key, expected as number | "any")
      : this.#store.put(key, objectOf(name, value, namespace), expected);
    return written.then(
      ({ revision, object }) => {
        expect(fits).toBe(true);
        expect(object.metadata.resourceVersion).toBe(String(revision));
        fact.revision = revision;
      },
      (error) => {
        expect(fits).toBe(false);
        const reason =
          expected === "absent" ? "AlreadyExists" : found === undefined ? "NotFound" : "Conflict";
        expect(isReason(error, reason)).toBe(true);
      },
    );
  }

  #follow(type: string, back: number): void {
    const known = this.#model.facts.flatMap(({ revision }) => (revision === undefined ? [] : [revision]));
    const after = known.at(-1 - back) ?? 0;
    const told: ObjectChange[] = [];
    const read = async (): Promise<void> => {
      for await (const change of this.#store.follow(type, after, this.#stop.signal)) told.push(change);
    };
    this.#followers.push({ told, type, after, ended: read().catch((error: unknown) => error) });
  }

  async #list({ type: typeIndex, namespace: index, limit }: Extract<Step, { do: "list" }>): Promise<void> {
    const [type, namespace] = [types[typeIndex] as string, namespaces[index]];
    const found: string[] = [];
    let revision: number | undefined;
    let token: string | undefined;
    try {
      do {
        const page = this.#store.list(type, { namespace, limit, continue: token });
        revision ??= page.revision;
        expect(page.revision).toBe(revision);
        token = page.continue;
        for (const { metadata, data } of page.items)
          found.push(`${metadata.namespace}/${metadata.name}=${(data as { value: number }).value}`);
        // Something happens between two pages.
        const [namespaceIndex, name] = [this.#values % 3, ["x", "y-z"][this.#values % 2] as string];
        if (token !== undefined)
          await this.#write({
            do: "write",
            type: typeIndex,
            name,
            namespace: namespaceIndex,
            remove: this.#values % 5 === 0,
            wish: "any",
          });
      } while (token !== undefined);
    } catch (error) {
      // Only a short history may be too short for a list.
      expect(isReason(error, "Expired") && this.#limits.changes < 100).toBe(true);
      return;
    }
    expect(found).toEqual(this.#model.list(type, namespace, revision ?? 0));
  }

  async #reopen(): Promise<void> {
    await this.check();
    await this.#store.close();
    this.#stop = new AbortController();
    this.#store = await openResources({ ...this.#limits, create: false });
  }

  /** Ends all followers: each was told everything after its revision, once and in order, or that it cannot be. */
  async check(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#stop.abort();
    for (const { told, type, after, ended } of this.#followers.splice(0)) {
      const error = await ended;
      const all = this.#model.after(type, after);
      if (error === undefined) expect(told).toHaveLength(all.length);
      else expect(isReason(error, "Expired") && this.#limits.changes < 100).toBe(true);
      for (const [i, change] of told.entries()) this.#compare(change, all[i] as Fact);
    }
    const last = this.#model.facts.at(-1)?.revision;
    if (last !== undefined) expect(this.#store.revision).toBe(last);
    for (const type of types)
      expect(this.#store.list(type).items).toHaveLength(
        this.#model.list(type, undefined, Number.POSITIVE_INFINITY).length,
      );
  }

  #compare({ revision, key, object, previous, deleted }: ObjectChange, fact: Fact): void {
    const before = this.#model.of(fact.type, fact.id, fact.revision - 1);
    expect({ revision, id: `${key.namespace}/${key.name}`, deleted }).toEqual({
      revision: fact.revision,
      id: fact.id,
      deleted: fact.value === undefined,
    });
    expect((previous?.data as { value: number } | undefined)?.value).toBe(before?.value);
    if (!deleted) expect((object.data as { value: number }).value).toBe(fact.value);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

it.each([
  ["a long history", 1_000, 120],
  ["a short history", 4, 60],
])(
  "does what an obvious store does, with %s",
  async (_what, changes, numRuns) => {
    const run = async (groups: Step[][]): Promise<void> => {
      const { path, remove } = temporaryDirectory();
      const limits = { file: join(path, "resources.db"), changes };
      const trial = new Trial(await openResources(limits), limits);
      try {
        for (const steps of groups) await trial.group(steps);
        await trial.check();
      } finally {
        await trial.close();
        remove();
      }
    };
    await fc.assert(fc.asyncProperty(history, run), { numRuns });
  },
  120_000,
);
