import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Twin, Twins, TwinVersion } from "../../../edgehub/devicetwin/device.ts";
import {
  deltaOf,
  syncTwins,
  type TwinChange,
  type TwinOutcome,
  updateTwins,
} from "../../../edgehub/devicetwin/twin.ts";

const none: Twins = new Map();
const changes = (all: Record<string, TwinChange | null>) => new Map(Object.entries(all));
const plain = (map: ReadonlyMap<string, unknown>) => Object.fromEntries(map);

function updated(twins: Twins, all: Record<string, TwinChange | null>, now = 1): TwinOutcome {
  const outcome = updateTwins(twins, changes(all), now);
  if ("refused" in outcome) throw new Error(outcome.refused);
  return outcome;
}
const refusal = (twins: Twins, all: Record<string, TwinChange | null>) =>
  updateTwins(twins, changes(all), 1) as { refused?: string };
const synced = (twins: Twins, all: Record<string, TwinChange | null>, now = 1) =>
  syncTwins(twins, changes(all), now);

const temperature = updated(none, { t: { expected: { value: "30" }, actual: { value: "25" }, type: "int" } });

describe("an update from the node", () => {
  it("makes an unknown property, with its first edge version", () => {
    const outcome = updated(none, { t: { actual: { value: "25" }, type: "int" } }, 7);
    const twin = {
      actual: { value: "25", metadata: { timestamp: 7 } },
      optional: true,
      metadata: { type: "int" },
    };
    expect(plain(outcome.result)).toEqual({ t: twin });
    expect(plain(outcome.document)).toEqual({ t: { last: null, current: twin } });
    expect(plain(outcome.upstream)).toEqual({ t: { ...twin, actual_version: { cloud: 0, edge: 1 } } });
  });

  it("tells what was set only, and the whole property before and after", () => {
    const outcome = updated(temperature.twins, { t: { expected: { value: "31" } } }, 2);
    const expected = { value: "31", metadata: { timestamp: 2 } };
    const actual = { value: "25", metadata: { timestamp: 1 } };
    const rest = { optional: true, metadata: { type: "int" } };
    expect(plain(outcome.result)).toEqual({ t: { expected, ...rest } });
    expect(outcome.document.get("t")?.current).toEqual({ expected, actual, ...rest });
    expect(plain(outcome.upstream)).toEqual({
      t: { expected, ...rest, expected_version: { cloud: 0, edge: 2 } },
    });
  });

  it("counts a value that is set to what it was", () => {
    const outcome = updated(temperature.twins, { t: { actual: { value: "25" } } });
    expect(outcome.upstream.get("t")?.actual_version).toEqual({ cloud: 0, edge: 2 });
  });

  it("keeps the type a property has, whatever the update says", () => {
    expect(refusal(temperature.twins, { t: { actual: { value: "warm" }, type: "string" } })).toEqual({
      refused: "the value is not int or integer",
    });
    const outcome = updated(temperature.twins, { t: { actual: { value: "26" }, type: "string" } });
    expect(outcome.twins.get("t")?.metadata).toEqual({ type: "int" });
  });

  it("applies nothing when one value is wrong", () => {
    const all = { a: { actual: { value: "1" } }, b: { actual: { value: "x" }, type: "boolean" } };
    expect(refusal(none, all)).toEqual({ refused: "the bool value must be true or false" });
  });

  it.each(["double", "bytes", "INT", "deleted", "constructor"])("refuses the type %s", (type) => {
    expect(refusal(none, { t: { actual: { value: "1" }, type } })).toEqual({
      refused: "the value type is not allowed",
    });
  });

  it("refuses a value that is no value", () => {
    expect(refusal(none, { t: { actual: {} } }).refused).toMatch(/actual value is missing/);
  });

  it("lets a property become one that must stay, and never back", () => {
    const fixed = updated(temperature.twins, { t: { optional: false } });
    expect(plain(fixed.result)).toEqual({ t: { optional: false } });
    const again = updated(fixed.twins, { t: { optional: true } });
    expect(again.twins).toBe(fixed.twins);
    const kept = updated(fixed.twins, { t: null });
    expect([kept.twins, kept.result.size, kept.upstream.size]).toEqual([fixed.twins, 0, 0]);
  });

  it("deletes with null; the name may come back with another type, its versions go on", () => {
    const gone = updated(temperature.twins, { t: null });
    expect(plain(gone.result)).toEqual({ t: null });
    expect(gone.document.get("t")).toMatchObject({ current: null, last: { actual: { value: "25" } } });
    expect(gone.upstream.get("t")).toEqual({
      expected: {},
      actual: {},
      optional: true,
      metadata: { type: "deleted" },
      expected_version: { cloud: 0, edge: 2 },
      actual_version: { cloud: 0, edge: 2 },
    });
    expect(updated(gone.twins, { t: null }).twins).toBe(gone.twins);
    const back = updated(gone.twins, { t: { actual: { value: "warm" } } }, 3);
    expect(back.document.get("t")).toEqual({
      last: null,
      current: {
        actual: { value: "warm", metadata: { timestamp: 3 } },
        optional: true,
        metadata: { type: "string" },
      },
    });
    expect(back.upstream.get("t")?.actual_version).toEqual({ cloud: 0, edge: 3 });
  });

  it("passes over the deletion of what is not there", () => {
    expect(updated(none, { t: null }).twins).toBe(none);
  });

  it("takes names that JavaScript has a use for", () => {
    const outcome = updated(none, Object.fromEntries([["__proto__", { actual: { value: "1" } }]]));
    expect([...outcome.twins.keys()]).toEqual(["__proto__"]);
  });
});

