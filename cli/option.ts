/** Options and arguments of a command as data; `command-line.ts` makes commander understand them. */

interface Described {
  readonly description: string;
  /** One letter. */
  readonly short?: string;
}

/** `--wait`: given or not. */
export interface Flag extends Described {
  readonly kind: "flag";
}

/** `--ttl 24h`: a value, or `undefined`. */
export interface Single<T> extends Described {
  readonly kind: "single";
  /** What to write for the value in the help. */
  readonly value: string;
  /** Throws `E_BAD_OPTION`. */
  readonly parse: (text: string) => T;
}

/** A value that has a default, which is written like any other. */
export interface Defaulted<T> extends Omit<Single<T>, "kind"> {
  readonly kind: "defaulted";
  readonly fallback: string;
}

/** An option that may be repeated: all its values. */
export interface Repeated<T> extends Omit<Single<T>, "kind"> {
  readonly kind: "repeated";
}

export type Option = Flag | Single<unknown> | Defaulted<unknown> | Repeated<unknown>;

export const flag = (words: Described): Flag => ({ kind: "flag", ...words });
export const single = <T>(words: Omit<Single<T>, "kind">): Single<T> => ({ kind: "single", ...words });
export const defaulted = <T>(words: Omit<Defaulted<T>, "kind">): Defaulted<T> => ({
  kind: "defaulted",
  ...words,
});
export const repeated = <T>(words: Omit<Repeated<T>, "kind">): Repeated<T> => ({
  kind: "repeated",
  ...words,
});

type ValueOf<O extends Option> = O extends Flag
  ? boolean
  : O extends Defaulted<infer T>
    ? T
    : O extends Repeated<infer T>
      ? readonly T[]
      : O extends Single<infer T>
        ? T | undefined
        : never;

export type OptionValues<Options extends Readonly<Record<string, Option>>> = {
  readonly [Name in keyof Options]: ValueOf<Options[Name]>;
};

/** A word behind the command. */
export interface Argument {
  readonly kind: "required" | "optional" | "many";
  readonly description: string;
}

export const required = (description: string) => ({ kind: "required", description }) as const;
export const optional = (description: string) => ({ kind: "optional", description }) as const;
export const many = (description: string) => ({ kind: "many", description }) as const;

export type ArgumentValues<Arguments extends Readonly<Record<string, Argument>>> = {
  readonly [Name in keyof Arguments]: Arguments[Name]["kind"] extends "required"
    ? string
    : Arguments[Name]["kind"] extends "many"
      ? readonly string[]
      : string | undefined;
};
