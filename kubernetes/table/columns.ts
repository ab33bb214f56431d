import { at, type JsonObject, own } from "../json.ts";
import type { ResourceName } from "../objects-api.ts";
import { groupResource } from "../resource-type.ts";
import { ageOf } from "./age.ts";
import {
  containersOf,
  endpointAddresses,
  externalAddress,
  fieldCount,
  joined,
  labelText,
  nodeAddress,
  nodeRoles,
  nodeStatus,
  podRestarts,
  servicePorts,
  shown,
  textsOf,
} from "./cells.ts";
import { objectsAt, podSummary } from "./pod-status.ts";

/** Columns of `kubectl get` for the built-in kinds. Source: printers of Kubernetes. */

export type Cell = string | number | boolean | null;

export interface Column {
  readonly name: string;
  readonly type?: "integer" | "date";
  /** Only with `-o wide`. */
  readonly wide?: boolean;
  readonly cell: (object: JsonObject, now: number) => Cell;
}

/** Beside the name, which comes first. */
export function columnsFor(type: Pick<ResourceName, "group" | "resource">): readonly Column[] {
  return own(columns, groupResource(type)) ?? [age];
}

const age: Column = {
  name: "Age",
  cell: (object, now) => ageOf(at(object, "metadata", "creationTimestamp"), now),
};

function text(name: string, ...path: readonly string[]): Column {
  return { name, cell: (object) => shown(at(object, ...path)) };
}

/** Of what a node that has said nothing has, too. */
function known(name: string, ...path: readonly string[]): Column {
  return { name, cell: (object) => String(at(object, ...path) || "<unknown>") };
}

function wide(column: Column): Column {
  return { ...column, wide: true };
}

function count(name: string, ...path: readonly string[]): Column {
  return { name, type: "integer", cell: (object) => Number(at(object, ...path) ?? 0) };
}

function created(): Column {
  return text("Created At", "metadata", "creationTimestamp");
}

function roleColumn(): Column {
  return {
    name: "Role",
    cell: (binding) => `${shown(at(binding, "roleRef", "kind"))}/${shown(at(binding, "roleRef", "name"))}`,
  };
}

function syncColumns(): readonly Column[] {
  return [
    text("Kind", "spec", "objectKind"),
    text("Object", "spec", "objectName"),
    text("Version", "status", "objectResourceVersion"),
    age,
  ];
}

/** @param about The field that says what the event is about. */
function eventColumns(about: "involvedObject" | "regarding"): readonly Column[] {
  const seen = (name: string, ...fields: readonly string[]): Column => ({
    name,
    cell: (event, now) => {
      const times = [...fields.map((field) => at(event, field)), at(event, "metadata", "creationTimestamp")];
      return ageOf(
        times.find((time) => typeof time === "string"),
        now,
      );
    },
  });
  return [
    seen("Last Seen", "lastTimestamp", "deprecatedLastTimestamp", "eventTime"),
    text("Type", "type"),
    text("Reason", "reason"),
    {
      name: "Object",
      cell: (event) => `${shown(at(event, about, "kind")).toLowerCase()}/${shown(at(event, about, "name"))}`,
    },
    wide(text("Source", "source", "component")),
    { name: "Message", cell: (event) => String(event.message ?? event.note ?? "").trim() },
    wide(seen("First Seen", "firstTimestamp", "deprecatedFirstTimestamp", "eventTime")),
    wide({
      name: "Count",
      type: "integer",
      cell: (event) => Number(event.count ?? event.deprecatedCount ?? 1),
    }),
    wide(text("Name", "metadata", "name")),
  ];
}

