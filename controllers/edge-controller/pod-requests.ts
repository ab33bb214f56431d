import { ApiError, conflict, isReason, type KubeObject } from "../../kubernetes/index.ts";
import { kubeObjectOf, objectOf, objectsOf, specOf, textOf } from "../runtime/fields.ts";
import { pods, serviceAccounts } from "../runtime/kinds.ts";
import { done, objectResp } from "./answers.ts";
import { whyNoMirror } from "./mirror-pods.ts";
import { requirePodToken } from "./pod-tokens.ts";
import { documentOf, type EdgeRequest, forbidden, type Handlers, type RequestParts } from "./requests.ts";

/** Status and end of a node's pods, and the tokens of their service accounts. Source: KubeEdge EdgeController, upstream. */
export function podHandlers(parts: RequestParts): Handlers {
  const { objects, sent } = parts;

  const ownPod = async ({ node, namespace }: EdgeRequest, name: string): Promise<KubeObject> => {
    const pod = await objects.get(pods, { namespace: namespace ?? "default", name });
    if (specOf(pod).nodeName !== node) throw forbidden("pods", name, `it is not on node ${node}`);
    return pod;
  };

  const patchStatus = async (request: EdgeRequest) => {
    const { name } = request;
    const patch = objectOf(documentOf(request.content));
    const pod = await ownPod(request, name);
    const uid = textOf(objectOf(patch.metadata).uid, pod.metadata.uid);
    if (uid !== pod.metadata.uid)
      throw conflict("pods", name, `the pod is another one now, its uid is ${pod.metadata.uid}`);
    const patched = await objects.patch(
      pods,
      { namespace: pod.metadata.namespace, name },
      "strategic",
      { metadata: { uid }, status: patch.status },
      { subresource: "status" },
    );
    return { content: objectResp(patched), resourceVersion: patched.metadata.resourceVersion };
  };

  /** The pod has ended on the node. That it is gone, or is another one now, is what the node wants. */
  const remove = async (request: EdgeRequest) => {
    const { node, name } = request;
    const namespace = request.namespace ?? "default";
    const { uid, grace } = deletionOf(request.content);
    const pod = await ownPod(request, name).catch((error: unknown) => {
      if (isReason(error, "NotFound") || isReason(error, "Forbidden")) return undefined;
      throw error;
    });
    if (pod === undefined || (uid !== undefined && pod.metadata.uid !== uid)) {
      await sent.hasStalePod(node, namespace, name, uid ?? "");
      return { content: done };
    }
    const preconditions = uid === undefined ? {} : { preconditions: { uid } };
    const deleting = objects.delete(
      pods,
      { namespace, name },
      { gracePeriodSeconds: grace, ...preconditions },
    );
    await deleting.catch((error: unknown) => {
      if (!isReason(error, "NotFound")) throw error;
    });
    return { content: done };
  };

  const mirror = async (request: EdgeRequest) => {
    const { node, name } = request;
    const given = kubeObjectOf(request.content);
    if (given === undefined) throw new ApiError("BadRequest", "the content is no Pod");
    const refusal = whyNoMirror(given, node);
    if (refusal !== undefined) throw forbidden("pods", name, refusal);
    const { labels, annotations, ownerReferences } = given.metadata;
    const metadata = {
      name,
      namespace: request.namespace ?? "default",
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      ...(ownerReferences ? { ownerReferences } : {}),
    };
    const pod = await objects.create(pods, { ...given, apiVersion: "v1", kind: "Pod", metadata });
    return { content: objectResp(pod), resourceVersion: pod.metadata.resourceVersion };
  };

  /** Edges before 1.12 send whole statuses so, of one pod or of many. */
  const oldStatus = async (request: EdgeRequest) => {
    const { content } = request;
    const told = Array.isArray(content) ? objectsOf(content) : [objectOf(content)];
    for (const { UID, Name, Status } of told) {
      const name = textOf(Name, request.name);
      const pod = await ownPod(request, name).catch((error: unknown) => {
        if (isReason(error, "NotFound")) return undefined;
        throw error;
      });
      const namespace = request.namespace ?? "default";
      if (pod === undefined || pod.metadata.uid !== UID) {
        await sent.hasStalePod(request.node, namespace, name, textOf(UID));
        continue;
      }
      const { metadata } = pod;
      await objects.patch(
        pods,
        { namespace, name },
        "merge",
        { status: objectOf(Status) },
        { subresource: "status" },
      );
      if (metadata.deletionTimestamp !== undefined && hasEnded(Status))
        await objects.delete(pods, { namespace, name }, { gracePeriodSeconds: 0 });
    }
    return { content: done };
  };

  /** The edge finds the token again by the spec it has asked with: it comes back as it was. */
  const token = async (request: EdgeRequest) => {
    const { namespace = "default", name, node } = request;
    const { metadata, spec } = objectOf(request.content);
    const { audiences, boundObjectRef, expirationSeconds } = objectOf(spec);
    await requirePodToken(objects, node, { namespace, name }, spec);
    const asked: KubeObject = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      metadata: { name, namespace },
      spec: { audiences: audiences ?? [], boundObjectRef, expirationSeconds },
    };
    const given = await objects.request(serviceAccounts, { namespace, name }, "token", asked);
    const content = {
      ...asked,
      metadata: { ...objectOf(metadata), name, namespace },
      spec,
      status: given.status,
    };
    return { content };
  };

  return {
    "podpatch patch": { failure: "wrapped", answer: patchStatus },
    "pod delete": { failure: "bare", answer: remove },
    "pod insert": { failure: "wrapped", answer: mirror },
    "podstatus update": { failure: "bare", answer: oldStatus },
    "serviceaccounttoken query": { failure: "bare", answer: token },
  };
}

/** Delete options, or the bare uid that very old edges send. */
function deletionOf(content: unknown): { uid: string | undefined; grace: number } {
  if (typeof content === "string") return { uid: content === "" ? undefined : content, grace: 0 };
  const { gracePeriodSeconds, preconditions } = objectOf(content);
  const uid = textOf(objectOf(preconditions).uid);
  const grace = typeof gracePeriodSeconds === "number" ? gracePeriodSeconds : 0;
  if (!(grace >= 0)) throw new ApiError("BadRequest", "gracePeriodSeconds must not be negative");
  return { uid: uid === "" ? undefined : uid, grace };
}

function hasEnded(status: unknown): boolean {
  const { containerStatuses } = objectOf(status);
  return objectsOf(containerStatuses).every(({ state }) => objectOf(state).running === undefined);
}
