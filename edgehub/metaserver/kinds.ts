import type { ResourceName } from "../../kubernetes/objects-api.ts";
import { apiVersionOf, groupVersionOf } from "../../kubernetes/resource-type.ts";

/** Kinds of Kubernetes objects: their names in paths, messages and documents. Pure. */

/** A kind of object. Source: Kubernetes API discovery. */
export interface Kind extends ResourceName {
  readonly kind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
}

/** `plural/Kind` by group version; `!` marks a kind without namespace; short names follow. */
const wellKnownText: Readonly<Record<string, string>> = {
  v1: `configmaps/ConfigMap,cm endpoints/Endpoints,ep events/Event,ev limitranges/LimitRange,limits
    namespaces/Namespace!,ns nodes/Node!,no persistentvolumeclaims/PersistentVolumeClaim,pvc
    persistentvolumes/PersistentVolume!,pv pods/Pod,po replicationcontrollers/ReplicationController,rc
    resourcequotas/ResourceQuota,quota secrets/Secret serviceaccounts/ServiceAccount,sa services/Service,svc`,
  "apps/v1": `controllerrevisions/ControllerRevision daemonsets/DaemonSet,ds deployments/Deployment,deploy
    replicasets/ReplicaSet,rs statefulsets/StatefulSet,sts`,
  "apps.kubeedge.io/v1alpha1": "edgeapplications/EdgeApplication,eapp nodegroups/NodeGroup!,ng",
  "autoscaling/v2": "horizontalpodautoscalers/HorizontalPodAutoscaler,hpa",
  "batch/v1": "cronjobs/CronJob,cj jobs/Job",
  "certificates.k8s.io/v1": "certificatesigningrequests/CertificateSigningRequest!,csr",
  "coordination.k8s.io/v1": "leases/Lease",
  "devices.kubeedge.io/v1beta1":
    "devices/Device devicemodels/DeviceModel devicestatuses/DeviceStatus,devstatus",
  "discovery.k8s.io/v1": "endpointslices/EndpointSlice",
  "networking.k8s.io/v1":
    "ingresses/Ingress,ing ingressclasses/IngressClass! networkpolicies/NetworkPolicy,netpol",
  "policy/v1": "poddisruptionbudgets/PodDisruptionBudget,pdb",
  "policy.kubeedge.io/v1alpha1": "serviceaccountaccesses/ServiceAccountAccess,saaccess",
  "rbac.authorization.k8s.io/v1":
    "clusterrolebindings/ClusterRoleBinding! clusterroles/ClusterRole! rolebindings/RoleBinding roles/Role",
  "rules.kubeedge.io/v1": "ruleendpoints/RuleEndpoint,re rules/Rule",
  "scheduling.k8s.io/v1": "priorityclasses/PriorityClass!,pc",
  "storage.k8s.io/v1":
    "csidrivers/CSIDriver! csinodes/CSINode! storageclasses/StorageClass!,sc volumeattachments/VolumeAttachment!",
};

/** What `kubectl get all` means. */
const inAll = new Set(
  "pods services replicationcontrollers daemonsets deployments replicasets statefulsets horizontalpodautoscalers cronjobs jobs".split(
    " ",
  ),
);

function wellKnown(apiVersion: string, word: string): Kind {
  const [names = "", ...shortNames] = word.split(",");
  const [resource = "", kind = ""] = names.split("/");
  return {
    ...groupVersionOf(apiVersion),
    resource,
    kind: kind.replace("!", ""),
    namespaced: !kind.endsWith("!"),
    shortNames,
    categories: inAll.has(resource) ? ["all"] : [],
  };
}

/** A kind that is known only from an object. */
export function guessedKind(apiVersion: string, kind: string, namespaced: boolean): Kind {
  const type = kind.toLowerCase();
  return {
    ...groupVersionOf(apiVersion),
    kind,
    resource: pluralOf(type),
    namespaced,
    shortNames: [],
    categories: [],
  };
}

/** The likely plural of a lower-case kind. */
export function pluralOf(type: string): string {
  if (type.endsWith("y")) return `${type.slice(0, -1)}ies`;
  return /(s|x|ch|sh)$/.test(type) ? `${type}es` : `${type}s`;
}

/** The lower-case kinds that a plural may be of. */
export function singularsOf(plural: string): string[] {
  const known = byPlural.get(plural);
  const guesses = [plural.replace(/ies$/, "y"), plural.replace(/es$/, ""), plural.replace(/s$/, ""), plural];
  return [...new Set([...(known ? [known.kind.toLowerCase()] : []), ...guesses])].filter(Boolean);
}

/** All kinds of this node, in the order of their documents. */
export class Catalogue {
  readonly kinds: readonly Kind[];

  /** @param found Kinds of stored objects; well-known ones are added. */
  constructor(found: readonly Kind[]) {
    const byPath = new Map<string, Kind>();
    for (const kind of [...wellKnownKinds, ...found]) {
      const path = `${apiVersionOf(kind)}/${kind.resource}`;
      if (!byPath.has(path)) byPath.set(path, kind);
    }
    this.kinds = [...byPath.values()];
  }

  /** By plural. */
  find(at: ResourceName): Kind | undefined {
    return this.kinds.find(
      ({ group, version, resource }) =>
        group === at.group && version === at.version && resource === at.resource,
    );
  }
}

/** Kinds every cluster has, and KubeEdge's own. */
export const wellKnownKinds: readonly Kind[] = Object.entries(wellKnownText).flatMap(([apiVersion, text]) =>
  text.split(/\s+/).map((word) => wellKnown(apiVersion, word)),
);
const byType: ReadonlyMap<string, Kind> = new Map(
  wellKnownKinds.map((kind) => [kind.kind.toLowerCase(), kind]),
);
const byPlural: ReadonlyMap<string, Kind> = new Map(wellKnownKinds.map((kind) => [kind.resource, kind]));

/** The well-known kind that messages call so, `configmap`. */
export function kindOfType(type: string): Kind | undefined {
  return byType.get(type);
}
