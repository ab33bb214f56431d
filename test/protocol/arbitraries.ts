import fc from "fast-check";
import type { ControlFrame } from "../../protocol/codec.ts";
import type { Delivery } from "../../protocol/delivery.ts";
import { event, numberedState, state, volatile } from "../../protocol/delivery.ts";
import { type ErrorCode, errorTable } from "../../protocol/errors.ts";
import type { Hello, Receipt, Refusal } from "../../protocol/frame.ts";
import { operations } from "../../protocol/operation.ts";
import { parseVersion, type ResourceVersion } from "../../protocol/version.ts";
import type { WireMessage } from "../../protocol/wire-message.ts";

/** How often a property is tried, and with which seed; fast-check prints the seed of a failure. */
export function runs(numRuns: number): { numRuns: number; seed: number } {
  return { numRuns, seed: Number(process.env.SEED ?? 1) };
}

/** Text of all kinds that UTF-8 can carry: empty, long, with controls, beyond the first plane, with a BOM. */
export const texts = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.constantFrom("", "\ufeffmark", "\u2028\u2029<>&", "\u0000\u001f\u007f", "🚀".repeat(40)),
);

/** As {@link texts}, and halves of surrogate pairs, which UTF-8 cannot carry. */
export const illFormedTexts = fc
  .array(fc.oneof(texts, fc.constantFrom("\ud800", "\udfff", "a\udbff")), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join(""));

/** A 64-bit number as messages carry it: a number where that is exact, else a bigint. */
export const timestamps = fc
  .oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.integer().map(BigInt), fc.constant(0n))
  .map((exact) => (Number.isSafeInteger(Number(exact)) ? Number(exact) : exact));

export const versions: fc.Arbitrary<ResourceVersion> = fc
  .bigInt({ min: 0n, max: 2n ** 64n - 1n })
  .map((version) => parseVersion(String(version)) as ResourceVersion);

/** JSON texts, compact and with spaces, as content. */
export const jsonContents = fc
  .tuple(fc.jsonValue(), fc.constantFrom(0, 2))
  .map(([value, spaces]) => Buffer.from(value === null ? "" : JSON.stringify(value, null, spaces)));

export const deliveries: fc.Arbitrary<Delivery> = fc.oneof(
  fc.constantFrom(state, numberedState, volatile),
  fc
    .record({
      priority: fc.integer({ min: -100, max: 100 }),
      ttlMs: fc.option(fc.maxSafeNat().map((ms) => ms || 1)),
    })
    .map(({ priority, ttlMs }) => event(ttlMs === null ? { priority } : { priority, ttlMs })),
);

/** Any message that can be on a packed link, used or not by the rest of the program. */
export const packedWires: fc.Arbitrary<WireMessage> = fc.record({
  id: texts,
  parentId: texts,
  timestamp: timestamps,
  resourceVersion: texts,
  sync: fc.boolean(),
  type: fc.constant(""),
  source: texts,
  destination: fc.constant(""),
  group: texts,
  operation: texts,
  resource: texts,
  content: jsonContents,
});

const words = fc.string({ minLength: 1, maxLength: 20 });

/** A message all of whose fields can be used. */
export const usableWires: fc.Arbitrary<WireMessage> = fc.record({
  id: words,
  parentId: fc.oneof(fc.constant(""), words),
  timestamp: timestamps,
  resourceVersion: fc.oneof(fc.constant(""), versions),
  sync: fc.constant(false),
  type: fc.constant(""),
  source: words,
  destination: fc.constant(""),
  group: words,
  operation: fc.constantFrom(...operations),
  resource: fc
    .array(fc.stringMatching(/^[a-z0-9$+#.-]{1,8}$/), { maxLength: 6 })
    .map((parts) => parts.join("/")),
  content: jsonContents,
});

export const linkFields = fc.record({
  position: fc.oneof(fc.constant(0), fc.maxSafeNat()),
  resume: fc.boolean(),
  node: fc.constantFrom(undefined, "edge-1", "a.b"),
});

export const errorCodes = fc.constantFrom(...(Object.keys(errorTable) as ErrorCode[]));

export const refusals: fc.Arbitrary<Refusal> = fc.record({
  code: errorCodes,
  text: texts,
  retryable: fc.boolean(),
});

const bodies = fc.uint8Array({ maxLength: 40 });

const greetings = {
  software: texts,
  storeId: texts,
  windowMessages: fc.nat({ max: 2 ** 31 - 1 }),
  windowBytes: fc.maxSafeNat(),
  maxMessageBytes: fc.maxSafeNat(),
  wallTime: fc.maxSafeNat(),
};

export const hellos: fc.Arbitrary<Hello> = fc.oneof(
  fc.record(greetings),
  fc.record({
    ...greetings,
    held: fc.record({ storeId: texts, digest: fc.uint8Array({ minLength: 1, maxLength: 40 }) }),
  }),
);

export const controlFrames: fc.Arbitrary<ControlFrame> = fc.oneof(
  hellos.map((hello) => ({ type: "hello" as const, hello })),
  fc.constant({ type: "ping" as const }),
  fc.record({ type: fc.constant("bye" as const), code: errorCodes, text: texts }),
  fc.record({ type: fc.constant("call" as const), call: fc.maxSafeNat(), method: texts, body: bodies }),
  fc.record({ type: fc.constantFrom("digest" as const, "differs" as const, "held" as const), body: bodies }),
  fc.record({
    type: fc.constant("reply" as const),
    call: fc.maxSafeNat(),
    error: fc.option(refusals, { nil: undefined }),
    body: bodies,
  }),
);

export const positions = fc.uniqueArray(
  fc.oneof(
    fc.integer({ min: 1, max: 200 }),
    fc.maxSafeNat().map((n) => n || 1),
  ),
  {
    maxLength: 60,
  },
);

export const receipts: fc.Arbitrary<Receipt[]> = fc.array(
  fc.record({
    position: fc.maxSafeNat().map((n) => n || 1),
    stale: fc.boolean(),
    version: fc.option(versions, { nil: undefined }),
  }),
  { maxLength: 5 },
);
