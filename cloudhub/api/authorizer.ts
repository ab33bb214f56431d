import { ApiError, type KubeObject } from "../../kubernetes/index.ts";
import type { ResourceStore } from "../store/resource-store.ts";
import { requireBoundToken } from "./node-restriction.ts";
import { nodeMay } from "./node-rights.ts";
import { type Attributes, bindsUser, isCovered, type PolicyRule, type RoleRef, ruleAllows } from "./rbac.ts";
import {
  authenticatedGroup,
  groupsOfServiceAccounts,
  mastersGroup,
  serviceAccountIn,
  type User,
} from "./user.ts";

const rbac = "rbac.authorization.k8s.io";

/** Decides by the roles that are in the store now. */
export class Authorizer {
  readonly #store: Pick<ResourceStore, "get" | "list">;

  constructor(store: Pick<ResourceStore, "get" | "list">) {
    this.#store = store;
  }

  isAllowed(user: User, attributes: Attributes): boolean {
    if (user.groups.includes(mastersGroup)) return true;
    if (nodeMay(user, attributes, this.#store)) return true;
    return this.rulesOf(user, attributes.resource?.namespace).some((rule) => ruleAllows(rule, attributes));
  }

  /** Throws `Forbidden` as Kubernetes words it. */
  require(user: User, attributes: Attributes): void {
    if (!this.isAllowed(user, attributes)) throw forbidden(user, attributes);
  }

  /** Throws `Forbidden` if somebody may not act in another's name. */
  requireImpersonation(user: User, other: User): void {
    const about = (resource: string, name: string, namespace?: string): Attributes => ({
      verb: "impersonate",
      path: "",
      resource: {
        group: resource === "uids" ? "authentication.k8s.io" : "",
        resource,
        subresource: "",
        namespace,
        name,
      },
    });
    const account = serviceAccountIn(other.name);
    if (account === undefined) this.require(user, about("users", other.name));
    else this.require(user, about("serviceaccounts", account.name, account.namespace));
    // What one is by being a service account is no further right.
    const implied = account === undefined ? [authenticatedGroup] : groupsOfServiceAccounts(account.namespace);
    for (const group of other.groups)
      if (!implied.includes(group)) this.require(user, about("groups", group));
    if (other.uid !== undefined) this.require(user, about("uids", other.uid));
  }

  /** All rules that count for a user in a namespace; without one, those that count everywhere. */
  rulesOf(user: User, namespace: string | undefined): PolicyRule[] {
    const everywhere = this.#store
      .list(`clusterrolebindings.${rbac}`, { matches: (binding) => bindsUser(binding, user) })
      .items.flatMap((binding) => this.rulesOfRole(binding.roleRef as RoleRef, undefined));
    if (!namespace) return everywhere;
    const here = this.#store
      .list(`rolebindings.${rbac}`, { namespace, matches: (binding) => bindsUser(binding, user) })
      .items.flatMap((binding) => this.rulesOfRole(binding.roleRef as RoleRef, namespace));
    return [...everywhere, ...here];
  }

  rulesOfRole({ kind, name }: RoleRef, namespace: string | undefined): readonly PolicyRule[] {
    const key =
      kind === "Role"
        ? { type: `roles.${rbac}`, namespace: namespace ?? "", name }
        : { type: `clusterroles.${rbac}`, namespace: "", name };
    return (this.#store.get(key)?.object.rules ?? []) as readonly PolicyRule[];
  }

  /** A node gets tokens of its pods only. Throws `Forbidden`. */
  requireToken(
    user: User,
    account: { readonly namespace: string | undefined; readonly name: string },
    request: KubeObject,
  ): void {
    requireBoundToken(user, account, request, this.#store);
  }

  /** Nobody gives rights that he does not have, in a role or with a binding. Throws `Forbidden`. */
  requireNoEscalation(user: User, next: KubeObject, old: KubeObject | undefined): void {
    if (user.groups.includes(mastersGroup) || !next.apiVersion.startsWith(`${rbac}/`)) return;
    const { name = "", namespace } = next.metadata;
    const isRole = next.kind === "Role" || next.kind === "ClusterRole";
    const resource = isRole ? `${next.kind.toLowerCase()}s` : resourceOf(next.roleRef as RoleRef);
    const about = isRole ? name : (next.roleRef as RoleRef).name;
    const verb = isRole ? "escalate" : "bind";
    const path = { group: rbac, resource, subresource: "", namespace, name: about };
    if (this.isAllowed(user, { verb, resource: path, path: "" })) return;
    const wanted = isRole
      ? ((next.rules ?? []) as readonly PolicyRule[])
      : this.rulesOfRole(next.roleRef as RoleRef, namespace);
    if (old !== undefined && isRole && JSON.stringify(old.rules) === JSON.stringify(next.rules)) return;
    const have = this.rulesOf(user, namespace);
    const extra = wanted.filter((rule) => !isCovered(rule, have));
    if (extra.length === 0) return;
    const text = `user "${user.name}" (groups=${JSON.stringify(user.groups)}) is attempting to grant RBAC permissions not currently held:\n${extra.map((rule) => JSON.stringify(rule)).join("\n")}`;
    const kinds = `${next.kind.toLowerCase()}s`;
    throw new ApiError("Forbidden", `${kinds}.${rbac} "${name}" is forbidden: ${text}`, {
      name,
      group: rbac,
      kind: kinds,
    });
  }
}

function resourceOf({ kind }: RoleRef): string {
  return kind === "Role" ? "roles" : "clusterroles";
}

function forbidden(user: User, { verb, resource, path }: Attributes): ApiError {
  if (resource === undefined)
    return new ApiError("Forbidden", `forbidden: User "${user.name}" cannot ${verb} path "${path}"`);
  const { group, resource: plural, subresource, namespace, name } = resource;
  const full = subresource === "" ? plural : `${plural}/${subresource}`;
  const where = namespace ? `in the namespace "${namespace}"` : "at the cluster scope";
  const grouped = group === "" ? plural : `${plural}.${group}`;
  const who = name === "" ? `${grouped} is forbidden` : `${grouped} "${name}" is forbidden`;
  const text = `${who}: User "${user.name}" cannot ${verb} resource "${full}" in API group "${group}" ${where}`;
  const details = group === "" ? { kind: plural } : { group, kind: plural };
  return new ApiError("Forbidden", text, name === "" ? details : { ...details, name });
}