const columns: Readonly<Record<string, readonly Column[]>> = {
  pods: [
    { name: "Ready", cell: (pod) => `${podSummary(pod).ready}/${podSummary(pod).containers}` },
    { name: "Status", cell: (pod) => podSummary(pod).status },
    { name: "Restarts", cell: (pod, now) => podRestarts(podSummary(pod), now) },
    age,
    wide(text("IP", "status", "podIP")),
    wide(text("Node", "spec", "nodeName")),
    wide(text("Nominated Node", "status", "nominatedNodeName")),
    wide({ name: "Readiness Gates", cell: () => "<none>" }),
  ],
  nodes: [
    { name: "Status", cell: nodeStatus },
    { name: "Roles", cell: nodeRoles },
    age,
    text("Version", "status", "nodeInfo", "kubeletVersion"),
    wide({ name: "Internal-IP", cell: (node) => nodeAddress(node, "InternalIP") }),
    wide({ name: "External-IP", cell: (node) => nodeAddress(node, "ExternalIP") }),
    wide(known("OS-Image", "status", "nodeInfo", "osImage")),
    wide(known("Kernel-Version", "status", "nodeInfo", "kernelVersion")),
    wide(known("Container-Runtime", "status", "nodeInfo", "containerRuntimeVersion")),
  ],
  namespaces: [text("Status", "status", "phase"), age],
  configmaps: [
    {
      name: "Data",
      type: "integer",
      cell: (map) => fieldCount(map.data) + fieldCount(map.binaryData),
    },
    age,
  ],
  secrets: [
    text("Type", "type"),
    { name: "Data", type: "integer", cell: (secret) => fieldCount(secret.data) },
    age,
  ],
  serviceaccounts: [
    { name: "Secrets", type: "integer", cell: (account) => objectsAt(account, "secrets").length },
    age,
  ],
  services: [
    text("Type", "spec", "type"),
    text("Cluster-IP", "spec", "clusterIP"),
    { name: "External-IP", cell: (service) => externalAddress(service) },
    { name: "Port(s)", cell: servicePorts },
    age,
    wide({ name: "Selector", cell: (service) => labelText(at(service, "spec", "selector")) }),
  ],
  endpoints: [{ name: "Endpoints", cell: endpointAddresses }, age],
  events: eventColumns("involvedObject"),
  "events.events.k8s.io": eventColumns("regarding"),
  persistentvolumes: [
    text("Capacity", "spec", "capacity", "storage"),
    text("Reclaim Policy", "spec", "persistentVolumeReclaimPolicy"),
    text("Status", "status", "phase"),
    text("Claim", "spec", "claimRef", "name"),
    text("StorageClass", "spec", "storageClassName"),
    age,
  ],
  persistentvolumeclaims: [
    text("Status", "status", "phase"),
    text("Volume", "spec", "volumeName"),
    text("Capacity", "status", "capacity", "storage"),
    text("StorageClass", "spec", "storageClassName"),
    age,
  ],
  "deployments.apps": [
    {
      name: "Ready",
      cell: (object) =>
        `${Number(at(object, "status", "readyReplicas") ?? 0)}/${Number(at(object, "spec", "replicas") ?? 0)}`,
    },
    count("Up-to-date", "status", "updatedReplicas"),
    count("Available", "status", "availableReplicas"),
    age,
    wide({ name: "Containers", cell: (object) => containersOf(object, "name") }),
    wide({ name: "Images", cell: (object) => containersOf(object, "image") }),
    wide({ name: "Selector", cell: (object) => labelText(at(object, "spec", "selector", "matchLabels")) }),
  ],
  "replicasets.apps": [
    count("Desired", "spec", "replicas"),
    count("Current", "status", "replicas"),
    count("Ready", "status", "readyReplicas"),
    age,
    wide({ name: "Containers", cell: (object) => containersOf(object, "name") }),
    wide({ name: "Images", cell: (object) => containersOf(object, "image") }),
  ],
  "leases.coordination.k8s.io": [text("Holder", "spec", "holderIdentity"), age],
  "endpointslices.discovery.k8s.io": [
    text("AddressType", "addressType"),
    { name: "Ports", cell: (slice) => joined(objectsAt(slice, "ports").map(({ port }) => shown(port))) },
    {
      name: "Endpoints",
      cell: (slice) => joined(objectsAt(slice, "endpoints").flatMap(({ addresses }) => textsOf(addresses))),
    },
    age,
  ],
  "roles.rbac.authorization.k8s.io": [created()],
  "clusterroles.rbac.authorization.k8s.io": [created()],
  "rolebindings.rbac.authorization.k8s.io": [roleColumn(), age],
  "clusterrolebindings.rbac.authorization.k8s.io": [roleColumn(), age],
  "customresourcedefinitions.apiextensions.k8s.io": [created()],
  "certificatesigningrequests.certificates.k8s.io": [
    age,
    text("SignerName", "spec", "signerName"),
    text("Requestor", "spec", "username"),
    {
      name: "Condition",
      cell: (request) =>
        joined(objectsAt(request, "status", "conditions").map(({ type }) => shown(type))).replace(
          "<none>",
          "Pending",
        ),
    },
  ],
  "devices.devices.kubeedge.io": [
    text("Node", "spec", "nodeName"),
    text("Model", "spec", "deviceModelRef", "name"),
    text("Protocol", "spec", "protocol", "protocolName"),
    age,
  ],
  "devicemodels.devices.kubeedge.io": [
    { name: "Properties", type: "integer", cell: (model) => objectsAt(model, "spec", "properties").length },
    age,
  ],
  "devicestatuses.devices.kubeedge.io": [
    text("State", "status", "state"),
    text("Last Online", "status", "lastOnlineTime"),
    age,
  ],
  "rules.rules.kubeedge.io": [
    text("Source", "spec", "source"),
    text("Target", "spec", "target"),
    count("Success", "status", "successMessages"),
    count("Fail", "status", "failMessages"),
    age,
  ],
  "ruleendpoints.rules.kubeedge.io": [text("Type", "spec", "ruleEndpointType"), age],
  "objectsyncs.reliablesyncs.kubeedge.io": syncColumns(),
  "clusterobjectsyncs.reliablesyncs.kubeedge.io": syncColumns(),
  "nodegroups.apps.kubeedge.io": [
    { name: "Nodes", type: "integer", cell: (group) => objectsAt(group, "status", "nodeStatuses").length },
    {
      name: "Ready",
      type: "integer",
      cell: (group) =>
        objectsAt(group, "status", "nodeStatuses").filter(({ readyStatus }) => readyStatus === "Ready")
          .length,
    },
    age,
  ],
  "edgeapplications.apps.kubeedge.io": [
    {
      name: "Available",
      cell: (application) => {
        const all = objectsAt(application, "status", "workloadStatus");
        return `${all.filter(({ conditions }) => conditions === "Available").length}/${all.length}`;
      },
    },
    age,
  ],
};