describe("the delta", () => {
  it("names what is wished and not so", () => {
    const { twins } = updated(temperature.twins, {
      idle: { actual: { value: "1" } },
      ok: { expected: { value: "x" }, actual: { value: "x" } },
    });
    const delta = deltaOf(twins);
    expect([...(delta?.twin.keys() ?? [])]).toEqual(["t", "ok"]);
    expect(plain(delta?.delta ?? none)).toEqual({ t: "30" });
  });

  it("is none when all wishes are fulfilled, empty or deleted", () => {
    const met = updated(temperature.twins, {
      t: { actual: { value: "30" } },
      e: { expected: { value: "" } },
    });
    expect(deltaOf(met.twins)).toBeUndefined();
    expect(deltaOf(updated(temperature.twins, { t: null }).twins)).toBeUndefined();
  });
});

describe("a sync from the cloud", () => {
  const version = (cloud: number, edge: number) => ({ expected_version: { cloud, edge } });

  it("is taken, with its versions, if it knows ours", () => {
    const outcome = synced(temperature.twins, { t: { expected: { value: "40" }, ...version(1, 1) } }, 9);
    expect(outcome.twins.get("t")).toMatchObject({
      expected: { value: "40", metadata: { timestamp: 9 } },
      expected_version: { cloud: 1, edge: 1 },
    });
    expect([outcome.upstream.size, outcome.result.size, outcome.document.size]).toEqual([0, 0, 1]);
  });

  it.each([
    ["has no version", {}],
    ["does not know our last change", version(5, 0)],
  ])("is refused if it %s, its actual value with it, and the cloud is told ours", (_, versions) => {
    const change = {
      expected: { value: "40" },
      actual: { value: "1" },
      ...versions,
      actual_version: { cloud: 9, edge: 9 },
    };
    const outcome = synced(temperature.twins, { t: change });
    expect(outcome.twins).toBe(temperature.twins);
    expect(plain(outcome.upstream)).toEqual({
      t: {
        expected: { value: "30", metadata: { timestamp: 1 } },
        optional: true,
        metadata: { type: "int" },
        expected_version: { cloud: 0, edge: 1 },
      },
    });
  });

  it("is refused if it is older than what the cloud said before", () => {
    const newer = synced(temperature.twins, { t: { expected: { value: "40" }, ...version(3, 1) } });
    const older = synced(newer.twins, { t: { expected: { value: "41" }, ...version(2, 1) } });
    expect(older.twins).toBe(newer.twins);
    expect(older.upstream.get("t")).toMatchObject({ expected: { value: "40" } });
  });

  it("adds a property, silently not if it has no version or a wrong value", () => {
    const added = synced(none, { t: { expected: { value: "1" }, type: "int", ...version(1, 0) } });
    expect(added.twins.get("t")).toMatchObject({ expected: { value: "1" } });
    for (const wrong of [
      { expected: { value: "1" } },
      { expected: { value: "x" }, type: "int", ...version(1, 0) },
    ]) {
      const outcome = synced(none, { t: wrong });
      expect([outcome.twins, outcome.upstream.size, outcome.document.size]).toEqual([none, 0, 0]);
    }
  });

  it("deletes by type, unless it does not know our last change", () => {
    const blind = synced(temperature.twins, { t: { type: "deleted", ...version(1, 0) } });
    expect(blind.twins).toBe(temperature.twins);
    expect(blind.upstream.get("t")).toBe(temperature.twins.get("t"));
    const gone = synced(temperature.twins, { t: { type: "deleted", ...version(1, 1) } });
    expect(gone.twins.get("t")).toMatchObject({ metadata: { type: "deleted" }, expected: {} });
    expect(gone.document.get("t")?.current).toBeNull();
    expect(gone.upstream.size).toBe(0);
  });
});

