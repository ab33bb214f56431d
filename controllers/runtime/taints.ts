import { type Json, textOf } from "./fields.ts";

/** Does a toleration bear a taint? Source: Kubernetes' Toleration. */
export function tolerates(toleration: Json, taint: Json): boolean {
  const { key, operator, value, effect } = toleration;
  if (textOf(effect) !== "" && effect !== taint.effect) return false;
  if (textOf(key) === "") return operator === "Exists";
  if (key !== taint.key) return false;
  return operator === "Exists" || textOf(value) === textOf(taint.value);
}
