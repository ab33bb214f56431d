import { isReason, type ObjectsApi } from "../../kubernetes/index.ts";
import { objectOf, specOf, textOf } from "../runtime/fields.ts";
import { pods } from "../runtime/kinds.ts";
import { isMirror } from "./mirror-pods.ts";
import { nodeOf } from "./pod-indexes.ts";
import { forbidden } from "./requests.ts";

/**
 * A node gets tokens for its pods, which end with them: bound to a pod of its that uses the account, with its uid, and not
 * one that the node has made itself. Throws `Forbidden`, or why that cannot be known. Source: Kubernetes NodeRestriction.
 *
 * @param spec Of the TokenRequest.
 */
export async function requirePodToken(
  objects: Pick<ObjectsApi, "get">,
  node: string,
  account: { readonly namespace: string; readonly name: string },
  spec: unknown,
): Promise<void> {
  const { kind, name, uid } = objectOf(objectOf(spec).boundObjectRef);
  const { namespace } = account;
  const podName = kind === "Pod" ? textOf(name) : "";
  const find = async () =>
    podName === "" ? undefined : await objects.get(pods, { namespace, name: podName });
  const pod = await find().catch((error: unknown) => {
    if (!isReason(error, "NotFound")) throw error;
  });
  const uses = textOf(specOf(pod ?? undefined).serviceAccountName, "default") || "default";
  if (pod && nodeOf(pod) === node && pod.metadata.uid === uid && uses === account.name && !isMirror(pod))
    return;
  const why = `the token must be bound to a pod of node ${node} that uses the account, with its uid`;
  throw forbidden("serviceaccounts", account.name, why);
}
