import { ApiError, isReason, type KubeObject, type ResourceName } from "../../kubernetes/index.ts";
import { kubeObjectOf, objectOf, textOf } from "../runtime/fields.ts";
import { certificateSigningRequests, configMaps, events, pods, secrets } from "../runtime/kinds.ts";
import { objectResp } from "./answers.ts";
import { neededIndex, neededOnNode } from "./pod-indexes.ts";
import { pathOf, referencesOf } from "./references.ts";
import {
  documentOf,
  type EdgeRequest,
  forbidden,
  type Handler,
  type Handlers,
  type RequestParts,
} from "./requests.ts";

/** What a node reads besides: its pods' ConfigMaps and Secrets, certificates; and its events. */
export function objectHandlers(parts: RequestParts): Handlers {
  const { objects, informers, clusterCa } = parts;
  const ofPods = informers.of(pods);
  neededIndex(ofPods);

  /**
   * An edge stores whatever it is answered as the object, an error too, and takes it for an empty one. So what a pod
   * cannot start without is not answered until it is there: then it is sent, and the edge asks again by itself. What is
   * optional is answered as missing.
   */
  const needed = (kind: "configmap" | "secret", resource: ResourceName): Handler => ({
    failure: "bare",
    answer: async (request) => {
      const { namespace = "default", name, node } = request;
      const users = neededOnNode(ofPods, node, pathOf(kind, { namespace, name }));
      if (users.length === 0) throw forbidden(resource.resource, name, `no pod of node ${node} names it`);
      try {
        const found = await objects.get(resource, { namespace, name });
        return { content: found, resourceVersion: found.metadata.resourceVersion };
      } catch (error) {
        if (isReason(error, "NotFound") && users.some((pod) => requires(pod, kind, name))) return undefined;
        throw error;
      }
    },
  });

  const readRequest: Handler = {
    failure: "bare",
    answer: async ({ name }) => {
      const found = await objects.get(certificateSigningRequests, { name });
      return { content: found, resourceVersion: found.metadata.resourceVersion };
    },
  };

  /** Those who sign go by who asks: that is not the edge's to say. */
  const askForCertificate = async (request: EdgeRequest) => {
    const given = kubeObjectOf(request.content);
    if (given === undefined) throw new ApiError("BadRequest", "the content is no CertificateSigningRequest");
    const { uid: _uid, extra: _extra, ...spec } = objectOf(given.spec);
    const groups = ["system:nodes", "system:authenticated"];
    const asked = { ...given, spec: { ...spec, username: `system:node:${request.node}`, groups } };
    return { content: objectResp(await objects.create(certificateSigningRequests, asked)) };
  };

  const addEvent = async (request: EdgeRequest) => {
    await objects.create(events, eventOf(request, request.content));
    return undefined;
  };

  /** An event that is gone by now is written anew. */
  const updateEvent = async (request: EdgeRequest) => {
    const event = eventOf(request, request.content);
    await objects.update(events, event).catch((error: unknown) => {
      if (!isReason(error, "NotFound")) throw error;
      return objects.create(events, event);
    });
    return undefined;
  };

  const patchEvent = async (request: EdgeRequest) => {
    const { event, patchData } = objectOf(request.content);
    const { namespace = "default", name } = request;
    const patch = documentOf(patchData);
    await objects.patch(events, { namespace, name }, "strategic", patch).catch((error: unknown) => {
      if (!isReason(error, "NotFound")) throw error;
      return objects.create(events, eventOf(request, event));
    });
    return undefined;
  };

  const ca = async () => (clusterCa === undefined ? undefined : { content: clusterCa, source: "cloudhub" });

  return {
    "configmap query": needed("configmap", configMaps),
    "secret query": needed("secret", secrets),
    "certificatesigningrequest query": readRequest,
    "certificatesigningrequest insert": { failure: "wrapped", answer: askForCertificate },
    "event insert": { failure: "none", answer: addEvent },
    "event update": { failure: "none", answer: updateEvent },
    "event patch": { failure: "none", answer: patchEvent },
    "k8s query": { failure: "bare", answer: ca },
  };
}

function requires(pod: KubeObject, kind: string, name: string): boolean {
  return referencesOf(pod).some((one) => one.kind === kind && one.name === name && !one.optional);
}

/** Names, namespaces and versions are the request's: an edge that reports must not be held up by a stale one. */
function eventOf({ namespace = "default", name }: EdgeRequest, content: unknown): KubeObject {
  const given = objectOf(content);
  const { labels, annotations } = objectOf(given.metadata) as KubeObject["metadata"];
  return {
    ...given,
    apiVersion: textOf(given.apiVersion, "v1") || "v1",
    kind: "Event",
    metadata: { name, namespace, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) },
  };
}
