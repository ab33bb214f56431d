/** Who asks. Source: Kubernetes user.Info. */
export interface User {
  readonly name: string;
  readonly uid?: string | undefined;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>> | undefined;
}

/** Who is in here may do everything. */
export const mastersGroup = "system:masters";
export const authenticatedGroup = "system:authenticated";

const accountPrefix = "system:serviceaccount:";

/** The service account that a user's name means. */
export function serviceAccountIn(
  userName: string,
): { readonly namespace: string; readonly name: string } | undefined {
  if (!userName.startsWith(accountPrefix)) return undefined;
  const [namespace = "", name = "", ...more] = userName.slice(accountPrefix.length).split(":");
  return namespace === "" || name === "" || more.length > 0 ? undefined : { namespace, name };
}

/** The groups that every service account of a namespace is in. */
export function groupsOfServiceAccounts(namespace: string): string[] {
  return ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, authenticatedGroup];
}
