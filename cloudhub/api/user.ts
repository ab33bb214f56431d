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
