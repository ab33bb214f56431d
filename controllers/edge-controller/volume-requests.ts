import { isReason, type KubeObject, type ResourceName } from "../../kubernetes/index.ts";
import { objectOf, specOf, textOf } from "../runtime/fields.ts";
import { persistentVolumeClaims, persistentVolumes, pods, volumeAttachments } from "../runtime/kinds.ts";
import { claimedOnNode, claimIndex } from "./pod-indexes.ts";
import { forbidden, type Handlers, type Reply, type RequestParts } from "./requests.ts";

/** Volumes of a node's pods, and what is attached to the node: it reads no others. Source: Kubernetes node authorizer. */
export function volumeHandlers({ objects, informers }: RequestParts): Handlers {
  const ofPods = informers.of(pods);
  claimIndex(ofPods);

  /** Whether there is an object that a node may not read is not told either. */
  const readIf = async (
    resource: ResourceName,
    name: string,
    { isOwn, refusal }: { isOwn: (found: KubeObject) => boolean; refusal: string },
  ): Promise<Reply> => {
    const found = await objects.get(resource, { name }).catch((error: unknown) => {
      if (!isReason(error, "NotFound")) throw error;
    });
    if (!found || !isOwn(found)) throw forbidden(resource.resource, name, refusal);
    return replyWith(found);
  };

  return {
    "persistentvolumeclaim query": {
      failure: "bare",
      answer: async ({ namespace = "default", name, node }) => {
        if (!claimedOnNode(ofPods, node, { namespace, name }))
          throw forbidden(persistentVolumeClaims.resource, name, `no pod of node ${node} uses it`);
        return replyWith(await objects.get(persistentVolumeClaims, { namespace, name }));
      },
    },
    "persistentvolume query": {
      failure: "bare",
      answer: ({ name, node }) =>
        readIf(persistentVolumes, name, {
          isOwn: (volume) => claimedOnNode(ofPods, node, claimOf(volume)),
          refusal: `it is bound to no claim that a pod of node ${node} uses`,
        }),
    },
    "volumeattachment query": {
      failure: "bare",
      answer: ({ name, node }) =>
        readIf(volumeAttachments, name, {
          isOwn: (attachment) => specOf(attachment).nodeName === node,
          refusal: `it is not that of node ${node}`,
        }),
    },
  };
}

function replyWith(found: KubeObject): Reply {
  return { content: found, resourceVersion: found.metadata.resourceVersion };
}

/** The claim that a volume is bound to: the volume says so itself, a claim could name any. */
function claimOf(volume: KubeObject): { readonly namespace: string; readonly name: string } {
  const { namespace, name } = objectOf(specOf(volume).claimRef);
  return { namespace: textOf(namespace), name: textOf(name) };
}
