import { ApiError, isReason, type KubeObject } from "../../kubernetes/index.ts";
import { kubeObjectOf, objectOf, textOf } from "../runtime/fields.ts";
import { leases, nodes } from "../runtime/kinds.ts";
import { done, objectResp } from "./answers.ts";
import { documentOf, type EdgeRequest, forbidden, type Handlers, type RequestParts } from "./requests.ts";

/** A node's own object, its status and its lease. Source: KubeEdge EdgeController, upstream. */
export function nodeHandlers(parts: RequestParts): Handlers {
  const { objects } = parts;

  const register = async (request: EdgeRequest) => {
    const name = ownName(request, "nodes");
    if (request.namespace === undefined) parts.sent.lacksItsNode(request.node);
    const created = await objects.create(nodes, newNode(request.content, name, await parts.labels.of(name)));
    const { status } = objectOf(request.content);
    if (status === undefined || created.status !== undefined) return { content: objectResp(created) };
    const { resourceVersion: _any, ...metadata } = created.metadata;
    const withStatus = { ...created, metadata, status };
    return { content: objectResp(await objects.update(nodes, withStatus, { subresource: "status" })) };
  };

  /** The labels that a node gives itself: those that the hub has given it stay as they are. */
  const ownLabels = async ({ node }: EdgeRequest, labels: unknown) => {
    if (labels === undefined) return undefined;
    const given = (await parts.labels.of(node)) ?? {};
    // Directives of a patch would take all of them away.
    const isOwn = (key: string): boolean => !Object.hasOwn(given, key) && !key.startsWith("$");
    return Object.fromEntries(Object.entries(objectOf(labels)).filter(([key]) => isOwn(key)));
  };

  const read = async (request: EdgeRequest) => {
    const node = await objects.get(nodes, { name: ownName(request, "nodes") });
    return { content: node, resourceVersion: node.metadata.resourceVersion };
  };

  /** Labels and annotations are no status: they are patched by themselves. */
  const patchStatus = async (request: EdgeRequest) => {
    const name = { name: ownName(request, "nodes") };
    if (request.namespace === undefined) parts.sent.readsItsNode(request.node);
    const patch = objectOf(documentOf(request.content));
    const { labels, annotations } = objectOf(patch.metadata);
    let node: KubeObject | undefined;
    if (labels !== undefined || annotations !== undefined) {
      const metadata = { labels: await ownLabels(request, labels), annotations };
      node = await objects.patch(nodes, name, "strategic", { metadata });
    }
    if (patch.status !== undefined) {
      const status = { status: patch.status };
      node = await objects.patch(nodes, name, "strategic", status, { subresource: "status" });
    }
    node ??= await objects.get(nodes, name);
    return { content: objectResp(node), resourceVersion: node.metadata.resourceVersion };
  };

  const updateLabels = async (request: EdgeRequest) => {
    const name = { name: ownName(request, "nodes") };
    const { labels, annotations } = objectOf(objectOf(request.content).metadata);
    const metadata = { labels: await ownLabels(request, labels), annotations };
    const node = await objects.patch(nodes, name, "merge", { metadata });
    return { content: done, resourceVersion: node.metadata.resourceVersion };
  };

  /** Edges before 1.12 send their whole status so. */
  const oldStatus = async (request: EdgeRequest) => {
    const name = ownName(request, "nodes");
    const { UID, Status } = objectOf(request.content);
    const found = await objects.get(nodes, { name });
    if (textOf(UID) !== "" && UID !== found.metadata.uid)
      throw forbidden("nodes", name, `its uid is ${found.metadata.uid}`);
    const node = await objects.patch(
      nodes,
      { name },
      "merge",
      { status: objectOf(Status) },
      { subresource: "status" },
    );
    return { content: done, resourceVersion: node.metadata.resourceVersion, type: "node" };
  };

  const oldRegistration = async (request: EdgeRequest) => {
    const name = ownName(request, "nodes");
    const node = await objects
      .create(nodes, newNode(request.content, name, await parts.labels.of(name)))
      .catch((error: unknown) => {
        if (isReason(error, "AlreadyExists")) return objects.get(nodes, { name });
        throw error;
      });
    return { content: done, resourceVersion: node.metadata.resourceVersion, type: "node" };
  };

  const lease = (verb: "create" | "update") => async (request: EdgeRequest) => {
    const name = ownName(request, "leases");
    const given = kubeObjectOf(request.content);
    if (given === undefined) throw new ApiError("BadRequest", "the content is no Lease");
    const { creationTimestamp: _theirs, ...metadata } = given.metadata;
    const named = { ...metadata, name, namespace: request.namespace ?? "kube-node-lease" };
    const object = { ...given, apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: named };
    return { content: objectResp(await objects[verb](leases, object)) };
  };

  const readLease = async (request: EdgeRequest) => {
    const name = { namespace: request.namespace, name: ownName(request, "leases") };
    return { content: objectResp(await objects.get(leases, name)) };
  };

  return {
    "node insert": { failure: "wrapped", answer: register },
    "node query": { failure: "bare", answer: read },
    "node update": { failure: "bare", answer: updateLabels },
    "nodepatch patch": { failure: "wrapped", answer: patchStatus },
    "nodestatus update": { failure: "bare", answer: oldStatus },
    "nodestatus insert": { failure: "bare", answer: oldRegistration },
    "lease query": { failure: "wrapped", answer: readLease },
    "lease insert": { failure: "wrapped", answer: lease("create") },
    "lease update": { failure: "wrapped", answer: lease("update") },
  };
}

/** @param given Labels that the hub gives the node: its own do not count against them. */
function newNode(content: unknown, name: string, given: KubeObject["metadata"]["labels"] = {}): KubeObject {
  const { metadata, spec, status } = objectOf(content);
  const { labels, annotations } = objectOf(metadata) as KubeObject["metadata"];
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { ...labels, ...given }, ...(annotations ? { annotations } : {}) },
    spec: objectOf(spec),
    ...(status === undefined ? {} : { status }),
  };
}

function ownName({ node, name }: EdgeRequest, resource: string): string {
  if (name !== node) throw forbidden(resource, name, `it is not that of node ${node}`);
  return name;
}
