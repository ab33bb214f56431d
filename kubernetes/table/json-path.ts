import { isObject, own } from "../json.ts";

/**
 * Paths into an object, as columns of CustomResourceDefinitions have them: `.spec.nodeName`, `.metadata.labels['a.b/c']`,
 * `.status.conditions[?(@.type=="Ready")].status`, `.items[0]`, `.items[*].name`. Source: JSONPath of Kubernetes.
 */

type Step =
  | { readonly take: "field"; readonly name: string }
  | { readonly take: "index"; readonly index: number }
  | { readonly take: "all" }
  | {
      readonly take: "where";
      readonly path: readonly Step[];
      readonly operator: string;
      readonly value: unknown;
    };

const maxLength = 1_024;

/** @returns All values at the path; none for a path that cannot be read. */
export function valuesAt(object: unknown, path: string): unknown[] {
  const steps = stepsOf(path.trim().replace(/^\{(.*)\}$/, "$1"));
  return steps === undefined ? [] : followed(object, steps);
}

const stepPatterns: readonly (readonly [RegExp, (found: readonly string[]) => Step | undefined])[] = [
  [/^\.?\[\*\]|^\.\*/, () => ({ take: "all" })],
  [/^\.?\[(-?\d{1,9})\]/, ([, index]) => ({ take: "index", index: Number(index) })],
  [
    /^\.?\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\]/,
    ([, single, double]) => field(single ?? double ?? ""),
  ],
  [
    /^\.?\[\?\(\s*@((?:\.[\w-]+)+)\s*(==|!=|<=|>=|<|>)\s*("[^"]*"|'[^']*'|[\w.+-]+)\s*\)\]/,
    ([, path = "", operator = "", value = ""]) => where(path, operator, value),
  ],
  [/^\.((?:[^.[\]\\]|\\.)+)/, ([, name = ""]) => field(name)],
];

function stepsOf(path: string): readonly Step[] | undefined {
  if (path.length > maxLength) return undefined;
  const steps: Step[] = [];
  let rest = path.replace(/^\$/, "");
  while (rest !== "" && rest !== ".") {
    const found = stepPatterns
      .map(([pattern, read]) => ({ match: pattern.exec(rest), read }))
      .find(({ match }) => match !== null);
    const step = found?.match ? found.read(found.match) : undefined;
    if (found?.match === null || found === undefined || step === undefined) return undefined;
    steps.push(step);
    rest = rest.slice(found.match[0].length);
  }
  return steps;
}

function field(name: string): Step {
  return { take: "field", name: name.replace(/\\(.)/g, "$1") };
}

function where(path: string, operator: string, text: string): Step | undefined {
  const steps = stepsOf(path);
  if (steps === undefined) return undefined;
  const isText = /^["']/.test(text);
  const value = isText ? text.slice(1, -1) : literal(text);
  return { take: "where", path: steps, operator, value };
}

function literal(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  return Number.isNaN(Number(text)) ? text : Number(text);
}

function followed(value: unknown, steps: readonly Step[]): unknown[] {
  return steps.reduce<unknown[]>((values, step) => values.flatMap((one) => taken(one, step)), [value]);
}

function taken(value: unknown, step: Step): unknown[] {
  switch (step.take) {
    case "field":
      return isObject(value) && Object.hasOwn(value, step.name) ? [own(value, step.name)] : [];
    case "index": {
      const found = Array.isArray(value) ? value.at(step.index) : undefined;
      return found === undefined ? [] : [found];
    }
    case "all":
      return Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
    case "where":
      return Array.isArray(value) ? value.filter((one) => fulfils(one, step)) : [];
    default:
      return step satisfies never;
  }
}

function fulfils(
  value: unknown,
  { path, operator, value: wanted }: Extract<Step, { take: "where" }>,
): boolean {
  const [found] = followed(value, path);
  switch (operator) {
    case "==":
      return found === wanted;
    case "!=":
      return found !== wanted;
    case "<":
      return Number(found) < Number(wanted);
    case ">":
      return Number(found) > Number(wanted);
    case "<=":
      return Number(found) <= Number(wanted);
    default:
      return Number(found) >= Number(wanted);
  }
}