describe("versions", () => {
  const value = fc.constantFrom("1", "2", "3", "");
  const part = fc.option(fc.record({ value }), { nil: undefined });
  const count = fc.nat({ max: 4 });
  const version = fc.option(fc.record({ cloud: count, edge: count }), { nil: undefined });
  const defined = (change: object) =>
    Object.fromEntries(Object.entries(change).filter(([, one]) => one !== undefined)) as TwinChange;
  const type = fc.constantFrom(undefined, "int", "string", "deleted");
  const change = fc
    .record({ expected: part, actual: part, type, expected_version: version, actual_version: version })
    .map(defined);
  const step = fc.record({ local: fc.boolean(), change: fc.option(change, { nil: null }) });
  const isBehind = (now: Twin | undefined, before: Twin | undefined) =>
    (["expected_version", "actual_version"] as const).some(
      (key) =>
        (now?.[key]?.cloud ?? 0) < (before?.[key]?.cloud ?? 0) ||
        (now?.[key]?.edge ?? 0) < (before?.[key]?.edge ?? 0),
    );

  it("never go back, whatever comes from either side", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        let twins = none;
        for (const { local, change: one } of steps) {
          const before = twins.get("t");
          const outcome = local ? updateTwins(twins, changes({ t: one }), 1) : synced(twins, { t: one });
          if ("refused" in outcome) continue;
          twins = outcome.twins;
          expect(isBehind(twins.get("t"), before)).toBe(false);
        }
      }),
    );
  });

  it("are in everything that is told the cloud, and those of the node", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        let twins = none;
        for (const { local, change: one } of steps) {
          const outcome = local ? updateTwins(twins, changes({ t: one }), 1) : synced(twins, { t: one });
          if ("refused" in outcome) continue;
          twins = outcome.twins;
          const told = outcome.upstream.get("t");
          const kept = twins.get("t");
          if (told?.actual)
            expect([told.actual, told.actual_version]).toEqual([kept?.actual, kept?.actual_version]);
          if (told?.expected)
            expect([told.expected, told.expected_version]).toEqual([kept?.expected, kept?.expected_version]);
        }
      }),
    );
  });

  it("make both sides agree on a value in the end, whoever changed it and however messages crossed", () => {
    const move = fc.constantFrom(...Object.keys(new Sides().moves));
    fc.assert(
      fc.property(fc.array(move, { maxLength: 40 }), (moves) => {
        const sides = new Sides();
        for (const one of moves) sides.moves[one]?.();
        sides.settle();
        expect(sides.node.get("t")?.expected?.value).toBe(sides.cloud.value);
      }),
    );
  });
});

interface Wish {
  readonly value: string;
  readonly version: TwinVersion;
}

/**
 * The node, and a cloud that follows the rules: it counts its own side up, does not take what does not know its last
 * change, and says that again with what it has learned. Messages of one direction keep their order.
 */
class Sides {
  node = updated(none, { t: { expected: { value: "0" } } }).twins;
  cloud: Wish = { value: "0", version: { cloud: 0, edge: 1 } };
  readonly #down: Wish[] = [];
  readonly #up: Wish[] = [];
  #next = 1;

  readonly moves: Readonly<Record<string, () => void>> = {
    cloudChanges: () =>
      this.#say(`${this.#next++}`, { ...this.cloud.version, cloud: this.cloud.version.cloud + 1 }),
    nodeChanges: () => this.#take(updated(this.node, { t: { expected: { value: `${this.#next++}` } } })),
    downArrives: () => this.#atNode(this.#down.shift()),
    upArrives: () => this.#atCloud(this.#up.shift()),
  };

  settle(): void {
    while (this.#down.length + this.#up.length > 0) {
      this.moves.upArrives?.();
      this.moves.downArrives?.();
    }
  }

  #say(value: string, version: TwinVersion): void {
    this.cloud = { value, version };
    this.#down.push(this.cloud);
  }

  #take({ twins, upstream }: TwinOutcome): void {
    this.node = twins;
    const { expected, expected_version: version } = upstream.get("t") ?? {};
    if (expected?.value !== undefined && version) this.#up.push({ value: expected.value, version });
  }

  #atNode(wish: Wish | undefined): void {
    if (wish === undefined) return;
    const change = { expected: { value: wish.value }, expected_version: wish.version };
    this.#take(synced(this.node, { t: change }));
  }

  #atCloud(wish: Wish | undefined): void {
    const { value, version } = this.cloud;
    if (wish === undefined || wish.version.edge < version.edge) return;
    if (wish.version.cloud >= version.cloud) this.cloud = wish;
    else this.#say(value, { cloud: version.cloud, edge: wish.version.edge });
  }
}
