import { type FieldError, invalid } from "../field-error.ts";

/** Names as Kubernetes takes them. Source: apimachinery validation. */

interface Rule {
  readonly pattern: RegExp;
  readonly maxLength: number;
  readonly text: string;
}

const label: Rule = {
  pattern: /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
  maxLength: 63,
  text: `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
};
const serviceName: Rule = {
  pattern: /^[a-z]([-a-z0-9]*[a-z0-9])?$/,
  maxLength: 63,
  text: `a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')`,
};
const subdomain: Rule = {
  pattern: /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
  maxLength: 253,
  text: `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
};
const segment: Rule = {
  pattern: /^(?!\.{1,2}$)[^/%]+$/,
  maxLength: 253,
  text: "may not contain '/' or '%', and may not be '.' or '..'",
};
const environment: Rule = {
  pattern: /^(?!\.{1,2}$)[-._a-zA-Z0-9 !"#$%&'()*+,/:;<>?@[\\\]^`{|}~]+$/,
  maxLength: 1_024,
  text: "a valid environment variable name must consist only of printable ASCII characters other than '='",
};
const configKey: Rule = {
  pattern: /^(?!\.{1,2}$)[-._a-zA-Z0-9]+$/,
  maxLength: 253,
  text: `a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')`,
};
const portName: Rule = {
  pattern: /^(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
  maxLength: 15,
  text: "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-), at least one letter, and no hyphens in a row or at an end",
};
const labelValue: Rule = {
  pattern: /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/,
  maxLength: 63,
  text: `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
};
const qualifiedName: Rule = {
  pattern: /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/,
  maxLength: 63,
  text: `name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
};

const rules = {
  label,
  serviceName,
  subdomain,
  segment,
  environment,
  configKey,
  portName,
  labelValue,
} as const;

export type NameRule = keyof typeof rules;

/** @param field Path, for the error. */
export function checkName(rule: NameRule, value: unknown, field: string): FieldError[] {
  return typeof value === "string" ? violations(rules[rule], value, field) : [];
}

/** `example.com/name` or `name`: keys of labels and annotations, finalizers, resources. */
export function checkQualifiedName(value: string, field: string): FieldError[] {
  const slash = value.indexOf("/");
  const errors = violations(qualifiedName, value.slice(slash + 1), field, value);
  if (slash < 0) return errors;
  const prefix = value.slice(0, slash);
  if (prefix === "") return [invalid(field, value, "prefix part must be non-empty"), ...errors];
  return [...violations(subdomain, prefix, field, value, "prefix part "), ...errors];
}

function violations(rule: Rule, value: string, field: string, shown = value, part = ""): FieldError[] {
  const errors: FieldError[] = [];
  if (value.length > rule.maxLength)
    errors.push(invalid(field, shown, `${part}must be no more than ${rule.maxLength} bytes`));
  if (!rule.pattern.test(value.slice(0, rule.maxLength)))
    errors.push(invalid(field, shown, part + rule.text));
  return errors;
}
