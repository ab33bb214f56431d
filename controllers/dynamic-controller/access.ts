import { ApiError, groupResource, type ObjectsApi } from "../../kubernetes/index.ts";
import { requirePodToken } from "../edge-controller/pod-tokens.ts";
import { objectOf } from "../runtime/fields.ts";
import type { ApplicationVerb, Target } from "./application.ts";

/** Whether a node may do something: as its own certificate would be allowed to at the Kubernetes API. */

const reviews = { group: "authorization.k8s.io", version: "v1", resource: "subjectaccessreviews" };
const rbac = "rbac.authorization.k8s.io";
const reading: ReadonlySet<string> = new Set(["get", "list", "watch"]);

/** What a node wants to do. */
export interface Wish {
  readonly verb: ApplicationVerb;
  readonly target: Target;
  /** What it sends with it, if anything. */
  readonly body?: unknown;
}

/** Asks the API what the roles say. Throws `Forbidden`, or why it cannot be known. */
export async function requireAccess(
  objects: Pick<ObjectsApi, "create" | "get">,
  node: string,
  { verb, target, body }: Wish,
): Promise<void> {
  const { group, version, resource, subresource, namespace = "", name } = target;
  // A role is not given away by who holds it: the API checks that for people, by who they are.
  if (group === rbac && !reading.has(verb)) throw forbidden(node, verb, target);
  // Where a node is, and what proves who it is, is between the hub and its agent.
  if (isAgents(target) && !reading.has(verb)) throw forbidden(node, verb, target);
  if (isToken(target)) await requirePodToken(objects, node, { namespace, name }, objectOf(body).spec);
  const resourceAttributes = {
    verb: verb === "updatestatus" ? "update" : verb,
    group,
    version,
    resource,
    subresource: verb === "updatestatus" ? "status" : subresource,
    namespace,
    name,
  };
  const user = { user: `system:node:${node}`, groups: ["system:nodes", "system:authenticated"] };
  const { status } = await objects.create(reviews, {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SubjectAccessReview",
    metadata: {},
    spec: { ...user, resourceAttributes },
  });
  if (objectOf(status).allowed !== true) throw forbidden(node, verb, target);
}

/** What the agent does for its node, by other messages. */
function isAgents({ group, resource }: Target): boolean {
  return group === "certificates.k8s.io" || (group === "" && resource === "nodes");
}

function isToken({ group, resource, subresource }: Target): boolean {
  return group === "" && resource === "serviceaccounts" && subresource === "token";
}

/** Worded as Kubernetes does. */
function forbidden(node: string, verb: ApplicationVerb, target: Target): ApiError {
  const { group, resource, namespace, name } = target;
  const plural = groupResource(target);
  const who = name === "" ? `${plural} is forbidden` : `${plural} "${name}" is forbidden`;
  const where = namespace === undefined ? "at the cluster scope" : `in the namespace "${namespace}"`;
  const text = `${who}: User "system:node:${node}" cannot ${verb} resource "${resource}" in API group "${group}" ${where}`;
  const about = { kind: resource, ...(group === "" ? {} : { group }) };
  return new ApiError("Forbidden", text, name === "" ? about : { ...about, name });
}
