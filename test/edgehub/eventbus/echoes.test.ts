import { expect, it } from "vitest";
import { Echoes } from "../../../edgehub/eventbus/echoes.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);

it("knows what was published, once for each time", () => {
  const echoes = new Echoes();
  echoes.expect("t", "x", 0);
  echoes.expect("t", bytes("x"), 1);
  expect(echoes.take("t", bytes("y"), 2)).toBe(false);
  expect(echoes.take("u", bytes("x"), 2)).toBe(false);
  expect([2, 3, 4].map((now) => echoes.take("t", bytes("x"), now))).toEqual([true, true, false]);
});

it("does not take topic and payload for each other", () => {
  const echoes = new Echoes();
  echoes.expect("ab", "c", 0);
  expect(echoes.take("a", bytes("bc"), 1)).toBe(false);
});

it("gives up waiting after a minute", () => {
  const echoes = new Echoes();
  echoes.expect("t", "x", 0);
  echoes.expect("t", "x", 50_000);
  expect(echoes.take("t", bytes("x"), 60_000)).toBe(true);
  expect(echoes.take("t", bytes("x"), 60_001)).toBe(false);
});

it("forgets the oldest when there are too many", () => {
  const echoes = new Echoes();
  for (let i = 0; i <= 10_000; i++) echoes.expect("t", `${i}`, 0);
  expect(echoes.take("t", bytes("0"), 1)).toBe(false);
  expect(echoes.take("t", bytes("1"), 1)).toBe(true);
  expect(echoes.take("t", bytes("10000"), 1)).toBe(true);
});
