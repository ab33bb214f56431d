import protobuf from "protobufjs/minimal.js";

/**
 * Protobuf messages described by TypeScript objects: the description gives the types of what is written and read, and
 * needs no generated code. As in proto3, defaults are not written, and what is absent reads as its default; numbers of
 * fields that a description leaves out are skipped.
 */
const { Reader, Writer } = protobuf;
type Reader = protobuf.Reader;
type Writer = protobuf.Writer;

/** How a value looks on the wire: a varint (0), or bytes behind their length (2). */
interface Kind<Out, In = Out> {
  readonly wireType: 0 | 2;
  readonly initial: Out;
  read(input: Reader): Out;
  write(value: In, out: Writer): void;
}

/** A numbered field: `Out` is what reading gives, `In` what may be written. */
interface Field<Out, In = Out> {
  readonly number: number;
  readonly wireType: 0 | 2;
  initial(): Out;
  /** @returns The value with one more occurrence of the field, which starts at the reader's position. */
  add(before: Out, input: Reader): Out;
  write(value: In, out: Writer): void;
}

type Fields = Readonly<Record<string, Field<unknown, unknown>>>;
type OutOf<F> = { readonly [K in keyof F]: F[K] extends Field<infer Out, unknown> ? Out : never };
type InOf<F> = { readonly [K in keyof F]?: F[K] extends Field<infer _, infer In> ? In | undefined : never };

/** A message of a description. */
export interface MessageType<Out, In> {
  encode(value: In): Uint8Array;
  /** Throws a RangeError for bytes that are no such message. */
  decode(bytes: Uint8Array): Out;
  read(input: Reader, end: number): Out;
  write(value: In, out: Writer): void;
}

/** What reading a message gives: every field, absent ones with their defaults. */
export type Decoded<T> = T extends MessageType<infer Out, infer _> ? Out : never;
/** What a message is written from: any of its fields. */
export type Draft<T> = T extends MessageType<infer _, infer In> ? In : never;

/** Describes a message by its fields. */
export function message<F extends Fields>(fields: F): MessageType<OutOf<F>, InOf<F>> {
  const named = Object.entries(fields);
  const byNumber = new Map(named.map(([name, field]) => [field.number, { name, field }]));
  const type: MessageType<OutOf<F>, InOf<F>> = {
    encode(value) {
      const out = Writer.create();
      type.write(value, out);
      return out.finish();
    },
    decode(bytes) {
      const input = Reader.create(bytes);
      return type.read(input, bytes.length);
    },
    write(value, out) {
      for (const [name, field] of named) {
        if (value[name] !== undefined) field.write(value[name], out);
      }
    },
    read(input, end) {
      const values: Record<string, unknown> = {};
      for (const [name, field] of named) values[name] = field.initial();
      while (input.pos < end) {
        const tag = input.uint32();
        const known = byNumber.get(tag >>> 3);
        if (known?.field.wireType === (tag & 7)) {
          values[known.name] = known.field.add(values[known.name], input);
        } else {
          input.skipType(tag & 7);
        }
      }
      if (input.pos !== end) throw new RangeError("a field is longer than its message");
      return values as OutOf<F>;
    },
  };
  return type;
}

// ── fields ───────────────────────────────────────────────────────────────────────────────────────────────

function single<Out, In = Out>(number: number, kind: Kind<Out, In>): Field<Out, In> {
  return {
    number,
    wireType: kind.wireType,
    initial: () => kind.initial,
    add: (_, input) => kind.read(input),
    write(value, out) {
      if ((value as unknown) === kind.initial) return;
      kind.write(value, out.uint32((number << 3) | kind.wireType));
    },
  };
}

function list<Out, In = Out>(number: number, kind: Kind<Out, In>): Field<Out[], readonly In[]> {
  return {
    number,
    wireType: kind.wireType,
    initial: () => [],
    add(before, input) {
      before.push(kind.read(input));
      return before;
    },
    write(values, out) {
      for (const value of values) kind.write(value, out.uint32((number << 3) | kind.wireType));
    },
  };
}

const stringKind: Kind<string> = {
  wireType: 2,
  initial: "",
  read: (input) => input.string(),
  write: (value, out) => out.string(value),
};

const bytesKind: Kind<Uint8Array> = {
  wireType: 2,
  initial: new Uint8Array(0),
  read: (input) => input.bytes(),
  write: (value, out) => out.bytes(value),
};

const boolKind: Kind<boolean> = {
  wireType: 0,
  initial: false,
  read: (input) => input.bool(),
  write: (value, out) => out.bool(value),
};

const intKind: Kind<number> = {
  wireType: 0,
  initial: 0,
  read(input) {
    const { high, low } = input.int64();
    return high * 2 ** 32 + (low >>> 0);
  },
  write: (value, out) => out.int64(value),
};

function messageKind<Out, In>(type: MessageType<Out, In>): Kind<Out, In> {
  return {
    wireType: 2,
    initial: undefined as Out,
    read(input) {
      const length = input.uint32();
      if (input.pos + length > input.len) throw new RangeError("a message ends before its length");
      return type.read(input, input.pos + length);
    },
    write(value, out) {
      type.write(value, out.fork());
      out.ldelim();
    },
  };
}

export const string = (number: number): Field<string> => single(number, stringKind);
export const bytes = (number: number): Field<Uint8Array> => single(number, bytesKind);
export const bool = (number: number): Field<boolean> => single(number, boolKind);
/** Any signed or unsigned integer that is not zigzag-encoded. Beyond 2^53 the lowest digits are lost. */
export const int = (number: number): Field<number> => single(number, intKind);
/** Integers, packed as proto3 packs them. */
export const ints = (number: number): Field<number[], readonly number[]> => ({
  number,
  wireType: 2,
  initial: () => [],
  add(before, input) {
    const end = input.uint32() + input.pos;
    while (input.pos < end) before.push(intKind.read(input));
    return before;
  },
  write(values, out) {
    if (values.length === 0) return;
    out.uint32((number << 3) | 2).fork();
    for (const value of values) intKind.write(value, out);
    out.ldelim();
  },
});
export const strings = (number: number): Field<string[], readonly string[]> => list(number, stringKind);

/** An enumeration by the names of its numbers from 0; an unknown number reads as the last name. */
export function choice<const Names extends readonly string[]>(
  number: number,
  names: Names,
): Field<Names[number]> {
  return single<Names[number]>(number, {
    wireType: 0,
    initial: names[0] ?? "",
    read: (input) => names[input.uint32()] ?? names.at(-1) ?? "",
    write: (value, out) => out.uint32(names.indexOf(value)),
  });
}

/** A message in a message; absent: `undefined`. */
export const one = <Out, In>(number: number, type: MessageType<Out, In>): Field<Out | undefined, In> =>
  single<Out | undefined, In>(number, messageKind<Out | undefined, In>(type));

export const many = <Out, In>(number: number, type: MessageType<Out, In>): Field<Out[], readonly In[]> =>
  list(number, messageKind(type));

/** A map from string to string. */
export function texts(number: number): Field<Readonly<Record<string, string>>> {
  const entries = many(number, message({ key: string(1), value: string(2) }));
  return {
    number,
    wireType: entries.wireType,
    initial: () => ({}),
    add(before, input) {
      const [entry] = entries.add([], input);
      return entry === undefined ? before : { ...before, [entry.key]: entry.value };
    },
    write(value, out) {
      entries.write(
        Object.entries(value).map(([key, text]) => ({ key, value: text })),
        out,
      );
    },
  };
}
