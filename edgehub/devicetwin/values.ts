/** What names, values and types may be. The reasons are KubeEdge's texts: programs may compare them. */

const characters = "upper or lowercase letters, number, english, and special letter - _ . , : / @ #";
const name = /^[-a-zA-Z0-9_.,:/@#]{1,128}$/;
const valueText = /^[-a-zA-Z0-9_.,:/@#]{0,512}$/;
const wholeNumber = /^[-+]?\d{1,100}$/;
const decimal = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;
const notFinite = /^[-+]?(inf|infinity|nan)$/i;
const least = -(2n ** 63n);
const greatest = 2n ** 63n - 1n;

/** @returns Why it cannot be the name of a property; `undefined`: it can. */
export function nameFault(text: string): string | undefined {
  if (name.test(text)) return undefined;
  return `The key of twin must only include ${characters} and the length of key should be less than 128 bytes`;
}

/** @returns Why it cannot be a value of any type; `undefined`: it can. */
export function textFault(text: string): string | undefined {
  if (valueText.test(text)) return undefined;
  return `The value of twin must only include ${characters} and the length of value should be less than 512 bytes`;
}

/** @returns Why the value is none of this type, or there is no such type; `undefined`: all is well. */
export function valueFault(type: string, value: string): string | undefined {
  switch (type) {
    case "":
    case "string":
      return undefined;
    case "int":
    case "integer":
      return isInt64(value) ? undefined : "the value is not int or integer";
    case "float":
      return isFloat(value) ? undefined : "the value is not float";
    case "boolean":
      return value === "true" || value === "false" ? undefined : "the bool value must be true or false";
    default:
      return typeFault(type);
  }
}

/** @returns Why no property can be of this type; `undefined`: it can. */
export function typeFault(type: string): string | undefined {
  return types.has(type) ? undefined : "the value type is not allowed";
}

/** `deleted` is not among them: it marks what was deleted. */
const types: ReadonlySet<string> = new Set(["", "string", "int", "integer", "float", "boolean"]);

function isInt64(text: string): boolean {
  if (!wholeNumber.test(text)) return false;
  const number = BigInt(text.startsWith("+") ? text.slice(1) : text);
  return number >= least && number <= greatest;
}

/** A number that a 64-bit float can hold; infinity and NaN only where they are written out. */
function isFloat(text: string): boolean {
  return notFinite.test(text) || (decimal.test(text) && Number.isFinite(Number(text)));
}
