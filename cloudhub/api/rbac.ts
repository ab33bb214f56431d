import type { KubeObject } from "../../kubernetes/index.ts";
import type { User } from "./user.ts";

/** Who may do what, by roles. Pure. Source: Kubernetes RBAC. */

export interface PolicyRule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
}

/** What somebody wants to do. */
export interface Attributes {
  readonly verb: string;
  /** `undefined`: `path` is meant. */
  readonly resource:
    | {
        readonly group: string;
        readonly resource: string;
        readonly subresource: string;
        readonly namespace: string | undefined;
        readonly name: string;
      }
    | undefined;
  readonly path: string;
}

export interface Subject {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

export interface RoleRef {
  readonly kind: string;
  readonly name: string;
}

export function ruleAllows(rule: PolicyRule, { verb, resource, path }: Attributes): boolean {
  if (!has(rule.verbs, verb)) return false;
  if (resource === undefined)
    return (rule.nonResourceURLs ?? []).some((pattern) => coversPath(pattern, path));
  const { resourceNames = [] } = rule;
  if (resourceNames.length > 0 && !resourceNames.includes(resource.name)) return false;
  return has(rule.apiGroups, resource.group) && coversResource(rule.resources ?? [], resource);
}

/** True if a binding names this user, by name, by group, or as a service account. */
export function bindsUser(binding: KubeObject, user: User): boolean {
  const subjects = (binding.subjects ?? []) as readonly Subject[];
  return subjects.some(({ kind, name, namespace }) => {
    if (kind === "User") return name === user.name;
    if (kind === "Group") return user.groups.includes(name);
    const home = namespace ?? binding.metadata.namespace ?? "";
    return kind === "ServiceAccount" && user.name === `system:serviceaccount:${home}:${name}`;
  });
}

/** True if everything that a rule allows is allowed by these rules already. */
export function isCovered(wanted: PolicyRule, have: readonly PolicyRule[]): boolean {
  const paths = (wanted.nonResourceURLs ?? []).every((path) =>
    wanted.verbs.every((verb) => have.some((rule) => has(rule.verbs, verb) && coversPaths(rule, path))),
  );
  const { apiGroups = [], resources = [], resourceNames = [], verbs } = wanted;
  const names = resourceNames.length === 0 ? [undefined] : resourceNames;
  const atoms = apiGroups.flatMap((group) =>
    resources.flatMap((resource) =>
      names.flatMap((name) => verbs.map((verb) => ({ group, resource, name, verb }))),
    ),
  );
  return paths && atoms.every((atom) => have.some((rule) => coversAtom(rule, atom)));
}

function coversAtom(
  rule: PolicyRule,
  {
    group,
    resource,
    name,
    verb,
  }: { group: string; resource: string; name: string | undefined; verb: string },
): boolean {
  const { resourceNames = [] } = rule;
  if (resourceNames.length > 0 && (name === undefined || !resourceNames.includes(name))) return false;
  const [plural = "", ...subresource] = resource.split("/");
  return (
    has(rule.verbs, verb) &&
    has(rule.apiGroups, group) &&
    coversResource(rule.resources ?? [], { resource: plural, subresource: subresource.join("/") })
  );
}

function coversResource(
  patterns: readonly string[],
  { resource, subresource }: { resource: string; subresource: string },
): boolean {
  const combined = subresource === "" ? resource : `${resource}/${subresource}`;
  return patterns.some(
    (pattern) =>
      pattern === "*" || pattern === combined || (subresource !== "" && pattern === `*/${subresource}`),
  );
}

function coversPaths(rule: PolicyRule, wanted: string): boolean {
  return (rule.nonResourceURLs ?? []).some((pattern) => pattern === wanted || coversPath(pattern, wanted));
}

function coversPath(pattern: string, path: string): boolean {
  if (pattern === "*" || pattern === path) return true;
  return pattern.endsWith("*") && path.startsWith(pattern.slice(0, -1));
}

function has(list: readonly string[] | undefined, value: string): boolean {
  return list?.includes("*") === true || list?.includes(value) === true;
}
