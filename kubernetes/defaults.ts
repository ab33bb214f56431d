import { at, isObject, type JsonObject, withFields } from "./json.ts";
import type { Kind } from "./kind.ts";
import type { KubeObject } from "./object.ts";
import { podDefaults, podSpecDefaults } from "./pod-defaults.ts";
import { withSchemaDefaults } from "./schema/schema-defaults.ts";

/** The object with the values that its kind has where nothing is said. */
export function withDefaults(kind: Kind, object: KubeObject): KubeObject {
  const whole = withSchemaDefaults(kind.schema, object) as JsonObject;
  return (kind.form === "native" ? nativeDefaults(kind, whole) : whole) as unknown as KubeObject;
}

function nativeDefaults({ type }: Kind, object: JsonObject): JsonObject {
  switch (`${type.kind}.${type.group}`) {
    case "Pod.":
      return podDefaults(withSpec(object, podSpecDefaults));
    case "Secret.":
      return secretDefaults(object);
    case "Service.":
      return withSpec(object, serviceDefaults);
    case "Deployment.apps":
      return withSpec(object, (spec) => withPodTemplate(rollingDefaults(spec)));
    case "ReplicaSet.apps":
      return withSpec(object, withPodTemplate);
    case "RoleBinding.rbac.authorization.k8s.io":
    case "ClusterRoleBinding.rbac.authorization.k8s.io":
      return withFields(object, { subjects: subjectsDefaults(object.subjects) });
    case "CustomResourceDefinition.apiextensions.k8s.io":
      return withSpec(object, definitionDefaults);
    default:
      return object;
  }
}

function withSpec(object: JsonObject, change: (spec: JsonObject) => JsonObject): JsonObject {
  return isObject(object.spec) ? withFields(object, { spec: change(object.spec) }) : object;
}

function withPodTemplate(spec: JsonObject): JsonObject {
  const { template } = spec;
  return isObject(template) ? withFields(spec, { template: withSpec(template, podSpecDefaults) }) : spec;
}

function rollingDefaults(spec: JsonObject): JsonObject {
  const { strategy } = spec;
  if (!isObject(strategy) || strategy.type !== "RollingUpdate") return spec;
  const rollingUpdate = {
    maxUnavailable: "25%",
    maxSurge: "25%",
    ...(strategy.rollingUpdate as object | undefined),
  };
  return withFields(spec, { strategy: withFields(strategy, { rollingUpdate }) });
}

/** Text that was given plainly becomes data. */
function secretDefaults(secret: JsonObject): JsonObject {
  const { stringData, data } = secret;
  if (!isObject(stringData)) return secret;
  const encoded = Object.entries(stringData).map(([key, value]) => [
    key,
    Buffer.from(String(value)).toString("base64"),
  ]);
  const merged = withFields(isObject(data) ? data : {}, Object.fromEntries(encoded));
  return withFields(secret, { data: merged, stringData: undefined });
}

function serviceDefaults(spec: JsonObject): JsonObject {
  const { type, ports, sessionAffinity, clusterIP } = spec;
  const isExternalName = type === "ExternalName";
  const isOutside = type === "NodePort" || type === "LoadBalancer";
  const threeHours = { clientIP: { timeoutSeconds: 10_800 } };
  return withFields(spec, {
    ports: Array.isArray(ports) ? ports.map(portDefaults) : ports,
    internalTrafficPolicy: spec.internalTrafficPolicy ?? (isExternalName ? undefined : "Cluster"),
    externalTrafficPolicy: spec.externalTrafficPolicy ?? (isOutside ? "Cluster" : undefined),
    allocateLoadBalancerNodePorts:
      spec.allocateLoadBalancerNodePorts ?? (type === "LoadBalancer" ? true : undefined),
    sessionAffinityConfig:
      spec.sessionAffinityConfig ?? (sessionAffinity === "ClientIP" ? threeHours : undefined),
    clusterIPs: spec.clusterIPs ?? (clusterIP ? [clusterIP] : undefined),
    ipFamilies: spec.ipFamilies ?? (isExternalName ? undefined : ["IPv4"]),
    ipFamilyPolicy: spec.ipFamilyPolicy ?? (isExternalName ? undefined : "SingleStack"),
  });
}

function portDefaults(port: unknown): unknown {
  if (!isObject(port)) return port;
  return port.targetPort === undefined || port.targetPort === ""
    ? withFields(port, { targetPort: port.port })
    : port;
}

function subjectsDefaults(subjects: unknown): unknown {
  if (!Array.isArray(subjects)) return subjects;
  return subjects.map((subject) => {
    const isPerson = at(subject, "kind") === "User" || at(subject, "kind") === "Group";
    return isPerson && !at(subject, "apiGroup")
      ? withFields(subject, { apiGroup: "rbac.authorization.k8s.io" })
      : subject;
  });
}

function definitionDefaults(spec: JsonObject): JsonObject {
  const { names } = spec;
  const kind = at(names, "kind");
  if (!isObject(names) || typeof kind !== "string") return spec;
  const whole = withFields(names, {
    singular: names.singular ?? kind.toLowerCase(),
    listKind: names.listKind ?? `${kind}List`,
  });
  return withFields(spec, { names: whole, conversion: spec.conversion ?? { strategy: "None" } });
}
