import { type FieldError, forbidden, invalid, notSupported, required } from "../field-error.ts";
import { at, isObject, type JsonObject, sameJson } from "../json.ts";
import { checkLabels } from "./metadata.ts";
import { checkPodSpec } from "./pod.ts";

/** Rules for what makes pods. Source: apps validation of Kubernetes. */

export function checkWorkload(object: JsonObject, old: JsonObject | undefined): FieldError[] {
  const { spec } = object;
  if (!isObject(spec)) return [];
  return [
    ...checkReplicas(spec),
    ...checkSelector(spec),
    ...checkTemplate(spec.template),
    ...checkStrategy(spec.strategy),
    ...(old === undefined ? [] : checkSelectorUpdate(spec, old)),
  ];
}

function checkReplicas(spec: JsonObject): FieldError[] {
  return ["replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"]
    .filter((field) => Number(spec[field] ?? 0) < 0)
    .map((field) => invalid(`spec.${field}`, spec[field], "must be greater than or equal to 0"));
}

function checkSelector({ selector, template }: JsonObject): FieldError[] {
  if (!isObject(selector)) return [];
  const labels = at(template, "metadata", "labels");
  const wanted = isObject(selector.matchLabels) ? Object.entries(selector.matchLabels) : [];
  const expressions = Array.isArray(selector.matchExpressions) ? selector.matchExpressions : [];
  const errors = checkLabels(selector.matchLabels, "spec.selector.matchLabels");
  if (wanted.length === 0 && expressions.length === 0)
    errors.push(invalid("spec.selector", selector, "empty selector is invalid for deployment"));
  const isMatching =
    wanted.every(([key, value]) => at(labels, key) === value) &&
    expressions.every((expression) => fulfils(labels, expression));
  if (!isMatching && template !== undefined)
    errors.push(
      invalid("spec.template.metadata.labels", labels ?? null, "`selector` does not match template `labels`"),
    );
  return errors;
}

function fulfils(labels: unknown, expression: unknown): boolean {
  const { key, operator, values } = isObject(expression) ? expression : {};
  const value = at(labels, String(key));
  const isListed = Array.isArray(values) && value !== undefined && values.includes(value);
  switch (operator) {
    case "In":
      return isListed;
    case "NotIn":
      return !isListed;
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    default:
      return true;
  }
}

function checkTemplate(template: unknown): FieldError[] {
  if (!isObject(template)) return [];
  const path = "spec.template.spec";
  const { spec } = template;
  if (!isObject(spec)) return [required(`${path}.containers`)];
  const { restartPolicy, activeDeadlineSeconds } = spec;
  const errors = [
    ...checkLabels(at(template, "metadata", "labels"), "spec.template.labels"),
    ...checkPodSpec(spec, path),
  ];
  if (restartPolicy !== undefined && restartPolicy !== "Always")
    errors.push(notSupported(`${path}.restartPolicy`, restartPolicy, ["Always"]));
  if (activeDeadlineSeconds !== undefined)
    errors.push(
      forbidden(`${path}.activeDeadlineSeconds`, "activeDeadlineSeconds in ReplicaSet is not Supported"),
    );
  return errors;
}

function checkStrategy(strategy: unknown): FieldError[] {
  const rolling = at(strategy, "rollingUpdate");
  if (!isObject(rolling)) return [];
  const path = "spec.strategy.rollingUpdate";
  if (at(strategy, "type") === "Recreate")
    return [forbidden(path, "may not be specified when strategy `type` is 'Recreate'")];
  const errors = ["maxUnavailable", "maxSurge"].flatMap((field) =>
    checkShare(rolling[field], `${path}.${field}`),
  );
  const isZero = (value: unknown): boolean => value === 0 || /^0+%$/.test(String(value));
  if (isZero(rolling.maxUnavailable) && isZero(rolling.maxSurge))
    errors.push(
      invalid(`${path}.maxUnavailable`, rolling.maxUnavailable, "may not be 0 when `maxSurge` is 0"),
    );
  return errors;
}

function checkShare(value: unknown, field: string): FieldError[] {
  if (typeof value === "number" && value < 0)
    return [invalid(field, value, "must be greater than or equal to 0")];
  if (typeof value !== "string" || /^\d+%$/.test(value)) return [];
  return [
    invalid(
      field,
      value,
      "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    ),
  ];
}

function checkSelectorUpdate({ selector }: JsonObject, old: JsonObject): FieldError[] {
  const before = at(old, "spec", "selector");
  return before === undefined || sameJson(selector, before)
    ? []
    : [invalid("spec.selector", selector, "field is immutable")];
}
